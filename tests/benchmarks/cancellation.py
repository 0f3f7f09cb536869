"""Cancelling many runs at once: how long it takes, and that no task is left."""

from __future__ import annotations

import asyncio
import time

import engine
from engine.message import Message
from engine.nodes.context import NodeContext, Outcome
from engine.run.engine import Engine
from engine.run.plan import Plan, make_plan
from tests.benchmarks.chains import chain, transforms, with_tasks
from tests.benchmarks.fanout import fan
from tests.benchmarks.measure import Figure, alternate_async, spread

RUNS = 1000
BRANCHES = 4


class Waiting:
    """A node that waits until it is cancelled, and counts who is inside."""

    def __init__(self) -> None:
        self.inside = 0

    async def run(self, ctx: NodeContext, message: Message) -> Outcome:
        self.inside += 1
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.inside -= 1
        raise AssertionError("nobody ends the wait")


def waiting_plans(node: Waiting) -> list[tuple[Plan, int]]:
    """A chain and a fan-out that get stuck in `node`, and how many tasks of each are then inside it."""
    line, wide = make_plan(chain(8)), make_plan(fan(BRANCHES))
    return [
        (with_tasks(line, {"n4": node}), 1),
        (with_tasks(wide, dict.fromkeys(transforms(wide), node)), BRANCHES),
    ]


async def seconds_to_cancel(eng: Engine, plan: Plan, node: Waiting, runs: int, tasks: int) -> tuple[float, int]:
    """Start runs that get stuck in `node`, cancel all of them and await their results.

    Args:
        eng: without a store.
        plan: leads to `node`.
        node: where the runs wait.
        runs: how many.
        tasks: visits of each run that are then inside `node`.

    Returns:
        (wall seconds from the first cancel to the last result, asyncio tasks left)
    """
    # the engine keeps compiled graphs by their hash: this is how a plan made by hand gets in
    eng._plans[plan.content_hash] = plan
    before = asyncio.all_tasks()
    going = [eng.start(plan.graph, "hello") for _ in range(runs)]
    while node.inside < runs * tasks:
        assert not any(run.done for run in going), "a run ended before it was cancelled"
        await asyncio.sleep(0)
    start = time.perf_counter()
    for run in going:
        run.cancel()
    results = [await run.result() for run in going]
    seconds = time.perf_counter() - start
    assert {(result.status, result.reason) for result in results} == {("rolled_back", "cancelled")}
    assert node.inside == 0
    return seconds, len(asyncio.all_tasks() - before)


def run(short: bool) -> list[Figure]:
    return asyncio.run(_figures(1 if short else 5, 50 if short else RUNS))


async def _figures(rounds: int, runs: int) -> list[Figure]:
    node = Waiting()
    (line, one), (wide, several) = waiting_plans(node)
    left: list[float] = []
    async with engine.open() as eng:

        async def cancel(plan: Plan, tasks: int) -> float:
            seconds, tasks_left = await seconds_to_cancel(eng, plan, node, runs, tasks)
            if tasks_left:
                raise AssertionError(f"{tasks_left} asyncio tasks are left after {runs} runs were cancelled")
            left.append(tasks_left)
            return seconds / runs

        chains, fans, baseline = await alternate_async(
            rounds, lambda: cancel(line, one), lambda: cancel(wide, several), lambda: _seconds_of_bare_cancels(runs)
        )
    how = f"wall time from the first `cancel` to the last result of {runs:,} runs / {runs:,}; "
    against = f"{runs:,} bare tasks cancelled and awaited"
    return [
        Figure(
            f"cancelling {runs:,} runs in flight, a task in each: per run",
            "us", spread(chains), f"{how}a chain of 10 nodes, no store", None, spread(baseline), against,
        ),
        Figure(
            f"cancelling {runs:,} runs in flight, {BRANCHES} tasks in each: per run",
            "us", spread(fans), f"{how}a fan-out of {BRANCHES}, no store", None, spread(baseline), against,
        ),
        Figure(
            f"tasks left after cancelling {runs:,} runs",
            "tasks", spread(left), "asyncio tasks that are there after the last result and were not before", 0.0,
        ),
    ]  # fmt: skip


async def _seconds_of_bare_cancels(runs: int) -> float:
    """Wall seconds for one bare task, of `runs` that are cancelled and awaited."""

    async def wait() -> None:
        await asyncio.get_running_loop().create_future()

    going = [asyncio.create_task(wait()) for _ in range(runs)]
    await asyncio.sleep(0)
    start = time.perf_counter()
    for task in going:
        task.cancel()
    await asyncio.gather(*going, return_exceptions=True)
    return (time.perf_counter() - start) / runs
