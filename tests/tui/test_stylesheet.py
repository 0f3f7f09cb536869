"""The stylesheet that keeps what it parsed, and the tones of line-drawn panes."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.css import stylesheet as textual_stylesheet
from textual.css.stylesheet import StylesheetParseError

from tests.tui.scripted_engine import ScriptedEngine
from tests.tui.test_cockpit import app_of, text_of, until
from tinyllm_tui.stylesheet import KeepingStylesheet


def sheet(css: str = "Label { color: $ink; }", ink: str = "red") -> KeepingStylesheet:
    made = KeepingStylesheet(variables={"ink": ink})
    made.add_source(css, ("somewhere", ""))
    return made


def test_a_source_is_parsed_once_for_all_apps_with_the_same_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    first = sheet("Label { color: $ink; } /* once */")
    assert first.rules
    monkeypatch.delattr(textual_stylesheet, "parse")
    again = sheet("Label { color: $ink; } /* once */")
    assert again.rules == first.rules
    again.reparse()
    assert again.rules == first.rules


def test_other_variables_are_other_rules() -> None:
    blue, red = sheet(ink="blue").css, sheet(ink="red").css
    assert blue != red
    made = sheet(ink="red")
    made.set_variables({"ink": "blue"})
    made.reparse()
    assert made.css == blue


def test_after_a_source_with_an_error_the_rules_are_the_old_ones() -> None:
    made = sheet()
    before = list(made.rules)
    made.add_source("Label { colour: red; }", ("elsewhere", ""))
    with pytest.raises(StylesheetParseError):
        made.reparse()
    del made.source["elsewhere", ""]
    made.reparse()
    assert made.rules == before


async def test_another_theme_recolours_the_lines_that_are_shown(tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(), tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "3 failures in a row" in text_of(app))
        pane = app._cockpit.board.breakers

        def colours() -> set[str]:
            return {str(segment.style.color) for segment in pane.render_line(0) if segment.style}

        dark = colours()
        app.theme = "tinyllm-light"
        await until(pilot, lambda: colours() != dark)
        app.theme = "tinyllm-dark"
        await until(pilot, lambda: colours() == dark)
