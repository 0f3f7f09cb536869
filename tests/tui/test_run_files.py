"""Runs as files in the cockpit: one is exported from a replay, and opened again without being imported."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tui.scripted_engine import ScriptedEngine, fails
from tests.tui.test_cockpit import app_of, spec, text_of, until
from tinyllm_tui.exports import free_name
from tinyllm_tui.screens.choice import ChoiceScreen
from tinyllm_tui.screens.replay import ReplayScreen
from tinyllm_tui.screens.transactions import TransactionsScreen


async def test_a_run_is_exported_in_each_form_and_replayed_from_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    engine = ScriptedEngine(fails)
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(pilot, lambda: app.engine is not None)
        await engine.start(spec(), "What is 2 + 2?").result()
        await pilot.press("escape", "ctrl+r")
        await until(pilot, lambda: isinstance(app.screen, TransactionsScreen) and "#1 " in text_of(app))
        for downs, form in enumerate(("svg", "md", "jsonl")):
            await pilot.press("e")
            await until(pilot, lambda: isinstance(app.screen, ChoiceScreen))
            await pilot.press(*["down"] * downs, "enter")
            await until(pilot, lambda form=form: (tmp_path / f"run-1.{form}").exists())  # type: ignore[misc]
        (tmp_path / "bad.jsonl").write_text("\x1b[2Jno run")
        await pilot.press("o", *"bad.jsonl", "enter")
        await until(pilot, lambda: "bad.jsonl: This is no exported run." in text_of(app).replace("\n", " "))
        await pilot.press("o", *"run-1.jsonl", "enter")
        await until(pilot, lambda: isinstance(app.screen, ReplayScreen) and "read only" in text_of(app))
        screen = app.screen
        assert isinstance(screen, ReplayScreen)
        assert screen.playhead.view.question == "What is 2 + 2?"
        assert screen.playhead.view.status == "rolled_back"
        await pilot.press("f")
        await until(pilot, lambda: any("quit and import it" in each.message for each in app._notifications))
        assert len(engine.rows) == 1
        await pilot.press("e")
        await until(pilot, lambda: isinstance(app.screen, ChoiceScreen) and "JSON Lines" not in text_of(app))
        await pilot.press("enter")
        await until(pilot, lambda: (tmp_path / "run-1-2.svg").exists())


def test_an_export_never_takes_the_name_of_a_file_that_is_there(tmp_path: Path) -> None:
    assert free_name(tmp_path, 4, "md").name == "run-4.md"
    (tmp_path / "run-4.md").touch()
    (tmp_path / "run-4-2.md").touch()
    assert free_name(tmp_path, 4, "md").name == "run-4-3.md"
