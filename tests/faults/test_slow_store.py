"""A disk that is too slow for what happens: runs wait for it at the next node, say so, and go on."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

import engine
from engine import events as ev
from engine.config import Durability, EngineConfig
from engine.store.database import Database
from engine.store.log import MAX_UNSYNCED
from tests.graphs import chain, node
from tests.running import run_in
from tests.scripted_backend import ScriptedBackend
from tests.waiting import until


@pytest.mark.parametrize("durability", ["grouped", "strict"])
async def test_a_run_waits_while_more_than_the_bound_is_unsynced_and_then_goes_on(
    tmp_path: Path, scripted: ScriptedBackend, monkeypatch: pytest.MonkeyPatch, durability: Durability
) -> None:
    disk = asyncio.Event()
    disk.set()
    insert = Database.insert_events

    async def slowly(self: Database, rows: str) -> None:
        await disk.wait()
        await insert(self, rows)

    monkeypatch.setattr(Database, "insert_events", slowly)
    go_on = asyncio.Event()
    scripted.answers(["part", go_on])
    graph = chain(node("m", "model"), *(node(f"n{i}", "transform", operation="strip") for i in range(5)))
    async with engine.open(tmp_path, config=EngineConfig(durability=durability)) as eng:
        run = eng.start(graph, "Why?")
        await scripted.busy.wait()
        await eng._log.flush()
        disk.clear()
        for _ in range(MAX_UNSYNCED + 1):
            eng._log.append(ev.BackendChanged("e", "b", "ready"))
        go_on.set()
        await until(lambda: any(isinstance(event.body, ev.Paused) for event, _ in eng._log._queue))
        waiting = eng._log.unsynced
        for _ in range(50):
            await asyncio.sleep(0)
        assert eng._log.unsynced == waiting, "a run that waits makes no more"
        assert not run.done
        disk.set()
        events = [event async for event in run.events()]
        assert (await run.result()).status == "committed"
        kinds = [event.kind for event in events if event.tx]
        assert kinds.index("paused") < kinds.index("unpaused") < kinds.index("committed")
        (paused,) = [event.body for event in events if isinstance(event.body, ev.Paused)]
        assert paused.reason == "The store is behind."
        assert await eng.events(run.transaction) == events


async def test_everything_that_a_strict_engine_shows_is_in_the_file(tmp_path: Path, scripted: ScriptedBackend) -> None:
    shown: list[tuple[int, int]] = []
    async with engine.open(tmp_path, config=EngineConfig(durability="strict")) as eng:
        await run_in(eng, chain(), "first")
        run = eng.start(chain(node("a", "model"), node("b", "model")), "Why?")
        async for event in run.events():
            connection = sqlite3.connect(tmp_path / "tinyllm.db")
            ((last,),) = connection.execute("SELECT max(gseq) FROM events").fetchall()
            connection.close()
            shown.append((event.gseq, last))
    assert len(shown) > 10
    assert all(gseq <= last for gseq, last in shown)
