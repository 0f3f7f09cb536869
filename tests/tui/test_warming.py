"""The models of the graph are loaded while a question is typed."""

from __future__ import annotations

from pathlib import Path

from tests.tui.scripted_engine import ScriptedEngine
from tests.tui.test_cockpit import app_of, until


async def test_the_models_are_loaded_when_a_person_begins_to_type_and_only_then(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.backend_state.status != "starting")
        await pilot.pause()
        assert engine.warmed == []
        await pilot.press("w")
        await until(pilot, lambda: bool(engine.warmed))
        await pilot.press("h", "y", "backspace")
        await pilot.pause()
        assert len(engine.warmed) == 1
        await pilot.press("backspace", "backspace", "s")
        await until(pilot, lambda: len(engine.warmed) == 2)
