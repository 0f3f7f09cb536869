"""The executor with the durable store: what a run costs, and what each of its nodes adds."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import engine
from engine.run.engine import Engine
from engine.run.engine import open as open_engine
from engine.run.plan import Plan
from engine.store.schema import PRAGMAS
from tests.benchmarks.chains import plan_of
from tests.benchmarks.measure import Figure, alternate_async, spread

PER_RUN, PER_NODE = 3e-3, 100e-6
"""The budget, in seconds: of a run, and of each node in it."""


def run(short: bool) -> list[Figure]:
    rounds = 1 if short else 15
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_figures(Path(folder), rounds, 100 if short else 1000))


async def _figures(folder: Path, rounds: int, most: int) -> list[Figure]:
    # the backend is one that refuses at once: no graph here calls a model
    config = engine.EngineConfig(backend="ollama", ollama_host="http://127.0.0.1:9", max_steps=10_000)
    figures: list[Figure] = []
    for tasks in (False, True):
        place = folder / f"tasks-{tasks}"
        # two engines: a `begin` event carries every breaker of its engine, and each node of the long chain has one
        async with (
            open_engine(place / "short", config=config) as few,
            open_engine(place / "long", config=config) as many,
        ):
            with contextlib.closing(_BareDatabase(place / "bare.db")) as bare:
                figures += await _family(few, many, bare, rounds, most, tasks=tasks)
    return figures


async def _family(
    for_short: Engine, for_long: Engine, bare: _BareDatabase, rounds: int, most: int, *, tasks: bool
) -> list[Figure]:
    short, long = plan_of(1, tasks=tasks), plan_of(most, tasks=tasks)
    takes: list[Callable[[], Awaitable[float]]] = [
        lambda: _seconds_of_run(for_short, short, 5),
        lambda: _seconds_of_run(for_long, long, 1),
        lambda: bare.seconds_of_commits(5),
    ]
    one, many, commit = await alternate_async(rounds, *takes)
    per_node = [(b - a) / (most - 1) for a, b in zip(one, many, strict=True)]
    whole = [seconds / (PER_RUN + PER_NODE * (most + 2)) for seconds in many]
    kind = "as task" if tasks else "inline"
    two_commits = spread([2 * seconds for seconds in commit])
    return [
        Figure(
            f"durable store, {kind}: a whole run of one node",
            "ms", spread(one),
            "wall time from `start` to the result: prepare, durable begin, execute, durable commit",
            PER_RUN + 3 * PER_NODE, two_commits, "two bare durable commits of one row, same settings, same disk",
        ),
        Figure(
            f"durable store, {kind}: each further node",
            "us", spread(per_node), f"wall time; what grows from 1 to {most} nodes", PER_NODE,
        ),
        Figure(
            f"durable store, {kind}: a run of {most} nodes against its budget",
            "x", spread(whole), "wall time / (3 ms + 100 us per node)", 1.0,
        ),
    ]  # fmt: skip


async def _seconds_of_run(eng: Engine, plan: Plan, times: int) -> float:
    """Wall seconds of one run, from `times` runs in a row."""
    # the engine keeps compiled graphs by their hash: this is how a plan made by hand gets in
    eng._plans[plan.content_hash] = plan
    start = time.perf_counter()
    for _ in range(times):
        result = await eng.start(plan.graph, "hello").result()
        assert result.status == "committed", result
    return (time.perf_counter() - start) / times


class _BareDatabase:
    """One connection with the store's settings, to which single rows are committed."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        for pragma in PRAGMAS:
            self._connection.execute(pragma)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, body TEXT) STRICT")
        self._body = json.dumps({"text": "x" * 400})

    def _commit(self) -> None:
        self._connection.execute("INSERT INTO rows (body) VALUES (?)", (self._body,))

    async def seconds_of_commits(self, times: int) -> float:
        """Wall seconds of one commit in a thread, as the store does it."""
        start = time.perf_counter()
        for _ in range(times):
            await asyncio.to_thread(self._commit)
        return (time.perf_counter() - start) / times

    def close(self) -> None:
        self._connection.close()
