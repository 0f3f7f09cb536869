"""The comparison screen, from the list and from a fork."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tui.scripted_engine import ScriptedEngine, fails
from tests.tui.test_cockpit import app_of, spec, text_of, until
from tinyllm_tui.screens.compare import CompareScreen
from tinyllm_tui.screens.replay import ReplayScreen
from tinyllm_tui.screens.transactions import TransactionsScreen


@pytest.mark.parametrize("size", [(120, 40), (40, 12)])
async def test_two_runs_are_marked_compared_and_moved_together(size: tuple[int, int], tmp_path: Path) -> None:
    engine = ScriptedEngine()
    app = app_of(engine, tmp_path)
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: app.engine is not None)
        await engine.start(spec(), "What is the capital of France?").result()
        engine.answer = engine.answer.replace("Seine", "Loire")
        await engine.start(spec(), "What is the capital of France?").result()
        await pilot.press("escape", "ctrl+r")
        await until(pilot, lambda: isinstance(app.screen, TransactionsScreen) and "#2 " in text_of(app))
        await pilot.press("space", "down", "c")
        await until(pilot, lambda: isinstance(app.screen, CompareScreen) and "{+*Seine*:+}" in text_of(app))
        screen = app.screen
        assert isinstance(screen, CompareScreen)
        assert "COMPARE #2 #1" in text_of(app)
        await pilot.press("circumflex_accent")
        await until(pilot, lambda: screen._head.position == 0 and "{+" not in text_of(app))
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: screen._head.position >= 1)
        await pilot.press("g", *"100%", "enter")
        await until(pilot, lambda: screen._head.ended and "{+*Seine*:+}" in text_of(app))
        await pilot.press("1")
        await until(pilot, lambda: "= question" in text_of(app) and screen.focused is screen.query_one("#facts"))
        await pilot.press("tab", "percent_sign")
        await until(pilot, lambda: screen.focused is screen._graphs[0] and screen._head.by == "share")
        await pilot.press("tab", "r")
        await until(pilot, lambda: isinstance(app.screen, ReplayScreen) and "REPLAY #1" in text_of(app))
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is screen)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, TransactionsScreen))


async def test_a_fork_is_compared_with_its_parent_and_the_command_takes_two_numbers(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(pilot, lambda: app.engine is not None)
        await engine.start(spec(), "first").result()
        engine.script = fails
        await (await engine.fork("1", at=2)).result()
        row = await engine.transaction("2")
        await app.push_screen(ReplayScreen(row, await engine.events(row.tx)))
        await pilot.press("c")
        await until(pilot, lambda: isinstance(app.screen, CompareScreen) and "COMPARE #1 #2" in text_of(app))
        assert "≠ outcome" in text_of(app)
        await pilot.press("escape", "escape")
        await until(pilot, lambda: app.screen is app._cockpit)
        await pilot.press(*"/compare", "space", *"1 1", "enter")
        await until(pilot, lambda: "#1 is one run. Name two of them." in text_of(app))
        app.prompt.text = "/compare 2 1"
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, CompareScreen) and "COMPARE #2 #1" in text_of(app))
