"""Bytes that a run leaves on disk while its list of messages grows: twice the steps, about twice the bytes."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from unittest import mock

import engine
from engine.config import EngineConfig
from engine.events import Body
from engine.graph.spec import EdgeSpec, GraphSpec, ModelConfig, NodeSpec
from engine.run.plan import Plan, make_plan
from engine.store.database import FILE_NAME
from tests.benchmarks.growing import growing_plan, message
from tests.benchmarks.measure import Figure, spread
from tests.scripted_backend import ScriptedBackend

STEPS = (100, 200, 400)
BUDGET = 2.2
"""Bytes at twice the steps / bytes."""

_BYTES_OF_RUN = """
SELECT sum(length(CAST(body AS BLOB)) + length(kind) + length(tx) + 8 * 6) FROM events WHERE tx IS NOT NULL
"""
"""Of the rows of a run: texts, and 8 bytes for each of the six numbers, as a bound."""


@dataclass(frozen=True, slots=True)
class Bytes:
    """What one run left."""

    rows: int
    """Of the rows of its transaction."""
    file: int
    """Of the database when it was closed, less those of an empty one."""


def run(short: bool) -> list[Figure]:
    steps = (10, 20, 40) if short else STEPS
    rounds = 1 if short else 3
    figures = _of_log(_taken(growing_plan, steps, rounds), steps)
    figures += _doublings(
        "growing list carried whole in the payload, rows",
        [[each.rows for each in found] for found in _taken(_in_payload, steps, rounds)],
        steps,
        "the same with the list as one JSON value that each step passes on: such a value is written at each step",
    )
    return figures + _doublings(
        "conversation of model nodes, rows",
        [[each.rows for each in found] for found in _taken(_conversation, steps, rounds)],
        steps,
        "model nodes in a row, each with `input` of all before it and a window of 4,096 tokens (scripted answers): "
        "each request is written as it was sent, and what was pruned from it",
    )


def _of_log(found: list[list[Bytes]], steps: tuple[int, ...]) -> list[Figure]:
    rows, files = [[each.rows for each in some] for some in found], [[each.file for each in some] for some in found]
    sizes = [
        Figure(
            f"growing message list: bytes of a run of {count} steps",
            "KB", spread(taken), "rows of its transaction; a node goes round and adds a message of 200 characters",
            None, spread([sum(len(message(step)) for step in range(1, count + 1))]), "the texts of the messages",
        )
        for count, taken in zip(steps, rows, strict=True)
    ]  # fmt: skip
    of_file = "bytes of the closed file, less an empty one's"
    return [
        *sizes,
        *_doublings("growing message list, rows", rows, steps, "bytes of the rows of the transaction", BUDGET),
        *_doublings("growing message list, file", files, steps, of_file, BUDGET),
    ]


def _doublings(
    what: str, taken: list[list[int]], steps: tuple[int, ...], how: str, budget: float | None = None
) -> list[Figure]:
    return [
        Figure(
            f"{what}: {many} steps against {few}",
            "x",
            spread([b / a for a, b in zip(less, more, strict=True)]),
            how,
            budget,
        )
        for (few, less), (many, more) in pairwise(zip(steps, taken, strict=True))
    ]


def _taken(make: Callable[[int], Plan], steps: tuple[int, ...], rounds: int) -> list[list[Bytes]]:
    """For each number of steps what several runs left, each in a database of its own."""
    empty = asyncio.run(_left_by(None)).file
    taken = []
    for count in steps:
        plan = make(count)
        found = [asyncio.run(_left_by(plan)) for _ in range(rounds)]
        taken.append([Bytes(each.rows, each.file - empty) for each in found])
    return taken


async def _left_by(plan: Plan | None) -> Bytes:
    backend = ScriptedBackend(lambda request: [message(len(request.messages))])

    async def choose(_config: EngineConfig, *, emit: Callable[[Body], None]) -> ScriptedBackend:
        return backend

    with tempfile.TemporaryDirectory() as folder, mock.patch("engine.run.connection.choose_backend", choose):
        async with engine.open(folder, config=EngineConfig(max_steps=10_000)) as eng:
            if plan is not None:
                eng._plans[plan.content_hash] = plan  # how a plan made by hand gets in
                result = await eng.start(plan.graph, "hello").result()
                assert result.status == "committed", result
        path = Path(folder) / FILE_NAME
        with contextlib.closing(sqlite3.connect(path)) as connection:
            (rows,) = connection.execute(_BYTES_OF_RUN).fetchone()
        return Bytes(rows or 0, path.stat().st_size)


def _in_payload(steps: int) -> Plan:
    return growing_plan(steps, in_payload=True)


def _conversation(steps: int) -> Plan:
    """entry -> so many models, each of which sees what all before it said -> exit."""
    names = [f"n{number}" for number in range(steps)]
    models = [
        NodeSpec(id=name, type="model", config=ModelConfig(input=names[:number] or None))
        for number, name in enumerate(names)
    ]
    nodes = [NodeSpec(id="start", type="entry"), *models, NodeSpec(id="end", type="exit")]
    edges = [EdgeSpec(from_node=a, to_node=b) for a, b in pairwise(["start", *names, "end"])]
    return make_plan(GraphSpec(id=f"graph.conversation_{steps}", nodes=nodes, edges=edges))
