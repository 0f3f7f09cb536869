"""What a person does in the chat: select a message, unfold, search, read while it is written, go on later."""

from __future__ import annotations

import asyncio
from pathlib import Path

from textual.events import Paste
from textual.pilot import Pilot

from engine import events as ev
from tests.tui.scripted_engine import MODEL, ScriptedEngine, ScriptedRun
from tests.tui.test_cockpit import app_of, ask, flat, text_of, until
from tinyllm_tui.app import CockpitApp
from tinyllm_tui.screens.choice import ChoiceScreen
from tinyllm_tui.screens.fork import ForkScreen
from tinyllm_tui.screens.replay import ReplayScreen
from tinyllm_tui.widgets.chat.bar import ChatBar
from tinyllm_tui.widgets.chat.exchange import Exchange
from tinyllm_tui.words import plain

THOUGHTS = "The person wants a capital. [/nope] It is \x1b[31mParis, of course."
CODE = "Two ways:\n\n```python\nprint('Paris')\n```\n\nor\n\n```sh\necho Paris\n```\n"


async def thinks(run: ScriptedRun) -> None:
    """A run of one model that thinks before it answers."""
    run.begin()
    run.emit(ev.NodeStarted(path="general", visit=1, message=1))
    call = {"path": "general", "visit": 1, "step": 1, "attempt": 1}
    run.emit(ev.ModelStarted(**call, model=MODEL, endpoint="embedded", request_hash="0"))
    run.emit(ev.ModelDelta(**call, offset=0, text=THOUGHTS, tokens=9, thinking=True))
    await run.engine.pace.wait_here()
    text = f"{run.engine.answer}\nTo: {run.question}"
    run.emit(ev.ModelDelta(**call, offset=0, text=text, tokens=20))
    run.emit(
        ev.ModelFinished(
            **call, model=MODEL, text=text, thinking=THOUGHTS, finish="stop", prompt_tokens=9, completion_tokens=20,
            duration_ms=900, first_token_ms=40,
        )
    )  # fmt: skip
    run.emit(ev.NodeFinished(path="general", visit=1, outcome="ok", content=text, duration_ms=900))
    run.emit(ev.Committed(exit="success", exit_node="general", text=text, usage=ev.Usage(9, 20, 1)))


def bar(app: CockpitApp) -> str:
    """What the line below the chat says; empty while it is hidden."""
    line = app.screen.query_one(ChatBar)
    return plain(line.line_at(0)) if line.display and line.count() else ""


def selected(app: CockpitApp) -> list[str]:
    return [each.turn.question for each in app.chat.query(Exchange) if each.has_class("-selected")]


async def asked(pilot: Pilot[None], *questions: str) -> None:
    app = pilot.app
    assert isinstance(app, CockpitApp)
    for question in questions:
        await ask(pilot, question)
        await until(pilot, lambda question=question: not app.conversation.busy and f"To: {question}" in text_of(app))  # type: ignore[misc]


async def test_any_message_can_be_selected_and_keys_act_on_it(tmp_path: Path) -> None:
    engine = ScriptedEngine(thinks, answer="Paris.")
    app = app_of(engine, tmp_path, ascii_only=True)
    async with app.run_test(size=(100, 50), notifications=True) as pilot:
        await asked(pilot, "one", "two", "three")
        await pilot.press("escape", "shift+up", "shift+up")
        await until(pilot, lambda: selected(app) == ["two"] and "message 2 of 3" in bar(app))
        assert any(row.startswith("||| two") or "|| two" in row for row in text_of(app).split("\n")), (
            "not by colour alone"
        )
        await pilot.press("y")
        await until(pilot, lambda: app.clipboard.endswith("To: two"))
        await pilot.press("e")
        await until(pilot, lambda: app.prompt.text == "two" and "edit #2 and send again" in text_of(app))
        await pilot.press(*" more", "enter")
        await until(pilot, lambda: len(engine.rows) == 4 and not app.conversation.busy)
        fork = engine.rows[3].fork
        assert fork is not None
        assert (fork.number, engine.rows[3].question) == (2, "two more")
        assert selected(app) == [], "keys act on the latest again"
        await pilot.click(next(each for each in app.chat.query(Exchange) if each.turn.question == "one"))
        await until(pilot, lambda: selected(app) == ["one"])
        await pilot.press("f")
        await until(pilot, lambda: isinstance(app.screen, ForkScreen) and "Fork #1" in text_of(app))
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, ForkScreen))
        await pilot.press("ctrl+r")
        await until(pilot, lambda: isinstance(app.screen, ReplayScreen) and "REPLAY #1" in text_of(app))
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, ReplayScreen))
        await pilot.press("g")
        await until(pilot, lambda: len(engine.rows) == 5 and not app.conversation.busy)
        assert engine.rows[4].question == "one"
        await pilot.press("shift+up", "escape")
        await until(pilot, lambda: selected(app) == [] and bar(app) == "")


async def test_thinking_and_pastes_are_folded_until_they_are_wanted_and_code_blocks_are_chosen(tmp_path: Path) -> None:
    engine = ScriptedEngine(thinks, answer=CODE)
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 60), notifications=True) as pilot:
        await until(pilot, lambda: app.backend_state.status != "starting")
        pasted = "\n".join(f"row {number}" for number in range(30))
        app.prompt.post_message(Paste(pasted))
        await until(pilot, lambda: app.prompt.text == "[pasted 1: 30 lines, 199 characters]")
        await pilot.press("ctrl+t")
        await until(pilot, lambda: app.prompt.text == pasted)
        app.prompt.clear()
        app.prompt.post_message(Paste(pasted))
        await until(pilot, lambda: app.prompt.text == "[pasted 1: 30 lines, 199 characters]")
        await pilot.press("enter")
        await until(pilot, lambda: not app.conversation.busy and "thought: 11 words" in text_of(app))
        assert engine.rows[0].question == pasted
        await until(pilot, lambda: "the whole question: 30 lines" in text_of(app))
        assert "row 20" not in text_of(app).partition("To:")[0]
        assert "wants a capital" not in text_of(app)
        await pilot.press("escape", "shift+up", "enter")
        await until(pilot, lambda: "wants a capital" in text_of(app))
        assert "row 20" in text_of(app).partition("thought")[0]
        assert "[/nope] It is Paris" in flat(text_of(app))
        await pilot.press("t")
        await until(pilot, lambda: "wants a capital" not in text_of(app))
        await pilot.press("Y")
        await until(pilot, lambda: isinstance(app.screen, ChoiceScreen) and "sh, 1 line: echo Paris" in text_of(app))
        await pilot.press("down", "enter")
        await until(pilot, lambda: app.clipboard == "echo Paris\n")


async def is_refused_once(run: ScriptedRun) -> None:
    """A run whose gate sends the first answer back."""
    run.begin()
    again = ev.RunSnapshot((), {}, {}, {}, {})
    for visit, text in ((1, "No."), (2, run.engine.answer)):
        run.emit(ev.NodeStarted(path="general", visit=visit, message=1))
        call = {"path": "general", "visit": visit, "step": 1, "attempt": 1}
        run.emit(ev.ModelStarted(**call, model=MODEL, endpoint="embedded", request_hash="0"))
        run.emit(ev.ModelDelta(**call, offset=0, text=text, tokens=2))
        run.emit(ev.NodeFinished(path="general", visit=visit, outcome="ok", content=text, duration_ms=9))
        if visit == 1:
            run.emit(ev.NodeStarted(path="check", visit=1, message=1))
            run.emit(ev.GateDecided(path="check", visit=1, passed=False, target="general", reason="too short"))
            run.emit(ev.Rewound("check", "general", 1, (2, 5), again, ev.Retry("too short")))
            await run.engine.pace.wait_here()
    run.emit(ev.Committed(exit="success", exit_node="general", text=run.engine.answer, usage=ev.Usage(9, 20, 1)))


async def test_an_answer_that_the_gate_sent_back_leaves_a_remark_with_its_draft(tmp_path: Path) -> None:
    engine = ScriptedEngine(is_refused_once, answer="Paris, of course.")
    engine.pace.hold = asyncio.Event()
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await ask(pilot)
        await until(pilot, lambda: "taken back: too short · try 2" in text_of(app))
        engine.pace.hold.set()
        await until(pilot, lambda: not app.conversation.busy and "Paris, of course." in text_of(app))
        assert " No." not in text_of(app)
        await pilot.press("escape", "shift+up", "enter")
        await until(pilot, lambda: " No." in text_of(app))


async def test_words_are_found_marked_and_counted_in_all_of_the_conversation(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    row = await engine.create_session("zoo")
    for n in range(60):
        told = "the **quokka** smiles" if n in (3, 40) else "nothing"
        engine.keep_turn(row.id, f"Question {n}?", f"{told}\n\n- more\n- and more", f"t{n}", None)
    app = app_of(engine, tmp_path)

    def marked() -> list[str]:
        strips = app.screen._compositor.render_strips()
        return [segment.text for strip in strips for segment in strip if segment.style and segment.style.reverse]

    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "Question 59?" in text_of(app))
        await pilot.press("escape")
        await until(pilot, lambda: app.chat.has_focus)
        await pilot.press("slash", *"The Quokka S", "enter")
        await until(pilot, lambda: "2 of 2" in bar(app) and "Question 40?" in text_of(app) and "quokka" in marked())
        await pilot.press("N")
        await until(pilot, lambda: "1 of 2" in bar(app) and "Question 3?" in text_of(app) and "quokka" in marked())
        await pilot.press("n")
        await until(pilot, lambda: "2 of 2" in bar(app) and "Question 40?" in text_of(app))
        await pilot.press("escape")
        await until(pilot, lambda: bar(app) == "" and "quokka" not in marked())


async def test_who_has_scrolled_up_stays_there_and_is_told_that_more_is_written_below(tmp_path: Path) -> None:
    engine = ScriptedEngine(thinks, answer="\n\n".join(f"Paragraph {n}." for n in range(40)))
    app = app_of(engine, tmp_path)

    def words(app: CockpitApp) -> list[str]:
        """Rows of the chat, without the scroll bar, whose thumb gets smaller."""
        return [row[:78] for row in text_of(app).split("\n")[3:10]]

    async with app.run_test(size=(80, 24)) as pilot:
        await asked(pilot, "one")
        engine.pace.hold = asyncio.Event()
        await ask(pilot, "two")
        await until(pilot, lambda: "thinking: 11 words" in text_of(app))
        assert app.prompt.has_focus, "where the page keys are of no use"
        await pilot.press("pageup")
        await until(
            pilot, lambda: "Paragraph 30." in text_of(app) and not app.animator.is_being_animated(app.chat, "scroll_y")
        )
        before = words(app)
        engine.pace.hold.set()
        await until(pilot, lambda: "new below" in bar(app))
        assert words(app) == before
        await pilot.press("end")
        await until(pilot, lambda: bar(app) == "" and "To: two" in text_of(app))


async def test_drafts_come_back_with_their_session_and_after_a_restart_and_so_do_earlier_questions(
    tmp_path: Path,
) -> None:
    engine = ScriptedEngine()
    engine.data_dir = tmp_path
    other = await engine.create_session("other")
    app = app_of(engine, tmp_path, fresh=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await ask(pilot)
        await until(pilot, lambda: not app.conversation.busy and len(engine.rows) == 1)
        await pilot.press(*"half a ques")
        await app.conversation.resume(other.id)
        await until(pilot, lambda: app.prompt.text == "")
        await pilot.press(*"for the other")
        await app.conversation.resume("capital?")
        await until(pilot, lambda: app.prompt.text == "half a ques")
    again = ScriptedEngine()
    again.data_dir, again.kept, again.said, again.rows, again.log = (
        tmp_path, engine.kept, engine.said, engine.rows, engine.log,
    )  # fmt: skip
    later = app_of(again, tmp_path, session=other.id)
    async with later.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: later.prompt.text == "for the other")
        later.prompt.clear()
        await pilot.press("up")
        await until(pilot, lambda: later.prompt.text == "capital?")
