"""The executor with the durable store: what a run costs, and what each of its nodes adds."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from engine.config import Durability, EngineConfig
from engine.run.engine import Engine
from engine.run.engine import open as open_engine
from engine.run.plan import Plan
from engine.store.schema import PRAGMAS
from tests.benchmarks.chains import SIZES, plan_of
from tests.benchmarks.measure import Figure, alternate_async, spread
from tests.benchmarks.write_ahead_log import commits_in

PER_RUN, PER_NODE = 3e-3, 100e-6
"""The budget, in seconds: of a run, and of each node in it."""


def run(short: bool) -> list[Figure]:
    rounds = 1 if short else 7
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_figures(Path(folder), rounds, SIZES[:-1] if short else SIZES))


async def _figures(folder: Path, rounds: int, sizes: tuple[int, ...]) -> list[Figure]:
    figures: list[Figure] = []
    for tasks in (False, True):
        place = folder / f"tasks-{tasks}"
        async with contextlib.AsyncExitStack() as stack:
            # an engine for each length: none carries the breakers of the others
            chains = [
                Chain(await stack.enter_async_context(opened(place / f"{size}")), plan_of(size, tasks=tasks), size)
                for size in (1, *sizes)
            ]
            bare = stack.enter_context(contextlib.closing(BareDatabase(place / "bare.db")))
            figures += await _family(chains, bare, rounds, "as task" if tasks else "inline")
        figures += [await _commits(place, size, rounds, tasks=tasks) for size in sizes]
    return figures


def opened(folder: Path, durability: Durability = "grouped") -> AbstractAsyncContextManager[Engine]:
    """An engine with a durable store; its backend is one that refuses at once: no graph here calls a model."""
    return open_engine(
        folder,
        config=EngineConfig(
            backend="ollama", ollama_host="http://127.0.0.1:9", max_steps=10_000, durability=durability
        ),
    )


@dataclass(frozen=True, slots=True)
class Chain:
    """A graph in an engine."""

    engine: Engine
    plan: Plan
    size: int

    async def seconds(self) -> float:
        """Wall seconds of one run: of a short one from several in a row."""
        return await seconds_of_run(self.engine, self.plan, max(1, 5 // self.size))


async def _family(chains: Sequence[Chain], bare: BareDatabase, rounds: int, kind: str) -> list[Figure]:
    takes: list[Callable[[], Awaitable[float]]] = [each.seconds for each in chains]
    one, *others, commit = await alternate_async(rounds, *takes, lambda: bare.seconds_of_commits(5))
    most = chains[-1].size
    per_node = [(b - a) / (most - 1) for a, b in zip(one, others[-1], strict=True)]
    two_commits = spread([2 * seconds for seconds in commit])
    against_budget = [
        Figure(
            f"durable store, {kind}: a run of {each.size:,} nodes against its budget",
            "x", spread([seconds / (PER_RUN + PER_NODE * (each.size + 2)) for seconds in taken]),
            "wall time / (3 ms + 100 us per node)", 1.0,
        )
        for each, taken in zip(chains[1:], others, strict=True)
    ]  # fmt: skip
    return [
        Figure(
            f"durable store, {kind}: a whole run of one node",
            "ms", spread(one),
            "wall time from `start` to the result: prepare, durable begin, execute, durable commit",
            PER_RUN + 3 * PER_NODE, two_commits, "two bare durable commits of one row, same settings, same disk",
        ),
        Figure(
            f"durable store, {kind}: each further node",
            "us", spread(per_node), f"wall time; what grows from 1 to {most:,} nodes", PER_NODE,
        ),
        *against_budget,
    ]  # fmt: skip


async def _commits(place: Path, size: int, rounds: int, *, tasks: bool) -> Figure:
    """How many commits the store really made for one run; not while the clock runs."""
    plan = plan_of(size, tasks=tasks)
    counted = []
    async with opened(place / f"counted-{size}") as eng:
        assert eng._database is not None
        # nothing is moved from the write-ahead log into the file meanwhile, so that it holds every commit
        await eng._database._writer.execute_fetchall("PRAGMA wal_autocheckpoint = 0")
        log = eng._database.path.with_name(f"{eng._database.path.name}-wal")
        for _ in range(rounds):
            await eng._log.flush()
            before = commits_in(log)
            await seconds_of_run(eng, plan, 1)
            counted.append((commits_in(log) - before) / size)
    kind = "as task" if tasks else "inline"
    return Figure(
        f"durable store, {kind}: commits per node, a run of {size:,}",
        "commits", spread(counted),
        "commits in the write-ahead log that one run made / nodes; begin and end are commits of their own",
    )  # fmt: skip


async def seconds_of_run(eng: Engine, plan: Plan, times: int) -> float:
    """Wall seconds of one run, from `times` runs in a row."""
    # the engine keeps compiled graphs by their hash: this is how a plan made by hand gets in
    eng._plans[plan.content_hash] = plan
    start = time.perf_counter()
    for _ in range(times):
        result = await eng.start(plan.graph, "hello").result()
        assert result.status == "committed", result
    return (time.perf_counter() - start) / times


class BareDatabase:
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
