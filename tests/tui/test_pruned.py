"""What was pruned is opened from the memory pane, live and in a replay: the list, why, and the whole text."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.cells import cell_len
from textual.widgets import OptionList, Static

from engine import events as ev
from engine.memory.context import ContextSelection
from engine.message import MessageKind
from engine.view import MemoryView, PruneView, View
from tests.tui.scripted_engine import MODEL, ScriptedEngine, ScriptedRun, answers, fails
from tests.tui.test_cockpit import app_of, ask, flat, text_of, until
from tinyllm_tui.app import CockpitApp
from tinyllm_tui.screens.pruned import PrunedScreen
from tinyllm_tui.widgets.lines import LineView
from tinyllm_tui.widgets.memory import memory_lines
from tinyllm_tui.widgets.pruned_lines import message_lines, prune_head, rows_of, text_rows
from tinyllm_tui.words import ASCII, UNICODE, Glyphs, plain

HOSTILE = "\x1b]0;hacked\x07[/nope] \x1b[31mred\u202e"
HISTORY = (
    ("user", "Is the quokka shy?"),
    ("assistant", f"Not at all. {HOSTILE} " + "It is curious. " * 40 + "That is all."),
    ("user", "Where does it live?"),
)
LONG = "word " * 6000
MESSAGES = (
    ev.PrunedMessage("question", "user", 900, 8, 400, "question"),
    ev.PrunedMessage("history", "user", 9, len(HISTORY[0][1]), 0, "history 0", rank="earlier"),
    ev.PrunedMessage("history", "assistant", 160, len(HISTORY[1][1]), 0, "history 1", rank="referred"),
    ev.PrunedMessage("history", "user", 9, 7, 0, "history 9", rank="recent"),
    ev.PrunedMessage("tool", "user", 7500, len(LONG), 0, "", LONG[:20_000], rank="made"),
)


def pruned(selection: str, messages: tuple[ev.PrunedMessage, ...] = MESSAGES, unlisted: int = 3) -> ev.ContextPruned:
    removed = tuple(f"{message.kind}, {message.tokens} tokens: ..." for message in messages)
    return ev.ContextPruned(selection, "over 80 % of the 1792 tokens", 1790, 1070, 2048, removed, messages, unlisted)


async def prunes(run: ScriptedRun) -> None:
    """A run that prunes twice."""
    graph = run.graph.model_dump(mode="json")
    run.emit(
        ev.Begin(graph, run.graph.content_hash(), run.question, run.session, run.number, history=HISTORY, backend="x")
    )
    run.emit(ev.NodeStarted(path="general", visit=1, message=2))
    run.emit(pruned(f"general {MODEL}", MESSAGES[1:2], 0))
    run.remember("general", tokens=1000)
    await run.engine.pace.sleep(0.1)
    run.emit(pruned(f"general {MODEL}"))
    run.remember("general", tokens=1070)
    run.emit(ev.NodeFinished(path="general", visit=1, outcome="ok", content="Yes.", duration_ms=9))
    run.emit(ev.Committed(exit="success", exit_node="answer", text="Yes."))


def shown(app: CockpitApp) -> str:
    """What the screen itself shows; the board behind it is another in a replay."""
    screen = app.screen
    head = str(screen.query_one("#pruned-head", Static).content)
    rows = [str(option.prompt) for option in screen.query_one(OptionList).options]
    text = [plain(line) for line in screen.query_one("#pruned-text", LineView)._lines]
    return "\n".join([head, *rows, *text])


def chosen(app: CockpitApp) -> int | None:
    return app.screen.query_one(OptionList).highlighted


@pytest.mark.parametrize(("size", "ascii_only"), [((120, 40), False), ((80, 24), True), ((40, 12), True)])
async def test_enter_in_the_memory_pane_opens_what_went_live_and_in_a_replay(
    tmp_path: Path, size: tuple[int, int], ascii_only: bool
) -> None:
    app = app_of(ScriptedEngine(prunes), tmp_path, ascii_only=ascii_only)
    seen: list[list[str]] = []
    async with app.run_test(size=size, notifications=True) as pilot:
        await ask(pilot, "capital?")
        await until(pilot, lambda: not app.conversation.busy and app.live.view.finished)
        for replay in (False, True):
            if replay:
                await pilot.press("ctrl+r")
                await until(pilot, lambda: "capital?" in text_of(app))
                await pilot.press("enter")
                await until(pilot, lambda: "REPLAY #1" in text_of(app))
            await pilot.press("alt+4")
            await until(pilot, lambda: "pruned 8" in text_of(app) or "1.1k" in text_of(app))
            await pilot.press("enter")
            await until(pilot, lambda: isinstance(app.screen, PrunedScreen) and "pruning 2 of 2" in text_of(app))
            texts = [shown(app)]
            assert "why: over 80 %" in flat(text_of(app))
            for step in range(1, 6):
                await pilot.press("down")
                await until(pilot, lambda step=step: chosen(app) == step)  # type: ignore[misc]
                await pilot.pause(0.05)
                assert "pruning 2 of 2" in text_of(app)
                assert not ascii_only or text_of(app).isascii()
                texts.append(shown(app))
            seen.append(texts)
            await pilot.press("left_square_bracket")
            await until(pilot, lambda: "pruning 1 of 2" in text_of(app))
            await pilot.press("escape")
            await until(pilot, lambda: not isinstance(app.screen, PrunedScreen))
    live, replayed = seen
    assert replayed == live
    assert "\x1b" not in "".join(live)
    assert "cannot be had" in flat(live[3])
    assert "Not at all. [/nope] red It is curious." in flat(live[2]), "the list and the text, sanitised"
    assert flat(live[2]).endswith("That is all."), "the text is whole"
    assert flat(live[5]).endswith("their texts are not named.")
    assert "".join(live).isascii() == ascii_only


async def test_tab_leads_to_the_text_whose_end_can_be_read_and_y_copies_it_whole(tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(prunes), tmp_path)
    async with app.run_test(size=(40, 12), notifications=True) as pilot:
        await ask(pilot)
        await until(pilot, lambda: not app.conversation.busy and app.live.view.finished)
        await pilot.press("alt+4")
        await until(pilot, lambda: app._cockpit.board.memory.has_focus)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, PrunedScreen) and chosen(app) is not None)
        await pilot.press("down", "down", "tab", "end")
        await until(pilot, lambda: "That is all." in flat(text_of(app)))
        await pilot.press("y")
        await until(pilot, lambda: app.clipboard == HISTORY[1][1])


async def test_a_click_on_a_pruning_opens_that_one(tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(prunes), tmp_path)
    async with app.run_test(size=(200, 60), notifications=True) as pilot:
        await ask(pilot)
        await until(pilot, lambda: not app.conversation.busy and app.live.view.finished)
        pane = app._cockpit.board.memory
        row = next(index for index, prune in enumerate(pane._told) if prune is not None)
        await until(pilot, lambda: row < pane.size.height)
        await pilot.click(pane, offset=(4, row))
        await until(pilot, lambda: isinstance(app.screen, PrunedScreen) and "pruning 1 of 2" in text_of(app))


async def test_where_nothing_was_pruned_enter_leads_to_the_prompt(tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(answers), tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await ask(pilot)
        await until(pilot, lambda: not app.conversation.busy and app.live.view.finished)
        board = app._cockpit.board
        await pilot.press("alt+4")
        await until(pilot, lambda: board.memory.has_focus)
        await pilot.press("enter")
        await until(pilot, lambda: board.prompt is not None and board.prompt.has_focus)


async def test_a_run_of_an_earlier_version_says_that_it_kept_no_texts(tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(fails), tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await ask(pilot)
        await until(pilot, lambda: not app.conversation.busy and app.live.view.finished)
        await pilot.press("alt+4")
        await until(pilot, lambda: app._cockpit.board.memory.has_focus)
        await pilot.press("enter")
        await until(pilot, lambda: "recorded by an earlier version" in flat(text_of(app)))


@pytest.mark.parametrize("width", [16, 38, 100])
@pytest.mark.parametrize("signs", [UNICODE, ASCII])
def test_lines_fit_their_width_and_hold_nothing_that_commands_a_terminal(width: int, signs: Glyphs) -> None:
    view = View(question="Why so?!", history=HISTORY)
    body = pruned(f"general{HOSTILE} {MODEL}")
    prune = PruneView(9, body.selection, HOSTILE, 90, 60, body.removed, body.messages, 3, "Why so?!")
    rows = [prune_head(prune, 1, 1, signs), *rows_of(view, prune, width, signs)]
    assert len(rows) == 1 + 5 + 1
    assert max(cell_len(row) for row in rows[1:]) <= width
    for at in range(6):
        lines = [plain(line) for line in message_lines(view, prune, at, width, signs)]
        assert max(cell_len(line) for line in lines) <= width
        rows += lines
    assert not {"\x1b", "\x07", "\u202e"} & set("".join(rows))


@pytest.mark.parametrize("width", [2, 7, 40])
@pytest.mark.parametrize(
    "text",
    ["", "short", "one two three " * 9, "x" * 95, "\u6c34" * 50, "caf\u00e9 \u6c34\u6c34 and so on " * 8, "a\n\n  b "],
)
def test_rows_of_a_text_fit_and_lose_nothing_but_the_spaces_where_they_break(text: str, width: int) -> None:
    rows = list(text_rows(text, width))
    assert max(cell_len(row) for row in rows) <= width
    assert "".join("".join(rows).split()) == "".join(text.split())


@pytest.mark.parametrize("reserved", [0, 512])
def test_the_mark_stands_where_pruning_begins(reserved: int) -> None:
    """The engine's own selection prunes as soon as it is fuller than the mark says, and not before."""
    selection = ContextSelection("m small", 2048)
    selection.add(MessageKind.QUESTION, "user", "?", pinned=True)
    while selection.prune(reserved) is None:
        measured = selection.measured(reserved)
        selection.add(MessageKind.HISTORY, "user", "x" * 24)
    memory = MemoryView("m small", measured.tokens, 2048, reserved, by_kind=measured.by_kind)
    gauge = plain(memory_lines({"m": memory}, 165)[1])[:160]
    mark = gauge.index(UNICODE.limit)
    assert abs(mark - 160 * measured.tokens / 2048) <= 1.5
    assert set(gauge[mark + 2 :]) == {UNICODE.empty}


def test_the_pane_says_what_is_pinned_and_what_is_kept_for_the_answer() -> None:
    memory = MemoryView("m small", 600, 2048, 256, 90, 7, {"system": 60, "question": 30, "history": 510})
    text = flat(" ".join(plain(line) for line in memory_lines({"m": memory}, 40)))
    for words in ("system 60", "question 30", "history 510", "7 messages", "pinned 90", "kept for the answer 256"):
        assert words in text
