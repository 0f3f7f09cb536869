"""Themes from YAML files: the shipped ones, and the person's own."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from textual.color import Color, ColorParseError
from textual.theme import Theme

from engine.errors import ConfigurationError
from tinyllm_tui.domain_colours import domain_variables
from tinyllm_tui.sanitize import one_line

DEFAULT = "tinyllm-dark"
_LIMIT = 64 * 1024
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's where it is there: themes are read before the first paint, and Python's own takes ten times as long."""
_NAME = re.compile(r"[a-z][a-z0-9-]{0,80}")
_PERCENT = re.compile(r"\d{1,3}%")


def _colour(value: str) -> str:
    try:
        Color.parse(value)
    except ColorParseError:
        raise ValueError("not a colour; write it as #rrggbb or by its CSS name") from None
    return value


Colour = Annotated[str, AfterValidator(_colour)]


_STYLES = frozenset({"none", "bold", "dim", "italic", "underline", "reverse", "strike"})


def _variables(values: dict[str, str]) -> dict[str, str]:
    """Textual reads these while it draws, where a mistake would be fatal; so they are tried here."""
    for name, value in values.items():
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a variable")
        words = value.split()
        if name.endswith("text-style"):
            if not words or not set(words) <= _STYLES:
                raise ValueError(f"{name} must be one of {', '.join(sorted(_STYLES))}")
            continue
        if len(words) not in (1, 2) or (len(words) == 2 and not _PERCENT.fullmatch(words[1])):
            raise ValueError(f"{name} must be a colour, such as '#aabbcc' or '#aabbcc 30%'")
        _colour(words[0])
    return values


class ThemeColors(BaseModel):
    """The palette; states are told by `success`, `warning` and `error` together with a sign."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    primary: Colour
    secondary: Colour
    accent: Colour
    success: Colour
    warning: Colour
    error: Colour
    foreground: Colour
    background: Colour
    surface: Colour
    panel: Colour


_ANSI = {
    "surface": "ansi_default",
    "panel": "ansi_default",
    "ansi-background": "ansi_default",
    "ansi-foreground": "ansi_default",
}
"""What Textual leaves out of themes that have the terminal's colours."""


class ThemeFile(BaseModel):
    """One theme file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,60}$")
    dark: bool = True
    ansi: bool = Field(default=False, description="whether colours are those of the terminal, such as ansi_red")
    colors: ThemeColors
    variables: Annotated[dict[str, str], AfterValidator(_variables)] = Field(
        default_factory=dict, description="Textual's theme variables"
    )

    def theme(self) -> Theme:
        colors = self.colors.model_dump()
        variables = _ANSI if self.ansi else {}
        variables = variables | domain_variables(colors) | self.variables
        return Theme(name=self.name, dark=self.dark, ansi=self.ansi, variables=variables, **colors)


def shipped_folder() -> Path:
    """Where the shipped themes are: in the wheel, or in the checkout."""
    inside = Path(__file__).parent / "_shipped" / "themes"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "themes"


def user_folder() -> Path:
    """Where the person's own themes are looked for."""
    from tinyllm_tui.settings import config_path

    return config_path().parent / "themes"


def read_theme(path: Path) -> Theme:
    """The theme in `path`.

    Raises:
        ConfigurationError: it cannot be read, or says something that is no theme; the message names what.
    """
    remedy = f"Correct {path.name}, or compare it with a shipped theme in {shipped_folder()}."
    try:
        if path.stat().st_size > _LIMIT:
            raise ConfigurationError("theme_too_large", f"The theme {path.name} is larger than 64 KB.", remedy=remedy)
        raw = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506 - both are safe loaders
        return ThemeFile.model_validate(raw).theme()
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        message = f"The theme {path.name} is not usable: {where}: {one_line(first['msg'], 120)}."
        raise ConfigurationError("theme_invalid", message, remedy=remedy) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        message = f"The theme {path.name} cannot be read: {one_line(str(error), 160)}."
        raise ConfigurationError("theme_unreadable", message, remedy=remedy) from None


def load_themes(folders: Iterable[Path]) -> tuple[list[Theme], list[ConfigurationError]]:
    """All themes of `folders` (later ones win by name), and what was wrong with the others."""
    themes: dict[str, Theme] = {}
    problems: list[ConfigurationError] = []
    for folder in map(ThemeFolder, folders):
        problems += folder.read()
        themes |= {theme.name: theme for theme in folder.themes}
    return list(themes.values()), problems


Stamps = Mapping[Path, tuple[int, int, int]]
"""File -> when it was written, its size, and which file it is."""


class ThemeFolder:
    """The theme files of a folder, read as often as they change."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._good: dict[Path, Theme] = {}

    @property
    def themes(self) -> list[Theme]:
        """The last that could be read of every file that is there."""
        return [self._good[path] for path in sorted(self._good)]

    def stamps(self) -> Stamps:
        """By what a change is seen; a file that is being replaced just now counts with the next look."""
        found = {}
        for path in [*self._folder.glob("*.yaml"), *self._folder.glob("*.yml")] if self._folder.is_dir() else ():
            with contextlib.suppress(OSError):
                stat = path.stat()
                found[path] = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        return found

    def read(self) -> list[ConfigurationError]:
        """Read every file; what is wrong with those that cannot be read, of which the last good form stays."""
        problems: list[ConfigurationError] = []
        files = sorted(self.stamps())
        for path in files:
            try:
                self._good[path] = read_theme(path)
            except ConfigurationError as error:
                problems.append(error)
        self._good = {path: theme for path, theme in self._good.items() if path in files}
        return problems


def unknown(name: str, known: str) -> ConfigurationError:
    """There is no theme of that name."""
    message = f"There is no theme named {one_line(name, 60)}."
    return ConfigurationError("theme_unknown", message, remedy=f"Known are: {known}.")
