"""Theme files."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.color import Color
from textual.theme import Theme

from engine.errors import ConfigurationError
from tinyllm_tui import themes

SHIPPED, PROBLEMS = themes.load_themes([themes.shipped_folder()])


def luminance(colour: Color) -> float:
    """Relative luminance, https://www.w3.org/TR/WCAG21/#dfn-relative-luminance."""
    parts = [c / 255 for c in (colour.r, colour.g, colour.b)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(Color.parse(one)), luminance(Color.parse(other))), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_a_dark_and_a_light_theme_are_shipped_without_problems() -> None:
    assert not PROBLEMS
    assert {(theme.name, theme.dark) for theme in SHIPPED} == {("tinyllm-dark", True), ("tinyllm-light", False)}


@pytest.mark.parametrize("theme", SHIPPED, ids=lambda theme: theme.name)
@pytest.mark.parametrize("role", ["foreground", "primary", "secondary", "accent", "success", "warning", "error"])
def test_every_colour_of_text_can_be_read(theme: Theme, role: str) -> None:
    for ground in ("background", "surface", "panel"):
        assert contrast(getattr(theme, role), getattr(theme, ground)) >= 4.5, ground


def test_a_theme_of_the_person_wins_by_name(tmp_path: Path) -> None:
    text = (themes.shipped_folder() / "tinyllm-dark.yaml").read_text().replace("#4fd1c5", "#ff00ff")
    (tmp_path / "mine.yaml").write_text(text)
    found, problems = themes.load_themes([themes.shipped_folder(), tmp_path])
    assert not problems
    assert next(theme for theme in found if theme.name == "tinyllm-dark").accent == "#ff00ff"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("accent:", "akzent:", "colors."),
        ('"#0e1116"', '"#nope"', "colors.background"),
        ('border: "#4fd1c5"', 'border: "red; color: blue"', "variables"),
        ('"bold"', '"blink fast"', "variables"),
        ("name: tinyllm-dark", "name: ../x", "name"),
    ],
)
def test_a_mistake_is_named_with_the_file_and_the_place(old: str, new: str, told: str, tmp_path: Path) -> None:
    text = (themes.shipped_folder() / "tinyllm-dark.yaml").read_text()
    assert old in text
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ConfigurationError) as caught:
        themes.read_theme(path)
    assert "mine.yaml" in caught.value.message
    assert told in caught.value.message
    assert caught.value.remedy


def test_no_folder_is_no_problem(tmp_path: Path) -> None:
    assert themes.load_themes([tmp_path / "none"]) == ([], [])
