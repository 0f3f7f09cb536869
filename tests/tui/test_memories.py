"""Memories in the cockpit: what an answer was told stands under it; the list adds, edits, pins, searches, forgets."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from textual.pilot import Pilot

from engine.errors import EngineError, ErrorClass
from engine.events import Recalled
from engine.view import View
from tests.tui.scripted_engine import ScriptedEngine
from tests.tui.test_cockpit import app_of, ask, flat, text_of, until
from tests.tui.test_slash import ready
from tinyllm_tui.screens.choice import ChoiceScreen
from tinyllm_tui.screens.memories import MemoriesScreen
from tinyllm_tui.screens.replay import ReplayScreen
from tinyllm_tui.widgets.chat.footer import AnswerFooter
from tinyllm_tui.widgets.recalled_lines import recalled_lines, recalled_trace, rows_each
from tinyllm_tui.words import ASCII, plain

TOLD = Recalled(1, "fact", "The zoo opens at nine.", "tx-1", 12, 0.62)


async def remembering() -> ScriptedEngine:
    engine = ScriptedEngine()
    for text in ("The zoo opens at nine.", "Tea is at five.", "[/nope] \x1b[31mred"):
        await engine.remember(text)
    engine.recalls = (TOLD,)
    return engine


async def opened(pilot: Pilot[None]) -> MemoriesScreen:
    app = await ready(pilot)
    await pilot.press("escape", "M")
    await until(pilot, lambda: isinstance(app.screen, MemoriesScreen) and "Tea is" in text_of(app))
    assert isinstance(app.screen, MemoriesScreen)
    return app.screen


@pytest.mark.parametrize("width", [20, 40, 80, 120])
def test_a_recalled_memory_has_its_source_and_fits_the_width(width: int) -> None:
    view = View(recalled=(TOLD, Recalled(2, "note", "x" * 900)))
    lines = [plain(line) for line in recalled_lines(view, width, ASCII)]
    assert len(lines) == 2 * rows_each(width)
    assert all(len(line) <= width for line in lines)
    assert lines[0].startswith("m recalled 1")
    if width >= 40:
        assert "fact of #12" in lines[0]
        assert any("by hand" in line for line in lines)


def test_a_trace_says_how_well_a_memory_fits_and_where_it_is_from() -> None:
    assert recalled_trace(TOLD) == "recalled 1 (fact, of #12, 0.62 by words): The zoo opens at nine."


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (40, 12)])
async def test_what_an_answer_was_told_stands_under_it(size: tuple[int, int], tmp_path: Path) -> None:
    app = app_of(await remembering(), tmp_path)
    async with app.run_test(size=size) as pilot:
        await ask(pilot)
        await until(pilot, lambda: not app.conversation.busy and "recalled 1" in text_of(app))
        assert "The zoo opens" in flat(text_of(app))


async def test_a_click_on_what_was_recalled_opens_that_memory(tmp_path: Path) -> None:
    app = app_of(await remembering(), tmp_path)
    async with app.run_test(size=(200, 60)) as pilot:
        await ask(pilot)
        await until(pilot, lambda: not app.conversation.busy and "recalled 1" in text_of(app))
        await pilot.click(AnswerFooter, offset=(4, 0))
        await until(pilot, lambda: isinstance(app.screen, MemoriesScreen) and app.screen.selected is not None)
        assert isinstance(app.screen, MemoriesScreen)
        assert app.screen.selected is not None
        assert app.screen.selected.id == 1
        assert "told to the latest answer (0.62 by words)" in flat(text_of(app))


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (40, 12)])
async def test_what_the_latest_answer_was_told_comes_first_with_a_sign(size: tuple[int, int], tmp_path: Path) -> None:
    app = app_of(await remembering(), tmp_path)
    async with app.run_test(size=size) as pilot:
        await ask(pilot)
        await until(pilot, lambda: not app.conversation.busy and "recalled 1" in text_of(app))
        await opened(pilot)
        rows = [line for line in text_of(app).splitlines() if "The zoo" in line or "Tea" in line]
        assert "❖" in rows[0]
        assert "The zoo" in rows[0]
        assert "❖" not in rows[1]
        assert "\x1b" not in text_of(app)


async def test_a_memory_that_was_forgotten_since_is_said_to_be(tmp_path: Path) -> None:
    engine = await remembering()
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await ask(pilot)
        await until(pilot, lambda: not app.conversation.busy and "recalled 1" in text_of(app))
        await engine.forget_memory(1)
        app._cockpit.open_memories("", 1)
        await until(pilot, lambda: "Memory 1 is forgotten; the run keeps" in flat(text_of(app)))


async def test_a_note_is_added_edited_and_pinned(tmp_path: Path) -> None:
    engine = await remembering()
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await opened(pilot)
        await pilot.press("a", *"Milk", "ctrl+j", *"and sugar", "enter")
        await until(pilot, lambda: 4 in engine.remembered and screen.selected is not None and screen.selected.id == 4)
        assert engine.remembered[4].text == "Milk\nand sugar"
        await pilot.press("e", *"!", "enter")
        await until(pilot, lambda: engine.remembered[4].text == "Milk\nand sugar!")
        await pilot.press("p")
        await until(pilot, lambda: engine.remembered[4].pinned and "pinned" in text_of(app))
        await pilot.press("p")
        await until(pilot, lambda: not engine.remembered[4].pinned)


async def test_enter_edits_the_selected_memory_and_esc_leaves_it_as_it_was(tmp_path: Path) -> None:
    engine = await remembering()
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        await pilot.press("down", "enter", *"xyz", "escape")
        await until(pilot, lambda: "xyz" not in text_of(app))
        assert engine.remembered[2].text == "Tea is at five."


async def test_forgetting_asks_first_and_enter_keeps_it(tmp_path: Path) -> None:
    engine = await remembering()
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        await pilot.press("down", "x")
        await until(pilot, lambda: isinstance(app.screen, ChoiceScreen) and "Tea is at five." in text_of(app))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, MemoriesScreen))
        assert 2 in engine.remembered
        await pilot.press("x")
        await until(pilot, lambda: isinstance(app.screen, ChoiceScreen))
        await pilot.press("down", "enter")
        await until(pilot, lambda: 2 not in engine.remembered and "Tea is" not in text_of(app))


async def test_memories_are_searched(tmp_path: Path) -> None:
    app = app_of(await remembering(), tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot)
        await pilot.press("slash", *"zoo")
        await until(pilot, lambda: "The zoo" in text_of(app) and "Tea is" not in text_of(app))
        await pilot.press(*"xx")
        await until(pilot, lambda: "No memory has these words." in text_of(app))
        await pilot.press("escape")
        await until(pilot, lambda: "Tea is" in text_of(app))
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app._cockpit)


async def test_the_source_of_a_memory_is_replayed(tmp_path: Path) -> None:
    engine = await remembering()
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await ask(pilot)
        await until(pilot, lambda: not app.conversation.busy and "committed" in text_of(app))
        engine.remembered[1] = dataclasses.replace(engine.remembered[1], tx="tx-1", number=1)
        await opened(pilot)
        await pilot.press("t")
        await until(pilot, lambda: isinstance(app.screen, ReplayScreen))


async def test_what_the_store_refuses_is_a_message(tmp_path: Path) -> None:
    engine = await remembering()
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await opened(pilot)
        engine.memory_error = EngineError(
            ErrorClass.RESOURCE, "read_only", "Nothing can be kept.", remedy="Close the other program."
        )
        await pilot.press("p")
        await until(pilot, lambda: "Nothing can be kept. Close the other" in flat(text_of(app)))


async def test_without_memories_the_list_says_how_to_add_one_and_its_key_does(tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(), tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot)
        await pilot.press("escape", "M")
        await until(pilot, lambda: "Nothing is remembered yet. a adds a note." in text_of(app))
        await pilot.press("a")
        await until(pilot, lambda: app.focused is not None and app.focused.id == "memories-field")
        await pilot.press("escape", "escape")
        await until(pilot, lambda: not isinstance(app.screen, MemoriesScreen))
