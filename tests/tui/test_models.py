"""The list of models: choosing which one answers, fetching and removing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import OptionList

from engine.errors import EngineError, ErrorClass
from engine.models.catalogue import ROLES, Resolution
from engine.models.protocol import ModelInfo
from tests.tui.scripted_engine import MODEL, ScriptedEngine
from tests.tui.test_cockpit import SIZES, app_of, ask, flat, screen_text, text_of, until
from tinyllm_tui.app import CockpitApp
from tinyllm_tui.model_words import SUGGESTED
from tinyllm_tui.screens.choice import ChoiceScreen
from tinyllm_tui.screens.cockpit import CockpitScreen
from tinyllm_tui.screens.models import ModelsScreen

CODER = ModelInfo(
    "qwen2.5-coder:7b", 4_700_000_000, 7.6, "Q4_K_M", window=8192, loaded=True,
    capabilities=frozenset({"chat", "tools"}),
)  # fmt: skip
EMBEDDER = ModelInfo("nomic-embed-text", 274_000_000, 0.137, window=2048, capabilities=frozenset({"embed"}))


def engine_of(*models: ModelInfo) -> ScriptedEngine:
    engine = ScriptedEngine()
    engine.installed = [ModelInfo(MODEL, 98_000_000, 0.135, "Q4_1", window=4096), *models]
    return engine


async def opened(pilot: Pilot[None]) -> ModelsScreen:
    """Open the list with the slash command, and give it once it has been read."""
    app = pilot.app
    await ask(pilot, "/models")
    await until(pilot, lambda: isinstance(app.screen, ModelsScreen) and MODEL in screen_text(app))
    assert isinstance(app.screen, ModelsScreen)
    return app.screen


def told(app: CockpitApp) -> str:
    """What the toasts say."""
    return " ".join(str(toast.message) for toast in app._notifications)


async def answering(engine: ScriptedEngine) -> dict[str, str]:
    return {role: r.model for role, r in (await engine.roles()).items() if isinstance(r, Resolution)}


@pytest.mark.parametrize("size", SIZES)
async def test_the_list_is_drawn_at_every_size(size: tuple[int, int], tmp_path: Path) -> None:
    app = app_of(engine_of(CODER, EMBEDDER), tmp_path)
    async with app.run_test(size=size) as pilot:
        await opened(pilot)
        text = text_of(app)
        assert "4.7 GB" in text
        assert "●" in text
        if size[0] >= 80:
            for words in ("7.6B", "T2", "8.2k", "Q4_K_M", "loaded", "98 MB"):
                assert words in text


async def test_enter_lets_a_model_answer_for_every_role_from_the_next_question_on(tmp_path: Path) -> None:
    engine = engine_of(CODER)
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        screen = await opened(pilot)
        before = await answering(engine)
        assert set(before.values()) != {CODER.name}
        await pilot.press("down", "enter")
        await until(pilot, lambda: "answers for every role from the next question on" in told(app))
        assert await answering(engine) == dict.fromkeys(ROLES, CODER.name)
        await until(pilot, lambda: screen.roles_of(CODER) == list(ROLES))
        await pilot.press("a")
        await until(pilot, lambda: engine.config.model is None)
        assert await answering(engine) == before


async def test_r_lets_it_answer_for_one_role(tmp_path: Path) -> None:
    engine = engine_of(CODER)
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        await pilot.press("down", "r")
        await until(pilot, lambda: isinstance(app.screen, ChoiceScreen))
        await pilot.press("down", "down", "enter")
        await until(pilot, lambda: engine.config.roles == {"math": CODER.name})
        assert engine.config.model is None


async def test_a_model_that_only_makes_embeddings_is_not_chosen(tmp_path: Path) -> None:
    engine = engine_of(EMBEDDER)
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await opened(pilot)
        await pilot.press("down", "enter")
        await until(pilot, lambda: "only makes embeddings" in told(app))
        assert engine.config.model is None
        await pilot.press("r")
        assert isinstance(app.screen, ModelsScreen)


async def test_a_model_is_removed_after_a_question_to_which_enter_says_no(tmp_path: Path) -> None:
    engine = engine_of(CODER)
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await opened(pilot)
        await pilot.press("down", "x")
        await until(pilot, lambda: "would be removed" in flat(text_of(app).replace("│", " ")))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, ModelsScreen))
        assert CODER in engine.installed
        await pilot.press("x")
        await until(pilot, lambda: isinstance(app.screen, ChoiceScreen))
        await pilot.press("down", "enter")
        await until(pilot, lambda: "Removed qwen2.5-coder:7b" in told(app))
        assert CODER not in engine.installed


async def test_a_fetch_shows_how_far_it_is_goes_on_when_the_list_is_left_and_can_be_cancelled(tmp_path: Path) -> None:
    engine = engine_of(CODER)
    engine.pace.hold = asyncio.Event()
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await opened(pilot)
        await pilot.press("p", *"new:1b", "enter")
        await until(pilot, lambda: "42 %" in text_of(app) and "420 MB of 1.0 GB" in text_of(app))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, CockpitScreen) and "↓ fetching 42 %" in text_of(app))
        await pilot.press("escape", "m")
        await until(pilot, lambda: isinstance(app.screen, ModelsScreen) and "42 %" in text_of(app))
        await pilot.press("c")
        await until(pilot, lambda: engine.library.closed == ["new:1b"] and not app.pulls.busy)
        await until(pilot, lambda: "goes on where it stopped" in told(app) and "42 %" not in text_of(app))


async def test_what_was_fetched_is_in_the_list(tmp_path: Path) -> None:
    engine = engine_of()
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        screen = await opened(pilot)
        await pilot.press("p", *"new:1b", "enter")
        await until(pilot, lambda: screen.query_one(OptionList).option_count == 2)
        await until(pilot, lambda: "Fetched new:1b." in told(app))


async def test_a_fetch_that_fails_says_why_and_another_one_can_begin(tmp_path: Path) -> None:
    engine = engine_of()
    engine.library.failure = EngineError(ErrorClass.NOT_FOUND, "x", "There is no [/such] model.", remedy="Look it up.")
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await opened(pilot)
        await pilot.press("p", *"new:1b", "enter")
        await until(pilot, lambda: "There is no [/such] model. Look it up." in told(app))
        await until(pilot, lambda: not app.pulls.busy)
        engine.library.failure = None
        assert app.pulls.begin("other")


async def test_only_one_model_is_fetched_at_a_time(tmp_path: Path) -> None:
    engine = engine_of()
    engine.pace.hold = asyncio.Event()
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await opened(pilot)
        assert app.pulls.begin("one")
        assert not app.pulls.begin("two")
        assert app.pulls.name == "one"
        engine.pace.hold.set()
        await until(pilot, lambda: not app.pulls.busy)


async def test_the_app_ends_while_a_model_is_being_fetched(tmp_path: Path) -> None:
    engine = engine_of()
    engine.pace.hold = asyncio.Event()
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        app.pulls.begin("one")
        await until(pilot, lambda: app.pulls.meter.total > 0)
    assert engine.library.closed == ["one"]
    assert engine.closed


async def test_where_there_is_only_the_toy_better_models_are_suggested_and_a_key_offers_them(tmp_path: Path) -> None:
    engine = engine_of()
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        text = text_of(app)
        assert "is a toy" in text
        for each in SUGGESTED:
            assert each.source in text
        await pilot.press("2")
        await until(pilot, lambda: app.screen._field.value == SUGGESTED[1].source)  # type: ignore[attr-defined]
        assert not app.pulls.busy, "it is only offered"
        await pilot.press("enter")
        await until(pilot, lambda: app.pulls.name == SUGGESTED[1].source)


async def test_a_dead_backend_is_told_with_its_remedy_and_looked_for_again(tmp_path: Path) -> None:
    engine = engine_of()
    engine.backend_error = EngineError(ErrorClass.CONNECTION, "x", "No server answers.", remedy="Start Ollama.")
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.backend_state.status == "offline")
        await pilot.press("escape", "m")
        await until(pilot, lambda: "No server answers. Start Ollama." in flat(text_of(app)))
        await pilot.press("r", "x", "a", "enter")
        assert isinstance(app.screen, ModelsScreen)
        engine.backend_error = None
        await pilot.press("l")
        await until(pilot, lambda: MODEL in text_of(app))


async def test_the_names_of_models_are_hostile_text(tmp_path: Path) -> None:
    engine = engine_of(ModelInfo("evil[/nope]\x1b[31m\n[@click=app.quit()]x[/]", parameters_b=1.0))
    app: CockpitApp = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        await pilot.press("down", "x")
        await until(pilot, lambda: isinstance(app.screen, ChoiceScreen))
        assert "[/nope]" in text_of(app)
        assert "\x1b[31m" not in text_of(app)
