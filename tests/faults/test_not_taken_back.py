"""Effects that cannot be taken back: listed, left as the log says, and never made twice."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

import engine
from engine import events as ev
from engine.config import EngineConfig
from engine.errors import EngineError, ErrorClass
from engine.graph.spec import GraphSpec
from engine.run.engine import Engine
from engine.store.database import StoreError
from engine.tools.file_changes import FileWriteTool
from tests.approvers import Person, yes
from tests.faults.test_full_store import fill_up, make_room
from tests.faults.workload import LINE, inputs_of, write
from tests.graphs import chain, node
from tests.running import Ran, run_in
from tests.scripted_backend import ScriptedBackend
from tests.waiting import until

TWICE = chain(write("one", "a"), node("m", "model"), write("two", "a"))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "workspace").mkdir()
    return tmp_path


def opened(place: Path) -> Any:
    config = EngineConfig(workspace=place / "workspace")
    return engine.open(place / "data", config=config, approver=Person(yes))


def content(place: Path) -> str | None:
    file = place / "workspace" / "run-a.txt"
    return file.read_text() if file.exists() else None


async def ask(eng: Engine, graph: GraphSpec) -> Ran:
    return await run_in(eng, graph, inputs=inputs_of("run"), approver=Person(yes))


async def refused_in_the_middle(eng: Engine, scripted: ScriptedBackend) -> Ran:
    """A run whose first effect is recorded; then the store takes nothing more."""
    eng._log._patience = 0.3
    go_on = asyncio.Event()
    scripted.answers([go_on, "x" * 200_000])
    asked = asyncio.create_task(ask(eng, TWICE))
    await scripted.busy.wait()
    await fill_up(eng)
    go_on.set()
    return await asyncio.wait_for(asked, 30)


async def test_while_the_store_refuses_nothing_is_taken_back_and_the_next_process_goes_on(
    place: Path, scripted: ScriptedBackend
) -> None:
    async with opened(place) as eng:
        ran = await refused_in_the_middle(eng, scripted)
        assert ran.result.error is not None
        assert (ran.result.status, ran.result.error.code) == ("rolled_back", "disk_full")
        assert content(place) == LINE, "the log that can be read says that it was done"
        assert len(ran.all(ev.RolledBack)[0].uncompensated) == 1, "and the person is told that it stands"
    scripted.answers(["short"])
    async with opened(place) as eng:
        (run,) = eng.resumed
        result = await run.result()
    assert (result.status, result.error, content(place)) == ("committed", None, LINE * 2)


async def test_when_the_store_takes_it_after_all_the_log_lists_what_stands(
    place: Path, scripted: ScriptedBackend
) -> None:
    async with opened(place) as eng:
        ran = await refused_in_the_middle(eng, scripted)
        await make_room(eng)
        await until(lambda: not eng._log.unsynced)
        assert await eng.events(ran.result.transaction) == ran.events
    async with opened(place) as eng:
        assert (eng.resumed, eng.recovered) == ((), ())
        assert len((await eng.view(ran.result.transaction)).uncompensated) == 1
    assert content(place) == LINE
    assert (place / "data" / "undo" / ran.result.transaction).is_dir(), "the copies stay for the person"


async def test_a_commit_that_the_store_refuses_lists_what_the_run_did(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(place) as eng:
        eng._log._patience = 0.3
        assert eng._database is not None
        insert = eng._database.insert_events

        async def refuses_commits(rows: str) -> None:
            if '"committed"' in rows:
                raise StoreError("disk_full", "The disk is full.", "Free some space.")
            await insert(rows)

        monkeypatch.setattr(eng._database, "insert_events", refuses_commits)
        ran = await asyncio.wait_for(ask(eng, chain(write("one", "a"))), 30)
        monkeypatch.undo()
        await until(lambda: not eng._log.unsynced)
        assert ran.result.status == "rolled_back"
        assert content(place) == LINE
        assert len((await eng.view(ran.result.transaction)).uncompensated) == 1
    assert (place / "data" / "undo" / ran.result.transaction).is_dir()


async def test_what_could_not_be_taken_back_is_not_done_again(
    place: Path, monkeypatch: pytest.MonkeyPatch, no_backoff: None
) -> None:
    run = FileWriteTool.run

    async def breaks(self: FileWriteTool, arguments: Any, context: Any) -> Any:
        await run(self, arguments, context)
        raise EngineError(ErrorClass.OVERLOADED, "broken", "It broke after the change.")

    async def conflict(*_: object) -> None:
        raise EngineError(ErrorClass.TOOL_REFUSED, "undo_conflict", "Somebody else changed it.")

    monkeypatch.setattr(FileWriteTool, "run", breaks)
    monkeypatch.setattr(FileWriteTool, "undo", conflict)
    tool = write("one", "a")
    tool["config"]["retry"] = {"attempts": 3}
    async with opened(place) as eng:
        ran = await ask(eng, chain(tool))
    assert ran.result.error is not None
    assert (ran.result.status, ran.result.error.code) == ("rolled_back", "not_taken_back")
    assert content(place) == LINE
    assert len(ran.all(ev.EffectIntended)) == 1
    assert len(ran.all(ev.RolledBack)[0].uncompensated) == 1
