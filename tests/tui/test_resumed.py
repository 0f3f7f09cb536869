"""Runs that an earlier process left unfinished, as the cockpit takes them up."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from engine import events as ev
from engine.errors import EngineError, ErrorClass, ErrorInfo
from engine.run.recovery import INTERRUPTED
from engine.store.rows import TransactionRow
from engine.view import View, fold
from tests.tui.scripted_engine import MODEL, ScriptedEngine, ScriptedRun
from tests.tui.test_cockpit import SIZES, app_of, flat, spec, text_of, until
from tinyllm_tui.screens.playhead import Playhead
from tinyllm_tui.screens.replay import ReplayScreen
from tinyllm_tui.widgets.chat.pane import Remark

AWAY_MS = 7_200_000
"""Two hours: a clock that counted them would show it."""


async def goes_on(run: ScriptedRun) -> None:
    """The rest of a run that was interrupted in the middle of an answer."""
    await run.engine.pace.wait_here()
    run.emit(ev.Resumed("the program had ended while it was running", AWAY_MS))
    run.emit(ev.AttemptAbandoned(path="general", visit=1, step=1, attempt=1))
    run.emit(ev.NodeStarted(path="general", visit=1, message=2, resumed=True))
    await run.write("general", run.engine.answer, attempt=2)
    run.emit(ev.NodeFinished(path="general", visit=1, outcome="ok", content=run.engine.answer, duration_ms=900))
    run.emit(ev.Committed(exit="success", exit_node="answer", text=run.engine.answer))


def interrupted(engine: ScriptedEngine, question: str = "left over?", session: str = "earlier") -> ScriptedRun:
    """A run of which an earlier process, two hours ago, wrote the beginning; it goes on when the engine is opened."""
    run = ScriptedRun(engine, spec(), question, session)
    engine.rows.append(run)
    run.started -= AWAY_MS / 1000
    for body in (
        ev.Begin(
            graph=run.graph.model_dump(mode="json"),
            graph_hash=run.graph.content_hash(),
            question=question,
            session=session,
            number=run.number,
        ),
        ev.NodeStarted(path="general", visit=1, message=2),
        ev.ModelStarted(path="general", visit=1, step=1, attempt=1, model=MODEL, endpoint="embedded", request_hash="0"),
        ev.ModelDelta(path="general", visit=1, step=1, attempt=1, offset=0, text="It was lo", tokens=3),
    ):
        run.seq += 1
        engine.gseq += 1
        wall = engine.now_ms() - AWAY_MS
        engine.log.append(ev.Event(engine.gseq, run.transaction, run.seq, 10 * run.seq, wall, body))
    run.started = engine.now_ms() / 1000
    return run


class Resuming(ScriptedEngine):
    """An engine that finds `count` unfinished runs, and goes on with them when it is opened."""

    def __init__(self, count: int = 1) -> None:
        super().__init__(goes_on)
        self.pace.hold = asyncio.Event()
        self.resumed = [interrupted(self, f"left over {n}?") for n in range(count)]

    def launch(self) -> None:
        for run in self.resumed:
            run.task = asyncio.create_task(run.play())


def opened(engine: Resuming) -> Any:
    """What the app enters: the runs go on from then, as in the engine."""
    context = engine.open()
    engine.launch()
    return context


def resuming(engine: Resuming, tmp_path: Path) -> Any:
    app = app_of(engine, tmp_path)
    app.life.open_engine = lambda: opened(engine)
    return app


@pytest.mark.parametrize("size", SIZES)
async def test_the_newest_interrupted_run_becomes_the_live_one_and_its_answer_streams(
    size: tuple[int, int], tmp_path: Path
) -> None:
    engine = Resuming()
    app = resuming(engine, tmp_path)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: "goes on after an interruption" in flat(text_of(app).replace("│", " ")))
        assert app.conversation.busy
        assert "left over 0?" in text_of(app)
        assert app.chat.latest is not None
        assert "It was lo" not in app.chat.latest.answer_text, "the inspector alone tells of it"
        assert engine.pace.hold is not None
        engine.pace.hold.set()
        await until(pilot, lambda: not app.conversation.busy)
        assert app.chat.latest.answer_text.startswith("The capital of France is")
        assert app.live.view == await engine.view(engine.resumed[0].transaction)
        assert app.live.view.status == "committed"


async def test_the_time_in_which_nobody_worked_on_a_run_is_not_counted(tmp_path: Path) -> None:
    engine = Resuming()
    app = resuming(engine, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "left over 0?" in text_of(app))
        assert app._cockpit.moment().elapsed_ms == 40  # it stands until the run goes on
        assert engine.pace.hold is not None
        engine.pace.hold.set()
        await until(pilot, lambda: not app.conversation.busy)
        assert app._cockpit.moment().elapsed_ms < AWAY_MS / 2
        await until(pilot, lambda: "went on after an interruption of 2h00m" in text_of(app))
        assert "» " in text_of(app)
        await pilot.press("alt+5", "f10")  # the timeline alone, so that all of its events are seen
        await until(pilot, lambda: "goes on: the program had" in text_of(app))


async def test_esc_cancels_a_run_that_goes_on(tmp_path: Path) -> None:
    engine = Resuming()
    app = resuming(engine, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "left over 0?" in text_of(app))
        await pilot.press("escape")
        await until(pilot, lambda: not app.conversation.busy and "rolled back: cancelled" in text_of(app))
        assert isinstance(engine.resumed[0].terminal, ev.RolledBack)


async def test_a_question_meanwhile_is_told_that_one_is_being_answered_and_the_next_joins_its_session(
    tmp_path: Path,
) -> None:
    engine = Resuming()
    app = resuming(engine, tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(pilot, lambda: "left over 0?" in text_of(app))
        await pilot.press(*"next", "enter")
        await until(pilot, lambda: "One question at a time" in text_of(app))
        assert engine.pace.hold is not None
        engine.pace.hold.set()
        await until(pilot, lambda: not app.conversation.busy)
        assert "next" in text_of(app)  # it stands in the prompt
        await pilot.press("enter")
        await until(pilot, lambda: len(engine.rows) == 2)
        assert engine.rows[1].session == "earlier"


async def test_other_interrupted_runs_are_named_in_one_toast(tmp_path: Path) -> None:
    engine = Resuming(3)
    app = resuming(engine, tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(pilot, lambda: "left over 2?" in text_of(app))
        assert [toast.message for toast in app._notifications] == ["Runs #1, #2 were interrupted; they go on."]
        assert app.live.tx == engine.resumed[2].transaction


async def test_the_end_of_a_run_that_went_on_in_the_background_is_told_and_it_can_be_opened(tmp_path: Path) -> None:
    engine = Resuming(2)
    app = resuming(engine, tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(pilot, lambda: "#1 was interrupted, and goes on in the background" in flat_chat(app))
        assert "and ended" not in text_of(app)
        assert engine.pace.hold is not None
        engine.pace.hold.set()
        await until(pilot, lambda: "#1 went on after an interruption, and ended: committed" in flat_chat(app))
        assert any("ended: committed. /earlier opens it." in toast.message for toast in app._notifications)
        await until(pilot, lambda: not app.conversation.busy)
        await pilot.press(*"/earlier", "enter")
        await until(pilot, lambda: isinstance(app.screen, ReplayScreen) and "REPLAY #1 " in text_of(app))


async def test_runs_that_were_rolled_back_at_the_start_are_told_with_what_could_not_be_taken_back(
    tmp_path: Path,
) -> None:
    engine = ScriptedEngine()
    run = interrupted(engine)
    error = ErrorInfo(ErrorClass.TOOL_REFUSED, "undo_conflict", "somebody else changed it")
    run.emit(ev.Compensated("general", 1, "c1", "file_write", error))
    run.emit(ev.RolledBack("interrupted", INTERRUPTED, uncompensated=("file_write: somebody else changed it",)))
    engine.recovered = [await engine.transaction("1")]
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(pilot, lambda: "#1 was interrupted, and was rolled back at this start" in flat_chat(app))
        await until(pilot, lambda: "could not be taken back: file_write: somebody else" in flat_chat(app))
        await pilot.press("escape", "o")
        await until(pilot, lambda: isinstance(app.screen, ReplayScreen) and "rolled back at the next" in text_of(app))
        assert "✗" in text_of(app)
        assert "CANNOT be taken back" in text_of(app)


async def test_runs_that_wait_are_marked_in_the_list_of_those_that_this_start_found(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    for question in ("one?", "two?"):
        interrupted(engine, question)
    engine.left = [await engine.transaction("1"), await engine.transaction("2")]
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "#2 was interrupted, and waits for another start" in flat_chat(app))
        await pilot.press("escape", "o")
        await until(pilot, lambda: "Runs of an earlier session · 2" in text_of(app))
        assert text_of(app).count("» interrupted") == 2


def flat_chat(app: Any) -> str:
    """What stands in the chat, without the places where lines were broken."""
    remarks = (str(remark.render()) for remark in app.chat.query(Remark))
    return flat(" ".join(remarks))


async def test_one_interrupted_run_alone_needs_no_toast(tmp_path: Path) -> None:
    app = resuming(Resuming(), tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(pilot, lambda: "left over 0?" in text_of(app))
        assert not app._notifications


async def test_a_question_that_was_asked_before_the_engine_was_there_goes_first(tmp_path: Path) -> None:
    engine, gate = Resuming(), asyncio.Event()
    app = resuming(engine, tmp_path)
    begin = app.life.run

    async def later() -> None:
        await gate.wait()
        await begin()

    app.life.run = later
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await pilot.press(*"mine", "enter")
        await until(pilot, lambda: app.conversation.busy)
        gate.set()
        await until(pilot, lambda: len(engine.rows) == 2)
        assert engine.rows[1].question == "mine"
        await until(pilot, lambda: bool(app._notifications))
        assert [toast.message for toast in app._notifications] == ["Run #1 was interrupted; it goes on."]


async def test_runs_that_wait_for_another_start_are_told(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    engine.left = [TransactionRow(7, "t", "executing", None, "g", "q", "", None, "", "", "", 0, 0, 1, ev.Usage())]
    app = app_of(engine, tmp_path)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(pilot, lambda: "Run #7 was interrupted; it waits for another start." in flat(text_of(app)))


async def test_a_store_that_cannot_be_read_ends_in_the_exchange_and_not_in_a_traceback(tmp_path: Path) -> None:
    engine = Resuming()

    async def broken(tx: str, upto: int | None = None) -> View:
        raise EngineError(ErrorClass.INTERNAL, "damaged", "The event 3 is damaged.", remedy="Run doctor --deep.")

    engine.view = broken  # type: ignore[method-assign]
    app = resuming(engine, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "The event 3 is damaged." in text_of(app) and "doctor --deep" in text_of(app))
        await until(pilot, lambda: not app.conversation.busy)


async def test_a_replay_of_it_counts_no_time_away_and_marks_where_it_goes_on(tmp_path: Path) -> None:
    engine = Resuming()
    app = resuming(engine, tmp_path)
    assert engine.pace.hold is not None
    engine.pace.hold.set()
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "left over 0?" in text_of(app) and not app.conversation.busy)
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "left over" in text_of(app) and "#1" in text_of(app))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, ReplayScreen) and "interruption of 2h00m" in text_of(app))
        assert isinstance(app.screen, ReplayScreen)
        playhead = app.screen.playhead
        assert playhead.duration_ms < AWAY_MS / 2
        assert app.screen.moment().elapsed_ms == pytest.approx(playhead.t_ms, abs=2)
        await pilot.press("home", "right_square_bracket", "right_square_bracket")
        await until(pilot, lambda: "went on after" not in text_of(app) and "left over 0?" in text_of(app))


def away() -> list[ev.Event]:
    """Interrupted after 20 ms; an hour later the engine starts its model, and the run goes on."""
    wall, hour = 1_000_000, 3_600_000
    snapshot = ev.BreakerSnapshot("embedded m", "endpoint", "open")
    return [
        ev.Event(1, "t", 1, 0, wall, ev.Begin(graph={"nodes": []}, graph_hash="0", question="q", session=None)),
        ev.Event(2, "t", 2, 20, wall + 20, ev.Checkpoint(number=1, log_length=1, frontier=())),
        ev.Event(3, None, 0, 0, wall + hour, ev.BreakerChanged(snapshot, "closed")),
        ev.Event(4, "t", 3, 25, wall + hour + 5, ev.Resumed("the program had ended", hour - 20)),
        ev.Event(5, "t", 4, 30, wall + hour + 10, ev.Checkpoint(number=2, log_length=3, frontier=())),
    ]


def test_what_the_engine_did_before_a_run_went_on_took_none_of_its_time() -> None:
    events = away()
    assert [entry.t_ms for entry in fold(events).timeline] == [0, 20, 25, 30]
    playhead = Playhead(events)
    assert playhead.duration_ms == 30
    times = []
    for position in range(1, len(events) + 1):
        playhead.seek(position)
        times.append(playhead.t_ms)
    assert times == [0, 20, 25, 25, 30]
    assert playhead.wall_ms == events[-1].wall_ms  # breakers count down in real time
