"""The cockpit on the real engine with the real embedded model."""

from __future__ import annotations

from pathlib import Path

import pytest

import engine
from engine.config import EngineConfig
from tests.tui.test_cockpit import screen_text, until
from tinyllm_tui.app import CockpitApp
from tinyllm_tui.screens.replay import ReplayScreen

pytestmark = pytest.mark.embedded


async def test_a_question_is_answered_by_the_embedded_model_and_replayed_from_the_store(tmp_path: Path) -> None:
    app = CockpitApp(
        lambda: engine.open(data_dir=tmp_path / "data", config=EngineConfig(backend="embedded")),
        "multi_domain",
        user_themes=tmp_path / "themes",
    )
    async with app.run_test(size=(120, 40)) as pilot:
        for _ in range(20):  # a cold model takes seconds, and each of these waits for eight
            if app.backend_state.status == "ready":
                break
            await pilot.pause(0.5)
        await pilot.press(*"What is the capital of France?", "enter")
        await until(pilot, lambda: app.live.view.status == "executing")
        await until(pilot, lambda: not app.conversation.busy)
        assert app.live.view.status == "committed"
        assert app.chat.latest is not None
        answer = app.chat.latest.answer_text
        assert "Paris" in answer
        await until(pilot, lambda: "Paris" in screen_text(app) and "#1 committed" in screen_text(app))
        assert "embedded · smollm2" in screen_text(app)
        assert "toy" in screen_text(app)
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "#1 " in screen_text(app))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, ReplayScreen) and "Paris" in screen_text(app))
        screen = app.screen
        assert isinstance(screen, ReplayScreen)
        assert screen.playhead.view == app.live.view
        await pilot.press("home", "right_curly_bracket")
        await until(pilot, lambda: "Paris" not in screen_text(app))


async def test_esc_cancels_the_embedded_model_and_the_partial_stays(tmp_path: Path) -> None:
    app = CockpitApp(
        lambda: engine.open(data_dir=tmp_path / "data", config=EngineConfig(backend="embedded")),
        "multi_domain",
        user_themes=tmp_path / "themes",
    )
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press(*"Write a long story about a fox and a raven.", "enter")
        for _ in range(6):
            try:
                await until(pilot, lambda: len(app.live.view.answer) > 40)
            except AssertionError:
                continue
            break
        await pilot.press("escape")
        await until(pilot, lambda: not app.conversation.busy)
        assert app.live.view.reason == "cancelled"
        assert app.chat.latest is not None
        assert len(app.chat.latest.answer_text) > 40
        await until(pilot, lambda: "rolled back: cancelled" in screen_text(app))
