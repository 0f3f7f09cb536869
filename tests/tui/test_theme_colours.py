"""Colours of the shipped themes: every one is a variable, can be read, and is told apart by colour-blind eyes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import pytest
from textual.color import Color
from textual.theme import Theme

import tinyllm_tui
from tests.tui.colours import BLIND, contrast, distance, linear, seen
from tinyllm_tui import themes
from tinyllm_tui.domain_colours import VARIABLES, domain_variables
from tinyllm_tui.tones import TONES, tone_css, variable

THEMES = {theme.name: theme for theme in themes.load_themes([themes.shipped_folder()])[0]}
COMPUTED = [theme for theme in THEMES.values() if not theme.ansi]
GROUNDS = ("background", "surface", "panel", "block-cursor-background", "field-background")
_FOLDER = Path(tinyllm_tui.__file__).parent
_REPORTS = _FOLDER / "reports"
"""Writes files of its own, with colours of their own."""
_USED = re.compile(r"(?<![\w-])color: (\$[\w-]+(?: \d+%)?)|\"(?:bold )?(\$[\w-]+(?: \d+%)?)\"")
_INVERSE = {"$background"}
"""Words in the colour of the ground, on a ground in a colour of words."""
_LITERAL = re.compile(
    r"(?:color|background|tint|border[\w-]*|outline|hatch): [^;$}\n]*(?:#[0-9a-fA-F]{3,8}\b|rgba?\(|hsl\("
    r"|\b(?:black|white|red|green|blue|yellow|cyan|magenta|orange|gr[ae]y)\b)[^;\n]*;"
)


def variables_of(theme: Theme) -> dict[str, str]:
    """As a stylesheet sees them."""
    return theme.to_color_system().generate() | theme.variables


def colour(variables: dict[str, str], value: str, ground: Color) -> Color:
    """A value such as `$error 18%` on a ground."""
    name, _, share = value.partition(" ")
    if name.startswith("$"):
        return colour(variables, f"{variables[name[1:]]} {share}".strip(), ground)
    *_, share = value.split(" ") if "%" in value else ("100%",)
    return ground.blend(Color.parse(name), int(share.rstrip("%")) / 100)


def grounds(variables: dict[str, str]) -> Iterator[tuple[str, Color]]:
    """What words stand on."""
    below = Color.parse(variables["surface"])
    for name in GROUNDS:
        yield name, colour(variables, f"${name}", below)


def styles() -> Iterator[tuple[str, str]]:
    """(file, text) of everything that says how something looks."""
    for path in sorted([*_FOLDER.rglob("*.tcss"), *_FOLDER.rglob("*.py")]):
        if _REPORTS not in path.parents and "cli" not in path.relative_to(_FOLDER).parts:
            yield str(path.relative_to(_FOLDER)), path.read_text("utf-8")


def test_six_themes_are_shipped_dark_light_contrast_a_safe_pair_and_the_terminals_own() -> None:
    assert {(theme.name, theme.dark, theme.ansi) for theme in THEMES.values()} == {
        ("tinyllm-dark", True, False),
        ("tinyllm-light", False, False),
        ("tinyllm-contrast", True, False),
        ("tinyllm-safe-dark", True, False),
        ("tinyllm-safe-light", False, False),
        ("tinyllm-ansi", True, True),
    }


def test_no_widget_has_a_colour_of_its_own() -> None:
    found = [(file, hit[0]) for file, text in styles() for hit in _LITERAL.finditer(text)]
    assert found == []


@pytest.mark.parametrize("theme", THEMES.values(), ids=lambda theme: theme.name)
def test_every_theme_defines_or_derives_every_variable_that_is_used(theme: Theme) -> None:
    known = variables_of(theme)
    assert {each.name for each in VARIABLES} <= set(known)
    assert {variable(tone) for tone in TONES if tone not in ("code", "inline")} <= set(known)
    used = {name for _, text in styles() for name in re.findall(r"\$([a-z][\w-]*)", text)}
    assert {name for name in used if "-" in name} <= set(known)
    bare = Theme("bare", "#336699")  # a theme that says nothing
    assert set(domain_variables(vars(bare))) == {each.name for each in VARIABLES}


def test_every_tone_has_a_rule() -> None:
    css = tone_css()
    assert all(f".tone--{tone} {{" in css for tone in TONES if tone not in ("code", "inline"))


@pytest.mark.parametrize("theme", COMPUTED, ids=lambda theme: theme.name)
def test_words_of_every_kind_can_be_read_on_every_ground(theme: Theme) -> None:
    """4.5:1 for words and 3:1 for signs, https://www.w3.org/TR/WCAG21/#contrast-minimum and #non-text-contrast."""
    variables = variables_of(theme)
    least = {f"${each.name}": 3.0 for each in VARIABLES if each.use == "sign"}
    uses = {one or other for _, text in styles() for one, other in _USED.findall(text)} - _INVERSE
    uses |= {f"${each.name}" for each in VARIABLES if each.use != "ground"}
    uses |= {f"${variable(tone)}" for tone in TONES if tone not in ("code", "inline")}
    wanted = 7.0 if theme.name == "tinyllm-contrast" else 4.5
    weak = {
        (use, name): round(got, 2)
        for use in uses
        for name, ground in grounds(variables)
        if (got := contrast(colour(variables, use, ground), ground)) < least.get(use, wanted)
    }
    assert weak == {}


@pytest.mark.parametrize("theme", COMPUTED, ids=lambda theme: theme.name)
def test_words_on_a_banner_and_on_the_cursor_can_be_read(theme: Theme) -> None:
    variables = variables_of(theme)
    background = Color.parse(variables["background"])
    for each in VARIABLES:
        if each.use == "ground":
            ground = colour(variables, f"${each.name}", background)
            assert contrast(Color.parse(variables["foreground"]), ground) >= 4.5, each.name
    assert contrast(background, Color.parse(variables["accent"])) >= 4.5
    cursor = Color.parse(variables["block-cursor-background"])
    assert contrast(Color.parse(variables["block-cursor-foreground"]), cursor) >= 7


@pytest.mark.parametrize("name", ["tinyllm-safe-dark", "tinyllm-safe-light"])
@pytest.mark.parametrize("blind", ["normal", *BLIND])
def test_states_are_told_apart_by_colour_blind_eyes(name: str, blind: str) -> None:
    """Twenty steps of CIE76 apart, about nine times what is just noticeable."""
    variables = variables_of(THEMES[name])
    groups = (
        ("node-ok", "node-failed", "node-running"),
        ("breaker-closed", "breaker-open", "breaker-half-open"),
        ("diff-added", "diff-removed"),
        ("marker-commit", "marker-rollback"),
    )
    for group in groups:
        for one, other in combinations(group, 2):
            pair = [linear(Color.parse(variables[each])) for each in (one, other)]
            if blind != "normal":
                pair = [seen(each, BLIND[blind]) for each in pair]
            assert distance(*pair) >= 20, (one, other)


def test_the_terminals_own_theme_uses_its_sixteen_colours_alone() -> None:
    theme = THEMES["tinyllm-ansi"]
    variables = {value for name, value in theme.variables.items() if not name.endswith("text-style")}
    values = {*variables, theme.primary, theme.error, theme.foreground, theme.background}
    colours = {value for value in values if value is not None}
    assert all(str(value).startswith("ansi_") for value in colours), colours


def test_no_words_have_the_colour_of_the_ground_of_a_selected_row_in_the_terminals_own_colours() -> None:
    variables = variables_of(THEMES["tinyllm-ansi"])
    ground = variables["block-cursor-background"]
    tones = {variables[variable(tone)] for tone in TONES if tone not in ("code", "inline")}
    assert ground == "ansi_default" or ground not in tones
    assert variables["block-cursor-text-style"] != "none" or ground != "ansi_default"
