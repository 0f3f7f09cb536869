"""Replay of a transaction of 10,000 events: opening it from the store, and seeking in it."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import tempfile
import time
from pathlib import Path

import engine
from engine import events as ev
from engine.bus import EventBus
from engine.graph.spec import GraphSpec
from engine.run.engine import Engine
from engine.run.engine import open as open_engine
from engine.store.database import FILE_NAME, Database
from engine.store.log import EventLog
from engine.view import fold
from tests.benchmarks.material import busy_bodies
from tests.benchmarks.measure import Figure, alternate, alternate_async, spread
from tinyllm_tui.screens.playhead import Playhead

EVENTS = 10_000
_TX = "replayed"


def run(short: bool) -> list[Figure]:
    count, rounds = (1000, 1) if short else (EVENTS, 11)
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_figures(Path(folder), count, rounds))


async def _figures(folder: Path, count: int, rounds: int) -> list[Figure]:
    await _record(folder, count)
    config = engine.EngineConfig(backend="ollama", ollama_host="http://127.0.0.1:9")
    async with open_engine(folder, config=config) as eng:
        events = await eng.events(_TX)
        assert len(events) == count
        opened = await _opening(eng, folder, count, rounds)
    return [*opened, *_seeking(events, rounds)]


async def _record(folder: Path, count: int) -> None:
    """Write the transaction with the store's own log."""
    database = await Database.open(folder)
    log = EventLog(EventBus(), database)
    graph: GraphSpec = engine.load_graph("multi_domain")
    async with asyncio.TaskGroup() as group:
        group.create_task(log.write_forever())
        stream = log.stream(_TX)
        log.append(
            ev.Begin(graph.model_dump(mode="json"), graph.content_hash(), "What is 2 + 2?", None, number=1), stream
        )
        for body in busy_bodies(0, count - 2):
            log.append(body, stream)
        log.append(ev.Committed(exit="success", exit_node="answer", text="4"), stream)
        log.close()
    await database.close()


async def _opening(eng: Engine, folder: Path, count: int, rounds: int) -> list[Figure]:
    async def opening() -> float:
        start = time.perf_counter()
        head = Playhead(await eng.events(_TX))
        head.seek(len(head))
        assert head.view.status == "committed"
        return time.perf_counter() - start

    async def bare() -> float:
        start = time.perf_counter()
        bodies = await asyncio.to_thread(_bare_read, folder / FILE_NAME)
        assert len(bodies) == count
        return time.perf_counter() - start

    async def cpu() -> float:
        start = time.process_time()
        await opening()
        return time.process_time() - start

    opened, read, spent = await alternate_async(rounds, opening, bare, cpu)
    against = "rows read with `sqlite3` and bodies with `json.loads`, in a thread"
    return [
        Figure(
            f"replay of {count:,} events, open",
            "ms", spread(opened), "wall time of `Engine.events` and the fold to the last event",
            0.250, spread(read), against,
        ),
        Figure(f"replay of {count:,} events, open, CPU", "ms", spread(spent), "CPU time of the same, all threads"),
    ]  # fmt: skip


def _bare_read(path: Path) -> list[object]:
    connection = sqlite3.connect(path)
    try:
        rows = connection.execute("SELECT body FROM events WHERE tx = ? ORDER BY gseq", (_TX,)).fetchall()
    finally:
        connection.close()
    return [json.loads(body) for (body,) in rows]


def _seeking(events: list[ev.Event], rounds: int) -> list[Figure]:
    count = len(events)
    head = Playhead(events)
    positions = random.Random(11)

    def anywhere() -> float:
        target = positions.randrange(count)
        start = time.process_time()
        head.seek(target)
        return time.process_time() - start

    def back_from_the_end() -> float:
        head.seek(count)
        start = time.process_time()
        head.step(-1)
        return time.process_time() - start

    def bare() -> float:
        start = time.process_time()
        kinds: dict[str, int] = {}
        for event in events:
            kinds[event.body.KIND] = kinds.get(event.body.KIND, 0) + 1
        return time.process_time() - start

    random_seek, step_back, loop = alternate(rounds, anywhere, back_from_the_end, bare)
    assert fold(events[: count - 1]).events == count - 1
    against = "a loop over all events that counts them by kind"
    return [
        Figure(
            f"replay of {count:,} events, seek anywhere",
            "ms", spread(random_seek), "CPU time of `Playhead.seek` to random places", 0.010, spread(loop), against,
        ),
        Figure(
            f"replay of {count:,} events, one step back at the end (the worst seek)",
            "ms", spread(step_back), "CPU time of `Playhead.step(-1)`", 0.010, spread(loop), against,
        ),
    ]  # fmt: skip
