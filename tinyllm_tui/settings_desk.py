"""The settings while the cockpit is open: every one of the model, where its value is from, and changing single ones."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from engine.config import EngineConfig
from tinyllm_tui.config_edit import Setting, change_file
from tinyllm_tui.settings import SECRETS, Loaded, Settings, load, section

Kind = Literal["switch", "choice", "text", "number", "data", "secret", "file"]
"""How a value is given: on or off, one of a few, words, a number, JSON, hidden words, or in the file alone."""


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting as the model has it, with its present value."""

    place: Setting
    group: str
    words: str
    """What it is for."""
    kind: Kind
    choices: tuple[str, ...]
    default: Any
    value: Any
    source: str
    """Where the value is from: default, or the name of the file, variable or option."""

    @property
    def name(self) -> str:
        return ".".join(self.place)

    @property
    def optional(self) -> bool:
        return self.default is None


class SettingsDesk:
    """The settings of this start of the program, and the file into which changes go.

    Args:
        loaded: as the program was started.
        flags: settings that were given as options.
        given: the configuration file that was named by an option.
    """

    def __init__(self, loaded: Loaded, flags: Mapping[str, Any], given: Path | None = None) -> None:
        self.loaded = loaded
        self._flags, self._given = dict(flags), given

    @property
    def file(self) -> Path:
        """Where changes go."""
        return self.loaded.config_file

    def rows(self) -> list[SettingRow]:
        """Every setting, by group; those of the cockpit first."""
        rows = list(_rows(Settings, self.loaded.settings, (), self.loaded))
        groups = dict.fromkeys(("cockpit", *(row.group for row in rows)))
        order = {group: number for number, group in enumerate(groups)}
        return sorted(rows, key=lambda row: order[row.group])

    def row(self, place: Setting) -> SettingRow:
        return next(row for row in self.rows() if row.place == place)

    def change(self, place: Setting, value: Any) -> SettingRow:
        """Write one setting into the file; None takes it out. What counts then, which may be something else.

        Blocks: it writes a file.

        Raises:
            ConfigurationError: the file cannot be written, or be read again.
        """
        from tinyllm_tui.cli.init import commented_config

        change_file(self.file, {place: value}, new=commented_config())
        self.loaded = load(self._flags, config_file=self._given)
        return self.row(place)


def parsed(row: SettingRow, text: str) -> Any:
    """The value that a text means; None: the default."""
    text = text.strip()
    if not text and (row.optional or row.kind in ("number", "data")):
        return None
    if row.kind in ("text", "secret", "choice"):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def problem(row: SettingRow, value: Any) -> str:
    """What is wrong with a value; empty: nothing."""
    if value is None:
        return ""
    nested = value
    for part in reversed(row.place):
        nested = {part: nested}
    try:
        Settings(**nested)
    except ValidationError as error:
        message = str(error.errors(include_url=False)[0]["msg"])
        return f"{message.removeprefix('Value error, ')}."
    return ""


def shown(value: Any) -> str:
    """A value in a line."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=str) if value else ""
    return str(value)


def _rows(model: type[BaseModel], values: BaseModel, inside: Setting, loaded: Loaded) -> Iterator[SettingRow]:
    for name, info in model.model_fields.items():
        place = (*inside, name)
        value, group = getattr(values, name), section(info)
        if group is not None:
            yield from _rows(group, value, place, loaded)
            continue
        kind = _kind(name, info)
        if kind == "secret":
            value = "(set)" if value else ""
        elif kind == "file":
            value = f"{len(value)} of them" if value else ""
        yield SettingRow(
            place=place,
            group=inside[0] if inside else "engine" if name in EngineConfig.model_fields else "cockpit",
            words=info.description or name.replace("_", " "),
            kind=kind,
            choices=tuple(str(each) for each in get_args(info.annotation)) if kind == "choice" else (),
            default=info.get_default(call_default_factory=True),
            value=value,
            source=loaded.source_of(place),
        )


def _kind(name: str, info: FieldInfo) -> Kind:
    """How a value of a field is given."""
    if name in SECRETS:
        return "secret"
    annotation = info.annotation
    kinds = [each for each in get_args(annotation) if each is not NoneType] or [annotation]
    if get_origin(annotation) is Literal:
        return "choice"
    if get_origin(annotation) is list:
        return "file"
    if get_origin(annotation) is dict:
        return "data"
    if kinds == [bool]:
        return "switch"
    return "number" if kinds[0] in (int, float) else "text"
