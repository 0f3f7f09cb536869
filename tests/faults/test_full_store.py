"""A disk that fills up: the real SQLite file with `PRAGMA max_page_count`, so that SQLite itself says SQLITE_FULL."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import engine
from engine import events as ev
from engine.config import EngineConfig
from engine.run.engine import Engine
from engine.store.database import StoreError
from tests.graphs import chain, node, one_model
from tests.running import Ran, run_in
from tests.scripted_backend import ScriptedBackend
from tests.waiting import until

LONG = "word " * 4000


async def fill_up(eng: Engine) -> None:
    """Let the file grow no further."""
    await eng._log.flush()
    assert eng._database is not None
    writer = eng._database._writer
    await writer.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")
    ((pages,),) = await writer.execute_fetchall("PRAGMA page_count")
    await writer.execute_fetchall(f"PRAGMA max_page_count = {pages}")


async def make_room(eng: Engine) -> None:
    assert eng._database is not None
    await eng._database._writer.execute_fetchall("PRAGMA max_page_count = 1000000")


async def test_a_run_pauses_while_the_disk_is_full_and_goes_on_when_there_is_room(
    tmp_path: Path, scripted: ScriptedBackend
) -> None:
    go_on = asyncio.Event()
    scripted.answers(["part", go_on, LONG])
    graph = chain(node("m", "model"), node("strip", "transform", operation="strip"))
    async with engine.open(tmp_path) as eng:
        run = eng.start(graph, "Why?")
        await scripted.busy.wait()
        await fill_up(eng)
        everything = eng.bus.subscribe(size=10_000)
        eng._log.append(ev.BackendChanged("e", "b", "ready", LONG))
        await until(lambda: eng._log.error)
        go_on.set()
        told: list[ev.Body] = []
        await until(lambda: told.extend(bodies(everything)) or any(isinstance(body, ev.Paused) for body in told))
        (paused,) = (body for body in told if isinstance(body, ev.Paused))
        assert "full" in paused.reason
        assert "space" in paused.remedy
        assert not run.done
        assert not any(isinstance(body, ev.NodeStarted) and body.path == "strip" for body in told)
        live = await eng.view(run.transaction)
        assert live.paused.startswith(paused.reason)
        await make_room(eng)
        result = await run.result()
        assert (result.status, result.text) == ("committed", ("part" + LONG).strip())
        events = await eng.events(run.transaction)
        assert [event.seq for event in events if event.tx] == list(range(1, len([e for e in events if e.tx]) + 1))
        assert "unpaused" in [event.kind for event in events]
        assert (await eng.view(run.transaction)).paused == ""


async def test_a_pause_that_lasts_too_long_ends_the_run_with_a_clear_error(
    tmp_path: Path, scripted: ScriptedBackend
) -> None:
    go_on = asyncio.Event()
    scripted.answers(["part", go_on])
    async with engine.open(tmp_path) as eng:
        eng._log._patience = 0.5
        run = eng.start(chain(node("m", "model"), node("strip", "transform", operation="strip")), "Why?")
        await scripted.busy.wait()
        await fill_up(eng)
        eng._log.append(ev.BackendChanged("e", "b", "ready", LONG))
        await until(lambda: eng._log.error)
        go_on.set()
        kinds = [event.kind async for event in run.events()]
        result = await run.result()
        await make_room(eng)
    assert result.error is not None
    assert (result.status, result.error.code, result.text) == ("rolled_back", "disk_full", "part")
    assert kinds[-3:] == ["paused", "rolling_back", "rolled_back"]


def bodies(subscription: object) -> list[ev.Body]:
    return [item.body for item in subscription.drain() if isinstance(item, ev.Event)]  # type: ignore[attr-defined]


async def test_a_disk_that_stays_full_ends_runs_with_a_clear_error_and_loses_nothing(
    tmp_path: Path, scripted: ScriptedBackend
) -> None:
    scripted.answers([LONG])
    async with engine.open(tmp_path) as eng:
        eng._log._patience = 0.5
        await run_in(eng, one_model(), "before")
        await fill_up(eng)
        everything = eng.bus.subscribe(size=10_000)
        ran = await asyncio.wait_for(run_in(eng, one_model(), "during"), 30)
        assert ran.result.error is not None
        assert (ran.result.status, ran.result.error.code) == ("rolled_back", "disk_full")
        assert "space" in ran.result.error.remedy
        assert ran.events[-1].kind == "rolled_back"
        assert await eng.events(ran.result.transaction) == ran.events, "who reads now sees what was told"
        again = await asyncio.wait_for(run_in(eng, chain(), "still full"), 30)
        assert again.result.error is not None
        assert again.result.error.code == "disk_full"
        rows = await eng.transactions()
        assert [row.question for row in rows] == ["before"]

        await make_room(eng)
        await until(lambda: not eng._log.unsynced)
        after = await run_in(eng, one_model(), "after")
        assert after.result.status == "committed"
        published = [item for item in everything.drain() if isinstance(item, ev.Event)]
    await the_file_holds(tmp_path, ran, again, after)
    assert [event.gseq for event in published] == sorted(event.gseq for event in published)


async def the_file_holds(folder: Path, *runs: Ran) -> None:
    async with engine.open(folder) as eng:
        assert eng.recovered == ()
        for ran in runs:
            assert await eng.events(ran.result.transaction) == ran.events
            assert await eng.view(ran.result.transaction) == ran.view
            row = await eng.transaction(ran.result.transaction)
            assert row.status == ran.result.status


async def test_closing_with_a_full_disk_ends_and_the_next_start_rolls_back_what_is_missing(
    tmp_path: Path, scripted: ScriptedBackend
) -> None:
    scripted.answers(["part", asyncio.Event()])
    async with engine.open(tmp_path) as eng:
        eng._log._patience = 0.5
        run = eng.start(one_model(), "Why?")
        await scripted.busy.wait()
        await fill_up(eng)
        eng._log.append(ev.BackendChanged("e", "b", "ready", LONG))
    result = await run.result()
    assert result.status == "rolled_back"
    async with engine.open(tmp_path, config=EngineConfig(recovery="roll_back")) as eng:
        (row,) = eng.recovered
        assert (row.tx, row.status, row.reason) == (run.transaction, "rolled_back", "interrupted")


async def test_a_session_cannot_be_made_on_a_full_disk_and_says_why(tmp_path: Path) -> None:
    async with engine.open(tmp_path) as eng:
        await fill_up(eng)

        async def many() -> None:
            for _ in range(500):  # names are short: some still find room in the last page
                await eng.create_session("n" * 200)

        with pytest.raises(StoreError) as caught:
            await many()
        assert caught.value.code == "disk_full"
        await make_room(eng)
        await eng.create_session("n")
