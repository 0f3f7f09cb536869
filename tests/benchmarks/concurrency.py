"""Many runs at once: whether a thousand runs on one loop get as much done in a second as a hundred."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import engine
from engine.message import Message
from engine.nodes.context import NodeContext, Outcome
from engine.run.engine import Engine
from engine.run.plan import Plan, make_plan
from tests.benchmarks.chains import chain, with_tasks
from tests.benchmarks.measure import Figure, alternate_async, spread

FEW, MANY = 100, 1000
NODES = 10
"""Nodes of the graph, entry and exit included."""
LOSS = 1.25
"""The budget: throughput of `FEW` runs at once / throughput of `MANY`; 1 / 1.25 is 20 % less."""


class Yielding:
    """A node that waits for its next turn on the event loop, so that runs interleave as those that wait for a model."""

    async def run(self, ctx: NodeContext, message: Message) -> Outcome:
        await asyncio.sleep(0)
        return Outcome(content=message.content)


def run(short: bool) -> list[Figure]:
    few, many = (10, 100) if short else (FEW, MANY)
    return asyncio.run(_figures(1 if short else 5, few, many))


async def _figures(rounds: int, few: int, many: int) -> list[Figure]:
    plan = with_tasks(make_plan(chain(NODES - 2)), {f"n{NODES // 2 - 1}": Yielding()})
    async with engine.open() as eng:
        at_once = {size: _throughput(eng, plan, size, many) for size in (few, many)}

        async def bare() -> float:
            return await _bare_throughput(many)

        small, large, baseline = await alternate_async(rounds, at_once[few], at_once[many], bare)
    how = f"wall time of {many:,} runs of an engine without store, from `start` to the last result, " + "{:,} at once"
    against = f"{many:,} bare tasks, each of {NODES} calls that make a message, and one turn of the event loop"
    return [
        Figure(
            f"concurrent runs of a {NODES}-node graph: {many:,} at once",
            "runs/s", spread(large), how.format(many), None, spread(baseline), against,
        ),
        Figure(f"concurrent runs of a {NODES}-node graph: {few:,} at once", "runs/s", spread(small), how.format(few)),
        Figure(
            f"concurrent runs, throughput: {few:,} at once against {many:,} at once",
            "x",
            spread([a / b for a, b in zip(small, large, strict=True)]),
            "ratio of the two figures above, round by round; 1 is flat, 1.25 is 20 % less with the more runs",
            LOSS,
        ),
    ]  # fmt: skip


def _throughput(eng: Engine, plan: Plan, at_once: int, runs: int) -> Callable[[], Awaitable[float]]:
    """A measurement of runs per wall second."""

    async def take() -> float:
        # the engine keeps compiled graphs by their hash: this is how a plan made by hand gets in
        eng._plans[plan.content_hash] = plan
        start = time.perf_counter()
        for _ in range(runs // at_once):
            going = [eng.start(plan.graph, "hello") for _ in range(at_once)]
            for each in going:
                result = await each.result()
                assert result.status == "committed", result
        return runs / (time.perf_counter() - start)

    return take


async def _bare_run() -> Message:
    message = Message(1, "hello")
    for number in range(NODES):
        if number == NODES // 2:
            await asyncio.sleep(0)
        message = Message(number, message.content.strip())
    return message


async def _bare_throughput(runs: int) -> float:
    start = time.perf_counter()
    going = [asyncio.create_task(_bare_run()) for _ in range(runs)]
    for each in going:
        await each
    return runs / (time.perf_counter() - start)
