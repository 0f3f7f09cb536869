"""The executor without a store: what a trivial node costs, inline and as a task, and whether that stays flat."""

from __future__ import annotations

import asyncio
import time

from engine.message import Message
from tests.benchmarks.chains import SIZES, cpu_of_runs, plan_of
from tests.benchmarks.measure import Figure, alternate_async, spread

NODES = 2000
"""Visits in one sample, whatever the length of the chain."""


def run(short: bool) -> list[Figure]:
    rounds = 1 if short else 11
    return [*asyncio.run(_family(False, 25e-6, rounds, short)), *asyncio.run(_family(True, 40e-6, rounds, short))]


async def _family(tasks: bool, budget: float, rounds: int, short: bool) -> list[Figure]:
    plans = {size: plan_of(size, tasks=tasks) for size in SIZES}
    visits = NODES // 2 if short else NODES

    async def small() -> float:
        return await cpu_of_runs(plans[10], visits // 10)

    async def middle() -> float:
        return await cpu_of_runs(plans[100], visits // 100)

    async def large() -> float:
        return await cpu_of_runs(plans[1000], max(1, visits // 1000))

    async def bare() -> float:
        return await (_cpu_of_bare_tasks(visits) if tasks else _cpu_of_bare_calls(visits))

    ten, hundred, thousand, baseline = await alternate_async(rounds, small, middle, large, bare)
    early = [(b - a) / (100 - 10) for a, b in zip(ten, hundred, strict=True)]
    late = [(b - a) / (1000 - 100) for a, b in zip(hundred, thousand, strict=True)]
    kind = "as task" if tasks else "inline"
    against = (
        "`create_task` and `await` of an empty coroutine" if tasks else "`str.strip` and a message made, in a loop"
    )
    how = "CPU time of whole runs (begin, checkpoints every 5 visits, one subscriber); what grows from {} to {} nodes"
    return [
        Figure(
            f"executor, no store, {kind}: per node (100 to 1000)",
            "us", spread(late), how.format(100, 1000), budget, spread(baseline), against,
        ),
        Figure(
            f"executor, no store, {kind}: per node (10 to 100)",
            "us", spread(early), how.format(10, 100), budget, spread(baseline), against,
        ),
        Figure(
            f"executor, no store, {kind}: flatness",
            "x",
            spread([b / a for a, b in zip(early, late, strict=True)]),
            "ratio of the two figures above, round by round; 1 is flat",
        ),
    ]  # fmt: skip


async def _nothing() -> None:
    pass


async def _cpu_of_bare_tasks(times: int) -> float:
    start = time.process_time()
    for _ in range(times):
        await asyncio.create_task(_nothing())
    return (time.process_time() - start) / times


async def _cpu_of_bare_calls(times: int) -> float:
    message = Message(1, "hello")
    start = time.process_time()
    for number in range(times):
        message = Message(number, message.content.strip())
    return (time.process_time() - start) / times
