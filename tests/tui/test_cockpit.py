"""The cockpit, driven by keys, on the scripted engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Markdown
from textual.widgets._toast import Toast

from engine import events as ev
from engine.errors import ConfigurationError, EngineError, ErrorClass
from engine.graph.spec import GraphSpec
from engine.store.rows import TransactionRow
from tests.tui.scripted_engine import ANSWER, MODEL, ScriptedEngine, ScriptedRun, fails
from tinyllm_tui.app import CockpitApp
from tinyllm_tui.screens.help import HelpScreen
from tinyllm_tui.screens.replay import ReplayScreen
from tinyllm_tui.screens.transactions import TransactionsScreen
from tinyllm_tui.widgets.status import Banner

SIZES = [(80, 24), (120, 40), (200, 60), (40, 12)]


def spec(_name: str = "") -> GraphSpec:
    """The shape of the multi-domain graph."""
    nodes = [
        ("start", "entry"), ("router", "router"), ("code", "model"), ("math", "model"), ("general", "model"),
        ("check", "gate"), ("answer", "exit"), ("best_effort", "exit"),
    ]  # fmt: skip
    routes = [{"name": n, "target": n} for n in ("code", "math", "general")]
    edges = [("start", "router"), *(("router", n) for n in ("code", "math", "general"))]
    edges += [*((n, "check") for n in ("code", "math", "general")), ("check", "answer"), ("check", "best_effort")]
    return GraphSpec.model_validate(
        {
            "id": "graph.multi_domain",
            "nodes": [{"id": n, "type": t, "config": {"routes": routes} if t == "router" else {}} for n, t in nodes],
            "edges": [{"from_node": a, "to_node": b} for a, b in edges],
        }
    )


def app_of(engine: ScriptedEngine, tmp_path: Path, **options: Any) -> CockpitApp:
    options.setdefault("load_graph", spec)
    return CockpitApp(engine.open, "multi_domain", user_themes=tmp_path / "themes", **options)


async def until(pilot: Pilot[None], condition: Callable[[], bool]) -> None:
    """Wait for something that happens when the event loop gets to it; a test that waits in vain fails."""
    if condition():
        return
    for _ in range(600):
        if pilot.app._exception is not None:
            raise AssertionError("the app ended") from pilot.app._exception
        await asyncio.sleep(0.02)  # not `pilot.pause`, which sends a message to every widget: once, at the end
        if condition():
            await pilot.pause(0)
            return
    raise AssertionError(f"never came true; the screen was:\n{screen_text(pilot.app)}")


def screen_text(app: Any) -> str:
    return "\n".join(strip.text for strip in app.screen._compositor.render_strips())


async def ask(pilot: Pilot[None], question: str = "capital?") -> None:
    app = pilot.app
    assert isinstance(app, CockpitApp)
    await until(pilot, lambda: app.backend_state.status != "starting")
    await pilot.press(*question, "enter")


def flat(text: str) -> str:
    """`text` without the places where lines were broken."""
    return " ".join(text.split())


def text_of(app: CockpitApp) -> str:
    return screen_text(app)


@pytest.mark.parametrize("size", SIZES)
async def test_a_question_is_answered_at_every_size(size: tuple[int, int], tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(), tmp_path)
    async with app.run_test(size=size) as pilot:
        await ask(pilot)
        await until(pilot, lambda: "committed" in text_of(app) and not app.conversation.busy)
        assert app.chat.latest is not None
        assert app.chat.latest.answer_text.startswith("The capital of France is")
        await until(pilot, lambda: app.chat.query_one(Markdown).source == ANSWER)


async def test_the_footer_of_an_answer_says_who_how_fast_and_which_transaction(tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(), tmp_path)
    async with app.run_test(size=(200, 60)) as pilot:
        await ask(pilot)
        await until(pilot, lambda: not app.conversation.busy and "#1 · committed" in text_of(app))
        text = text_of(app)
        for words in ("✓ general ·", f"{MODEL} ·", "31 tokens ·", "tok/s ·", "#1 · committed"):
            assert words in text


async def test_panes_show_a_run_while_it_goes_on(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    engine.pace.hold = asyncio.Event()
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(200, 60)) as pilot:
        await ask(pilot)
        await until(pilot, lambda: "▶" in text_of(app) and "capital of France" in text_of(app))
        text = text_of(app)
        assert "executing" in text
        assert "612/2.0k tokens" in text
        assert "route general by classifier" in text
        engine.pace.hold.set()
        await until(pilot, lambda: "committed (success)" in text_of(app))


async def test_esc_cancels_a_run_and_keeps_what_was_written(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    engine.pace.hold = asyncio.Event()
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await ask(pilot)
        await until(pilot, lambda: "The capital of France" in text_of(app))
        await pilot.press("escape")
        await until(pilot, lambda: "rolled back: cancelled" in text_of(app) and not app.conversation.busy)
        assert "The capital of France" in text_of(app)
        assert "partial answer" in text_of(app)
        assert "What was written stays on screen." in flat(text_of(app))


async def test_ctrl_c_cancels_a_run_and_without_one_says_how_to_quit(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    engine.pace.hold = asyncio.Event()
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(pilot, lambda: app.backend_state.status == "ready")
        await pilot.press("ctrl+c")
        await until(pilot, lambda: "Ctrl+Q quits" in text_of(app))
        await ask(pilot)
        await until(pilot, lambda: "The capital of France" in text_of(app))
        await pilot.press("ctrl+c")
        await until(pilot, lambda: "rolled back: cancelled" in text_of(app) and not app.conversation.busy)
        assert "The capital of France" in text_of(app)
        assert "Do you want to quit?" not in text_of(app)


async def test_ctrl_c_copies_what_is_selected_in_the_prompt(tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(), tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(pilot, lambda: app.backend_state.status == "ready")
        prompt = app._cockpit.board.prompt
        assert prompt is not None
        prompt.text = "to be copied"
        prompt.select_all()
        await pilot.press("ctrl+c")
        await until(pilot, lambda: app.clipboard == "to be copied")
        assert "Ctrl+Q quits" not in text_of(app)


async def test_a_failed_run_shows_the_error_the_remedy_and_the_breaker(tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(fails), tmp_path)
    async with app.run_test(size=(200, 60)) as pilot:
        await ask(pilot)
        await until(pilot, lambda: "rolled back: failed" in text_of(app) and not app.conversation.busy)
        text = text_of(app)
        assert "The model server's answer broke off." in text
        assert "Look at its log." in text
        assert "To add two and two, we" in text
        assert "OPEN" in text
        assert "left" in text
        assert "pruned 2: 1.8k to 1.2k" in text


async def test_a_refused_question_is_a_message_with_its_remedy(tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(), tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(pilot, lambda: app.backend_state.status == "ready")
        app.conversation.ask("x" * 1_000_000, "[pasted]")
        await until(pilot, lambda: "The question is too long." in text_of(app))
        assert "Ask a shorter one." in text_of(app)


async def test_a_megabyte_that_is_pasted_stands_as_a_token_and_is_sent_whole(tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(), tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.backend_state.status == "ready")
        prompt = app._cockpit.board.prompt
        assert prompt is not None
        from textual.events import Paste

        prompt.post_message(Paste("y" * 1_048_576))
        await until(pilot, lambda: "1,048,576 characters" in prompt.text)
        assert prompt.question() == "y" * 1_048_576
        await pilot.press("enter")
        await until(pilot, lambda: "The question is too long." in text_of(app))


async def test_one_question_at_a_time(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    engine.pace.hold = asyncio.Event()
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await ask(pilot)
        await until(pilot, lambda: app.live.view.status == "executing")
        await pilot.press(*"second", "enter")
        await until(pilot, lambda: "One question at a time" in text_of(app))
        prompt = app._cockpit.board.prompt
        assert prompt is not None
        assert prompt.text == "second"
        assert len(engine.rows) == 1
        assert not app.screen.query(Toast), "which would cover what is kept"
        engine.pace.hold.set()
        await until(pilot, lambda: not app.conversation.busy and "One question at a time" not in text_of(app))
        assert prompt.text == "second"


async def test_typing_and_enter_in_one_burst_sends_the_whole_line(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(pilot, lambda: app.backend_state.status == "ready")
        from textual.events import Key

        for char in "a b":
            app.post_message(Key("space" if char == " " else char, char))
        app.post_message(Key("ctrl+j", "\n"))
        app.post_message(Key("c", "c"))
        app.post_message(Key("enter", "\r"))
        app.post_message(Key("d", "d"))
        await until(pilot, lambda: bool(engine.rows))
        assert engine.rows[0].question == "a b\nc"
        prompt = app._cockpit.board.prompt
        assert prompt is not None
        await until(pilot, lambda: prompt.text == "d")

        edits: list[str] = []
        insert = prompt.replace
        prompt.replace = lambda text, *rest, **more: (edits.append(text), insert(text, *rest, **more))[1]  # type: ignore[method-assign]
        for char in "x" * 500:
            app.post_message(Key(char, char))
        await until(pilot, lambda: prompt.text == "d" + "x" * 500)
        assert len(edits) < 100, "what comes at once is inserted at once"


HOSTILE = (
    "[/nope] [b]x[/b] \x1b[31mred\x1b[0m \x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\ "
    "\x1b]0;title\x07 \u202egnp \ud800 <b>html</b>"
)


async def test_hostile_text_in_question_and_answer_is_harmless(tmp_path: Path) -> None:
    engine = ScriptedEngine(answer=HOSTILE)
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(200, 60)) as pilot:
        await until(pilot, lambda: app.backend_state.status == "ready")
        app.conversation.ask(HOSTILE, HOSTILE)
        await until(pilot, lambda: not app.conversation.busy and "html" in app.chat.query_one(Markdown).source)
        await pilot.pause(0.2)
        text = text_of(app)
        assert not any(char in text for char in "\x1b\x07\u202e\ud800")
        assert text.count("[/nope] [b]x[/b] red link") >= 2
        assert "<b>html</b>" in text


async def test_an_engine_that_cannot_open_is_a_banner_and_the_app_stays(tmp_path: Path) -> None:
    @asynccontextmanager
    async def broken() -> Any:
        raise EngineError(
            ErrorClass.RESOURCE, "store", "The data folder is read-only.", remedy="Choose another folder."
        )
        yield

    app = CockpitApp(broken, "multi_domain", load_graph=spec, user_themes=tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(pilot, lambda: "The data folder is read-only. Choose another folder." in text_of(app))
        await pilot.press(*"hello", "enter")
        await until(pilot, lambda: text_of(app).count("The data folder is read-only.") == 2)


async def test_a_broken_graph_is_a_banner_and_the_engine_is_still_closed(tmp_path: Path) -> None:
    def load(name: str) -> GraphSpec:
        raise ConfigurationError("graph_unknown", f"There is no graph {name}.", remedy="See `graph list`.")

    engine = ScriptedEngine()
    app = app_of(engine, tmp_path, load_graph=load)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(pilot, lambda: "There is no graph multi_domain. See `graph list`." in text_of(app))
        await until(pilot, lambda: app.backend_state.status == "ready")
    assert engine.closed


async def test_a_missing_backend_is_a_banner_with_the_remedy(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    engine.backend_error = EngineError(
        ErrorClass.CONNECTION, "offline", "No Ollama answers.", remedy="Run `ollama serve`."
    )
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(pilot, lambda: app._cockpit.query_one(Banner).words == "No Ollama answers. Run `ollama serve`.")
        assert "offline" in text_of(app)
        await ask(pilot)
        await until(pilot, lambda: not app.conversation.busy and "Run `ollama serve`." in text_of(app))
        assert text_of(app).count("No Ollama answers.") == 1, "what the chat says is not said above it once more"
        engine.backend_error = None
        engine.publish(None, 0, 0, ev.BackendChanged("embedded", "embedded", "ready"))
        await until(pilot, lambda: not app._cockpit.query_one(Banner).words and "embedded" in text_of(app))


async def test_leaving_in_the_middle_of_a_run_closes_the_engine(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    engine.pace.hold = asyncio.Event()
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await ask(pilot)
        await until(pilot, lambda: app.live.view.status == "executing")
        await pilot.press("ctrl+q")
    assert engine.closed
    assert isinstance(engine.rows[0].terminal, ev.RolledBack)


async def test_what_opening_found_is_told(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    engine.notices = ["The damaged database was moved aside."]
    engine.recovered = [
        TransactionRow(7, "t", "rolled_back", None, "g", "q", "", None, "interrupted", "", "", 0, 0, 1, ev.Usage())
    ]
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(pilot, lambda: "moved aside" in text_of(app) and "#7" in text_of(app))


@pytest.mark.parametrize("size", SIZES)
async def test_without_recording_the_header_says_so_as_long_as_it_lasts(size: tuple[int, int], tmp_path: Path) -> None:
    engine = ScriptedEngine()
    engine.read_only = True
    app = app_of(engine, tmp_path)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: "not recorded" in text_of(app).splitlines()[0])
        await ask(pilot)
        await until(pilot, lambda: not app.conversation.busy and "answered (not recorded)" in flat(text_of(app)))
        assert "not recorded" in text_of(app).splitlines()[0]
        assert "#1 · committed" not in text_of(app)


async def test_a_ring_that_overran_is_made_good_from_the_store(tmp_path: Path) -> None:
    async def floods(run: ScriptedRun) -> None:
        run.begin()
        for n in range(6000):
            run.emit(ev.Checkpoint(number=n, log_length=run.seq, frontier=()))
        run.emit(ev.Committed(exit="success", exit_node="answer", text="done"))

    engine = ScriptedEngine(floods)
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await ask(pilot)
        await until(pilot, lambda: app.live.view.status == "committed")
        assert engine.views_read >= 1
        assert app.live.view.checkpoints == 5999
        assert app.live.view == await engine.view("tx-1")


async def test_number_keys_choose_panes_outside_of_the_prompt_and_alt_numbers_everywhere(tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(), tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.backend_state.status == "ready")
        board = app._cockpit.board
        assert board.prompt is not None
        await pilot.press("2")
        assert board.prompt.text == "2"
        await pilot.press("alt+5")
        await until(pilot, lambda: board.timeline.has_focus and board.current == 5)
        await pilot.press("2")
        await until(pilot, lambda: board.graph.has_focus)
        assert "router" in text_of(app)
        await pilot.press("tab")
        await until(pilot, lambda: board.breakers.has_focus)


async def test_esc_leads_out_of_the_prompt_and_never_back_and_enter_does(tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(), tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.backend_state.status == "ready")
        board = app._cockpit.board
        assert board.prompt is not None
        await pilot.press("escape")
        await until(pilot, lambda: board.chat.has_focus)
        await pilot.press("escape", "2")
        await until(pilot, lambda: board.graph.has_focus)
        await pilot.press("z")
        await until(pilot, lambda: app._cockpit.has_class("-zoomed"))
        await pilot.press("escape")
        await until(pilot, lambda: not app._cockpit.has_class("-zoomed"))
        await pilot.press("escape", "5")
        await until(pilot, lambda: board.timeline.has_focus)
        assert board.prompt.text == ""
        await pilot.press("enter")
        await until(pilot, lambda: board.prompt is not None and board.prompt.has_focus)
        await pilot.press("escape", "4")
        await until(pilot, lambda: board.memory.has_focus)
        await pilot.click(board.prompt)
        await until(pilot, lambda: board.prompt is not None and board.prompt.has_focus)


async def test_what_terminals_send_for_alt_digits_is_understood(tmp_path: Path) -> None:
    from textual._xterm_parser import XTermParser

    app_of(ScriptedEngine(), tmp_path)
    keys = [event.key for event in XTermParser().feed("\x1b3") if hasattr(event, "key")]
    assert keys == ["alt+3"]


async def test_zoom_shows_one_pane_and_all_again(tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(), tmp_path)
    async with app.run_test(size=(200, 60)) as pilot:
        await until(pilot, lambda: app.backend_state.status == "ready")
        assert "5 Timeline" in text_of(app)
        await pilot.press("alt+2", "f10")
        await until(pilot, lambda: "5 Timeline" not in text_of(app) and "2 Graph" in text_of(app))
        await pilot.press("f10")
        await until(pilot, lambda: "5 Timeline" in text_of(app))


@pytest.mark.parametrize("size", [(120, 40), (200, 60), (200, 25), (120, 25), (80, 24)])
@pytest.mark.parametrize("number", [3, 4])
async def test_a_zoomed_pane_fills_the_screen(number: int, size: tuple[int, int], tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(), tmp_path)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.backend_state.status == "ready")
        await pilot.press(f"alt+{number}", "f10")
        pane = app._cockpit.board.pane(number)
        await until(
            pilot, lambda: pane.has_focus and pane.size.height >= size[1] - 5 and pane.size.width >= size[0] - 5
        )


async def test_resizing_to_40x12_and_back_mounts_nothing_again(tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(), tmp_path)
    async with app.run_test(size=(200, 60)) as pilot:
        await ask(pilot)
        await until(pilot, lambda: not app.conversation.busy and "committed" in text_of(app))
        before = [id(widget) for widget in app._cockpit.board.walk_children()]
        for size in [(40, 12), (120, 40), (90, 20), (200, 60)]:
            await pilot.resize_terminal(*size)
            await pilot.pause(0.1)
        assert [id(widget) for widget in app._cockpit.board.walk_children()] == before
        assert "committed (success)" in text_of(app)


async def test_help_lists_every_key_and_closes(tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(), tmp_path)
    async with app.run_test(size=(100, 420)) as pilot:
        await pilot.press("f1")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen) and "/quit" in text_of(app))
        for words in ("send the question", "replay it", "one event forward", "/quit"):
            assert words in text_of(app)
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, HelpScreen))


async def test_the_palette_runs_our_commands(tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(), tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(pilot, lambda: app.backend_state.status == "ready")
        await pilot.press("ctrl+p")
        await until(pilot, lambda: "Search every command" in text_of(app))
        await pilot.press(*"tinyllm-light")
        await pilot.pause(0.5)
        await pilot.press("enter")
        await until(pilot, lambda: app.theme == "tinyllm-light")


async def test_a_slash_word_is_a_command_and_a_slash_in_a_question_is_not(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await ask(pilot, "/help")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        await pilot.press("escape", *"/code", "space", "x", "enter")
        await until(pilot, lambda: len(engine.rows) == 1)
        assert engine.rows[0].question == "/code x"


async def test_copying_takes_the_answer(tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(), tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await ask(pilot)
        await until(pilot, lambda: not app.conversation.busy and app.chat.latest is not None)
        await pilot.press("escape", "y")
        await until(pilot, lambda: app.clipboard == ANSWER)


async def test_a_new_conversation_is_empty_and_begins_a_session(tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(), tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await ask(pilot)
        await until(pilot, lambda: not app.conversation.busy and app.chat.latest is not None)
        await pilot.press("ctrl+n")
        await until(pilot, lambda: app.chat.latest is None and "Ask, and watch" in text_of(app))
        await until(pilot, lambda: "no run yet" in text_of(app).splitlines()[0])
        board = app._cockpit.board
        assert board.timeline.count() == 1
        await until(pilot, lambda: "Every step of a run" in text_of(app) and "612/2.0k" not in text_of(app))
        assert "✓" not in text_of(app)
        await ask(pilot)
        await until(pilot, lambda: not app.conversation.busy and "#2 · committed" in text_of(app))


async def test_past_transactions_are_listed_filtered_and_replayed(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await ask(pilot, "first")
        await until(pilot, lambda: not app.conversation.busy and len(engine.rows) == 1)
        engine.script = fails
        await pilot.press(*"other", "enter")
        await until(pilot, lambda: not app.conversation.busy and len(engine.rows) == 2)
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "#1 " in text_of(app) and "#2 " in text_of(app))
        await pilot.press("slash", *"first", "enter")
        await until(pilot, lambda: "#2 " not in text_of(app))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, ReplayScreen) and "REPLAY #1" in text_of(app))
        screen = app.screen
        assert isinstance(screen, ReplayScreen)
        await until(pilot, lambda: "Paris" in text_of(app) and "committed (success)" in text_of(app))
        assert screen.playhead.view == await engine.view("tx-1")
        await pilot.press("left_square_bracket")
        await until(pilot, lambda: "committed (success)" not in text_of(app))
        total = len(screen.playhead)
        assert f"{total - 1}/{total}" in text_of(app)
        await pilot.press("home")
        await until(pilot, lambda: f"0/{total}" in text_of(app) and "Paris" not in text_of(app))
        await pilot.press("right_curly_bracket", "right_curly_bracket")
        await until(pilot, lambda: screen.playhead.view.nodes["router"].state == "running")
        await pilot.press("g", *"100%", "enter")
        await until(pilot, lambda: f"{total}/{total}" in text_of(app))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, TransactionsScreen))
        await pilot.press("escape", "escape")
        await until(pilot, lambda: app.screen is app._cockpit)


async def test_past_transactions_can_be_asked_for_before_the_engine_is_open(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    gate = asyncio.Event()

    @asynccontextmanager
    async def slow() -> Any:
        await gate.wait()
        async with engine.open() as opened:
            yield opened

    app = CockpitApp(slow, "multi_domain", load_graph=spec, user_themes=tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        prompt = app._cockpit.board.prompt
        await pilot.press(*"draft", "ctrl+r", "slash", *"other")
        await until(pilot, lambda: "Opening the database." in text_of(app))
        await engine.start(spec(), "capital?").result()
        await engine.start(spec(), "other").result()
        gate.set()
        await until(pilot, lambda: "#2 " in text_of(app) and "1 of 2" in text_of(app))
        assert "#1 " not in text_of(app)
        assert prompt is not None
        assert prompt.text == "draft"


async def test_past_transactions_of_an_engine_that_cannot_open_say_why(tmp_path: Path) -> None:
    @asynccontextmanager
    async def broken() -> Any:
        raise EngineError(ErrorClass.RESOURCE, "store", "The data folder is read-only.", remedy="Choose another.")
        yield

    app = CockpitApp(broken, "multi_domain", load_graph=spec, user_themes=tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "The data folder is read-only. Choose another." in text_of(app))


async def test_a_replay_plays_in_recorded_time_to_its_end(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await ask(pilot)
        await until(pilot, lambda: not app.conversation.busy)
        row = (await engine.transactions())[0]
        screen = ReplayScreen(row, await engine.events(row.tx))
        await app.push_screen(screen)
        await pilot.press("space")
        await until(pilot, lambda: screen.playhead.ended and screen._timer is None)
        assert screen.playhead.view.status == "committed"


async def test_a_live_run_goes_on_behind_a_replay(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(160, 40)) as pilot:
        await ask(pilot)
        await until(pilot, lambda: not app.conversation.busy)
        engine.pace.hold = asyncio.Event()
        await pilot.press(*"again", "enter")
        await until(pilot, lambda: app.live.view.status == "executing" and app.live.tx == "tx-2")
        row = (await engine.transactions())[1]
        await app.push_screen(ReplayScreen(row, await engine.events(row.tx)))
        await until(pilot, lambda: "live: answering" in text_of(app))
        engine.pace.hold.set()
        await until(pilot, lambda: not app.conversation.busy and "live: answering" not in text_of(app))
        await pilot.press("escape")
        await until(pilot, lambda: "#2 · committed" in text_of(app))


async def test_a_click_on_a_widget_that_is_on_its_way_out_is_a_miss(tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(), tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await ask(pilot)
        await until(pilot, lambda: not app.conversation.busy and "Paris" in text_of(app))
        block = app.chat.query("MarkdownParagraph").first()
        place = block.region.offset
        parent = block.parent
        block._parent = None  # what Markdown.update() leaves behind until the next layout
        try:
            await pilot.mouse_down(offset=(place.x, place.y))
            await pilot.mouse_up(offset=(place.x, place.y))
        finally:
            block._parent = parent
        await pilot.pause()
        assert app.is_running


async def test_a_click_on_a_node_goes_to_it_in_the_timeline(tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(), tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await ask(pilot)
        await until(pilot, lambda: not app.conversation.busy and "committed (success)" in text_of(app))
        pane = app._cockpit.board.graph
        assert pane.drawing is not None
        x, y, _, _ = pane.drawing.boxes["start"]
        left, top = pane._offset()
        await pilot.click(pane, offset=(x + left + 2, y + top))
        await until(pilot, lambda: app._cockpit.board.timeline.scroll_offset.y == 0)


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (40, 12)])
async def test_ascii_only_draws_no_character_beyond_ascii(size: tuple[int, int], tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(answer="plain"), tmp_path, ascii_only=True)

    def beyond() -> set[str]:
        return {char for char in text_of(app) if not char.isascii()}

    async with app.run_test(size=size, notifications=True) as pilot:
        await ask(pilot)
        await until(pilot, lambda: not app.conversation.busy and "committed" in text_of(app))
        assert not beyond()
        for severity in ("information", "warning", "error"):
            app.notify("a toast", title="Toast", severity=severity)  # type: ignore[arg-type]
        await until(pilot, lambda: "a toast" in text_of(app))
        assert not beyond()
        app.clear_notifications()
        await pilot.press("f1")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen) and "Help" in text_of(app))
        assert not beyond()
        await pilot.press("end")
        await until(pilot, lambda: "half-open" in text_of(app))
        assert not beyond()
        await pilot.press("escape", "ctrl+p")
        await until(pilot, lambda: "Search every" in text_of(app) and "Replay a past" in text_of(app))
        assert not beyond()
        await pilot.press(*"zoom")
        await until(pilot, lambda: "Zoom the pane" in text_of(app) and "Replay a past" not in text_of(app))
        assert not beyond()
        await pilot.press("escape", "escape")
        await until(pilot, lambda: app.screen is app._cockpit)
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "#1 " in text_of(app))
        assert "Past transactions - 1" in text_of(app)
        assert not beyond()
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, ReplayScreen) and "REPLAY #1" in text_of(app))
        assert not beyond()
        await pilot.press("g")
        await until(pilot, lambda: "event (31)" in text_of(app))
        assert not beyond()


@pytest.mark.parametrize("size", [(120, 40), (200, 60)])
async def test_toasts_lie_on_the_end_of_the_chat_and_cover_neither_graph_nor_timeline_nor_prompt(
    size: tuple[int, int], tmp_path: Path
) -> None:
    app = app_of(ScriptedEngine(), tmp_path)
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: app.backend_state.status != "starting")
        app.notify("look here " * 12)
        await until(pilot, lambda: "look here" in text_of(app))
        (toast,) = app.screen.query(Toast)
        chat = app.chat.region
        assert toast.region.right <= chat.right
        assert chat.y < toast.region.y
        assert toast.region.bottom <= app.screen.query_one("#prompt-frame").region.y


@pytest.mark.parametrize("size", [(80, 24), (40, 12)])
async def test_in_a_small_terminal_toasts_leave_the_prompt_free(size: tuple[int, int], tmp_path: Path) -> None:
    app = app_of(ScriptedEngine(), tmp_path)
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: app.backend_state.status != "starting")
        app.notify("look there")
        app.notify("look here")
        await until(pilot, lambda: "look here" in text_of(app))
        assert "Ask a question" in text_of(app)
        # a low pane has room for the newest alone
        await until(pilot, lambda: ("look there" in text_of(app)) is (size[1] >= 20))


@pytest.mark.parametrize("size", [(120, 40), (40, 12)])
async def test_the_title_of_a_toast_is_in_sight_however_long_its_words_are(
    size: tuple[int, int], tmp_path: Path
) -> None:
    app = app_of(ScriptedEngine(), tmp_path)
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: app.backend_state.status != "starting")
        app.notify("and so on " * 60, title="What it is about")
        await until(pilot, lambda: "and so on" in text_of(app))
        assert "What it is about" in text_of(app)
        assert app.run_watch.journal.lines[-1].text.count("and so on") == 60


@pytest.mark.parametrize(
    "text", ["name: [", "name: x\ncolors: {}", "x" * 70_000, "name: bad\nvariables: {border: nope}"]
)
async def test_a_broken_user_theme_is_one_toast_and_the_shipped_one_is_used(text: str, tmp_path: Path) -> None:
    (tmp_path / "themes").mkdir()
    (tmp_path / "themes" / "mine.yaml").write_text(text)
    app = app_of(ScriptedEngine(), tmp_path, theme="mine")
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(pilot, lambda: "mine.yaml" in text_of(app))
        assert app.theme == "tinyllm-dark"


async def test_while_the_store_takes_nothing_the_banner_says_so_and_goes_when_it_does(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.backend_state.status == "ready")
        engine.store_problem = "The disk is full. Make some room."
        await until(pilot, lambda: "The disk is full. Make some room." in text_of(app))
        engine.store_problem = ""
        await until(pilot, lambda: "The disk is full" not in text_of(app))
