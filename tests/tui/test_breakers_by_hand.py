"""The breakers pane under a person's hands: select one, set it, leave it to itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import events as ev
from tests.tui.scripted_engine import ScriptedEngine
from tests.tui.test_cockpit import app_of, text_of, until
from tinyllm_tui.app import CockpitApp


def closed(key: str) -> ev.BreakerSnapshot:
    return ev.BreakerSnapshot(key, "endpoint", "closed", recent="....")


def of(app: CockpitApp, key: str) -> str:
    return app.live.breakers[key].state


async def test_a_person_opens_closes_disables_and_releases_the_selected_breaker(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.backend_state.status == "ready")
        engine.breaker(closed("here big"), "closed")
        engine.breaker(closed("here tiny"), "closed")
        await until(pilot, lambda: len(app.live.breakers) == 2)
        pane = app._cockpit.board.breakers
        await pilot.press("alt+3", "down", "down")
        await until(pilot, lambda: pane.selected == "here tiny")
        for key, state in (
            ("x", "forced_open"),
            ("d", "disabled"),
            ("a", "closed"),
            ("x", "forced_open"),
            ("c", "closed"),
        ):
            await pilot.press(key)
            await until(pilot, lambda state=state: of(app, "here tiny") == state)  # type: ignore[misc]
        assert of(app, "here big") == "closed"
        await pilot.press("up")
        await until(pilot, lambda: pane.selected == "here big")


async def test_a_click_selects_and_the_keys_are_offered_only_then(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.backend_state.status == "ready")
        engine.breaker(closed("here big"), "closed")
        engine.breaker(closed("here tiny"), "closed")
        await until(pilot, lambda: len(app.live.breakers) == 2)
        pane = app._cockpit.board.breakers
        await pilot.press("alt+3", "x")
        assert not pane.check_action("force", ("open",))
        assert {each.state for each in app.live.breakers.values()} == {"closed"}
        await until(pilot, lambda: pane.count() == 2)  # one line each, where there is little room
        await pilot.click(pane, offset=(4, 1))
        await until(pilot, lambda: pane.selected == "here tiny")
        assert pane.check_action("force", ("open",))
        assert "x opens" in text_of(app)


async def test_the_selected_breaker_stays_selected_when_a_worse_one_comes_before_it(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.backend_state.status == "ready")
        engine.breaker(closed("here big"), "closed")
        await until(pilot, lambda: len(app.live.breakers) == 1)
        await pilot.press("alt+3", "down")
        engine.breaker(ev.BreakerSnapshot("here tiny", "endpoint", "open", until_ms=engine.now_ms() + 60_000), "closed")
        await until(pilot, lambda: "OPEN" in text_of(app))
        await pilot.press("d")
        await until(pilot, lambda: of(app, "here big") == "disabled")
        assert of(app, "here tiny") == "open"


async def test_breakers_that_a_run_made_are_there_when_it_has_ended_although_no_call_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = ScriptedEngine()

    def breakers() -> tuple[ev.BreakerSnapshot, ...]:
        over = bool(engine.log) and isinstance(engine.log[-1].body, ev.TERMINAL)
        return (closed("here tiny"),) if over else ()

    monkeypatch.setattr(engine, "breakers", breakers)
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.backend_state.status == "ready")
        await pilot.press("h", "i", "enter")
        await until(pilot, lambda: app.live.view.finished)
        await until(pilot, lambda: "here tiny" in text_of(app))
