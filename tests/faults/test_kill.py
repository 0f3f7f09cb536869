"""A process that is killed in the middle of a run: a real one, with SIGKILL."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import engine
from engine import events as ev
from engine.config import EngineConfig
from engine.run.state import RunState, apply
from engine.store.log import EventLog
from tests.graphs import chain, one_model
from tests.running import run_in
from tests.scripted_backend import ScriptedBackend, text_of

CHILD = """
import asyncio, sys
import pytest
import engine
from tests.graphs import chain, node, one_model
from tests.scripted_backend import ScriptedBackend

async def main():
    backend = ScriptedBackend()
    backend.install(pytest.MonkeyPatch())
    async with engine.open(sys.argv[1]) as eng:
        session = (await eng.create_session("mine")).id
        first = eng.start(one_model(), "the first", session=session)
        await first.result()
        backend.answers(["one"], ["partial text", asyncio.Event()])
        run = eng.start(chain(node("a", "model"), node("b", "model")), "the second", session=session)
        async for event in run.events():
            if event.kind == "model_delta" and event.body.path == "b":
                break
        await eng._log.flush()
        print(session, first.transaction, run.transaction, flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


async def killed_in_the_middle(folder: Path) -> list[str]:
    """Run the child until its second run is half done, kill it, and give (session, first transaction, second)."""
    child = subprocess.Popen(  # noqa: ASYNC220 - it is read in a thread
        [sys.executable, "-c", textwrap.dedent(CHILD), str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert child.stdout is not None
    try:
        line = await asyncio.wait_for(asyncio.to_thread(child.stdout.readline), 60)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
    return line.split()


ROLL_BACK = EngineConfig(recovery="roll_back")


async def test_an_interrupted_run_goes_on_at_the_next_start(tmp_path: Path, scripted: ScriptedBackend) -> None:
    session, first, second = await killed_in_the_middle(tmp_path)
    async with engine.open(tmp_path) as eng:
        assert eng.recovered == ()
        (run,) = eng.resumed
        assert run.transaction == second
        result = await run.result()
        assert (result.status, result.text) == ("committed", "Answer to: one\n\nthe second")
        assert len(scripted.requests) == 1, "the call that was answered before is not repeated"
        view = await eng.view(second)
        assert (view.status, view.resumed, view.usage.model_calls) == ("committed", 1, 2)
        turns = await eng.session_messages(session)
        assert [tx for _, _, tx in turns] == [first, first, second, second]
    async with engine.open(tmp_path) as eng:
        assert (eng.recovered, eng.resumed) == ((), ())


async def test_a_run_that_is_killed_again_and_again_goes_on(tmp_path: Path, scripted: ScriptedBackend) -> None:
    _, _, second = await killed_in_the_middle(tmp_path)
    folders = [tmp_path]
    for again in range(3):
        scripted.answers(["more partial text", asyncio.Event()])
        async with engine.open(folders[-1]) as eng:
            await scripted.busy.wait()
            scripted.busy.clear()
            await eng._log.flush()
            copied = tmp_path.with_name(f"{tmp_path.name}_{again}")
            await asyncio.to_thread(copy_database, folders[-1], copied)  # as a kill at this moment would leave it
        folders.append(copied)
    scripted.answers(["at last"])
    async with engine.open(folders[-1]) as eng:
        result = await eng.resumed[0].result()
        view = await eng.view(second)
    assert (result.status, result.text, view.resumed) == ("committed", "at last", 4)
    assert view.nodes["b"].visits[0].attempt == 5


def copy_database(source: Path, target: Path) -> None:
    target.mkdir()
    here, there = sqlite3.connect(source / "tinyllm.db"), sqlite3.connect(target / "tinyllm.db")
    with contextlib.closing(here), contextlib.closing(there):
        here.backup(there)


async def test_an_interrupted_run_is_rolled_back_at_the_next_start_and_shown(
    tmp_path: Path, scripted: ScriptedBackend
) -> None:
    session, first, second = await killed_in_the_middle(tmp_path)
    async with engine.open(tmp_path, config=ROLL_BACK) as eng:
        assert not eng.read_only, "a killed process keeps nothing locked"
        (row,) = eng.recovered
        assert (row.tx, row.question, row.status, row.reason) == (second, "the second", "rolled_back", "interrupted")
        assert row.usage.model_calls == 1, "what it had cost is not forgotten"
        assert row.error

        view = await eng.view(second)
        assert (view.status, view.reason, view.answer) == ("rolled_back", "interrupted", "partial text")
        assert view.nodes["b"].state == "cancelled"
        assert view.usage == row.usage
        assert view.error is not None
        assert view.error.remedy
        events = await eng.events(second)
        assert [event.seq for event in events if event.tx] == list(range(1, len(events) + 1))
        times = [event.t_ms for event in events]
        assert times == sorted(times), "the clock of the transaction goes on"
        state = RunState()
        for event in events:
            apply(state, event)
        assert state.terminal

        assert (await eng.transaction(first)).status == "committed"
        turns = await eng.session_messages(session)
        assert [content for _, content, _ in turns] == ["the first", "Answer to: the first"]
        await run_in(eng, one_model(), "the third", session=session)
        assert "the second" not in text_of(scripted.requests[-1])
    async with engine.open(tmp_path) as eng:
        assert eng.recovered == (), "it is told once"


async def test_a_run_that_was_killed_while_it_was_rolled_back_is_finished(tmp_path: Path) -> None:
    _, _, second = await killed_in_the_middle(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        synced = EventLog.synced
        deaths: list[ev.Event] = []

        async def dies(log: EventLog, event: ev.Event) -> None:
            if not deaths:  # in the middle of the rollback; what closing the engine still waits for is let be
                deaths.append(event)
                raise KeyboardInterrupt
            await synced(log, event)

        patch.setattr("engine.store.log.EventLog.synced", dies)
        with pytest.raises(KeyboardInterrupt):
            async with engine.open(tmp_path, config=ROLL_BACK):
                pass
    async with engine.open(tmp_path) as eng:
        kinds = [event.kind for event in await eng.events(second)]
        assert kinds.count("rolled_back") == 1
        assert kinds[-1] == "rolled_back"
        assert (await run_in(eng, chain())).result.status == "committed"


async def test_a_damaged_interrupted_run_does_not_keep_the_engine_from_opening(tmp_path: Path) -> None:
    _, first, second = await killed_in_the_middle(tmp_path)
    connection = sqlite3.connect(tmp_path / "tinyllm.db")
    connection.execute("UPDATE events SET body = '{}' WHERE tx = ? AND seq = 2", [second])
    connection.commit()
    connection.close()
    async with engine.open(tmp_path) as eng:
        (row,) = eng.recovered
        assert (row.tx, row.status) == (second, "rolled_back")
        assert (await eng.view(first)).status == "committed"
        assert isinstance((await eng.events(first))[-1].body, ev.Committed)
