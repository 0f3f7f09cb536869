"""NO_COLOR (https://no-color.org): no colour at all, and everything can still be told apart."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.style import Style

from tests.tui.scripted_engine import ScriptedEngine
from tests.tui.test_cockpit import app_of, ask, screen_text, until
from tinyllm_tui.app import CockpitApp
from tinyllm_tui.widgets.sessions_pane import SessionsPane


def styles(app: CockpitApp) -> list[tuple[str, Style]]:
    strips = app.screen._compositor.render_strips()
    return [(each.text, each.style) for strip in strips for each in strip if each.style is not None]


async def test_without_colour_focus_choice_and_states_are_told_by_lines_signs_and_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = app_of(ScriptedEngine(), tmp_path)
    async with app.run_test(size=(170, 40)) as pilot:
        await ask(pilot)
        await until(pilot, lambda: not app.conversation.busy and "▶ capital?" in screen_text(app))
        drawn = styles(app)
        assert all(style.color is None or style.color.is_default for _, style in drawn)
        assert all(style.bgcolor is None or style.bgcolor.is_default for _, style in drawn)
        app.screen.query_one(SessionsPane).focus()
        await until(pilot, lambda: "┏" in screen_text(app))  # the frame with the focus
        assert any("capital?" in text and style.underline for text, style in styles(app))
        assert "✓ general" in screen_text(app)
        assert "committed" in screen_text(app)
