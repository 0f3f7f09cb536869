"""Fan-out without a store: what a trivial branch costs up to its join, and whether that stays flat."""

from __future__ import annotations

import asyncio
import time

from engine.graph.spec import EdgeSpec, FanoutConfig, GraphSpec, JoinConfig, NodeSpec, TransformConfig
from engine.message import Message
from engine.run.plan import Plan, make_plan
from tests.benchmarks.chains import SIZES, Stripping, cpu_of_runs, transforms, with_tasks
from tests.benchmarks.measure import Figure, alternate_async, spread

BRANCHES = 2000
"""Branches in one sample, however many of them a run has."""
PER_BRANCH = 40e-6
"""The budget, in seconds."""


def run(short: bool) -> list[Figure]:
    rounds = 1 if short else 11
    branches = BRANCHES // 2 if short else BRANCHES
    return [
        *asyncio.run(_family(rounds, branches, tasks=False)),
        *asyncio.run(_family(rounds, branches, tasks=True)),
    ]


def fan(size: int) -> GraphSpec:
    """entry -> fan-out -> `size` transforms side by side -> join -> exit."""
    config = TransformConfig(operation="strip")
    names = [f"n{number}" for number in range(size)]
    pairs = [("start", "fan"), *((name, "join") for name in names), ("join", "end")]
    return GraphSpec(
        id=f"graph.fan_{size}",
        nodes=[
            NodeSpec(id="start", type="entry"),
            NodeSpec(id="fan", type="fanout", config=FanoutConfig(targets=names, max_branches=size)),
            *(NodeSpec(id=name, type="transform", config=config) for name in names),
            NodeSpec(id="join", type="join", config=JoinConfig(separator="\n")),
            NodeSpec(id="end", type="exit"),
        ],
        edges=[EdgeSpec(from_node=a, to_node=b) for a, b in pairs],
    )


def fan_plan(size: int, *, tasks: bool) -> Plan:
    """The plan of a fan-out; with `tasks` its branches run as tasks instead of inline."""
    plan = make_plan(fan(size))
    return with_tasks(plan, dict.fromkeys(transforms(plan), Stripping())) if tasks else plan


async def _family(rounds: int, branches: int, *, tasks: bool) -> list[Figure]:
    plans = {size: fan_plan(size, tasks=tasks) for size in SIZES}

    async def small() -> float:
        return await cpu_of_runs(plans[10], branches // 10)

    async def middle() -> float:
        return await cpu_of_runs(plans[100], branches // 100)

    async def large() -> float:
        return await cpu_of_runs(plans[1000], max(1, branches // 1000))

    async def bare() -> float:
        return await _cpu_of_bare_fans(100, branches // 100)

    ten, hundred, thousand, baseline = await alternate_async(rounds, small, middle, large, bare)
    early = [(b - a) / (100 - 10) for a, b in zip(ten, hundred, strict=True)]
    late = [(b - a) / (1000 - 100) for a, b in zip(hundred, thousand, strict=True)]
    kind = "as tasks" if tasks else "inline"
    how = "CPU time of whole runs (begin, checkpoints every 5 visits, one subscriber); {}"
    return [
        Figure(
            f"fan-out of 100, no store, {kind}: per branch",
            "us", spread([a / 100 for a in hundred]),
            how.format("a run of entry, fan-out, 100 transforms, join and exit / 100"),
            PER_BRANCH, spread([a / 100 for a in baseline]),
            "100 tasks of one `TaskGroup` that strip a text and make a message, and the texts joined",
        ),
        Figure(
            f"fan-out, no store, {kind}: each further branch (10 to 100)",
            "us", spread(early), how.format("what grows from 10 to 100 branches"),
        ),
        Figure(
            f"fan-out, no store, {kind}: each further branch (100 to 1000)",
            "us", spread(late), how.format("what grows from 100 to 1000 branches"),
        ),
        Figure(
            f"fan-out, no store, {kind}: flatness",
            "x",
            spread([b / a for a, b in zip(early, late, strict=True)]),
            "ratio of the two figures above, round by round; 1 is flat",
        ),
    ]  # fmt: skip


async def _strip(number: int, text: str) -> Message:
    return Message(number, text.strip())


async def _cpu_of_bare_fans(size: int, times: int) -> float:
    """CPU seconds of one bare fan-out and its join, from `times` in a row."""
    start = time.process_time()
    for _ in range(times):
        async with asyncio.TaskGroup() as group:
            branches = [group.create_task(_strip(number, "hello")) for number in range(size)]
        assert "\n".join(branch.result().content for branch in branches)
    return (time.process_time() - start) / times
