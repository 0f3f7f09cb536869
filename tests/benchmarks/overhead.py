"""What transactions and the durable store add to a run with the real embedded model."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise

import engine
from engine.config import EngineConfig
from engine.errors import EngineError
from engine.graph.spec import EdgeSpec, GraphSpec, ModelConfig, NodeSpec
from engine.run.engine import Engine
from engine.run.plan import Plan, make_plan
from tests.benchmarks.measure import Figure, alternate_async, spread

BUDGET = 0.03
"""More wall time, as a share of that without transactions."""
QUESTION = "Tell me a very long story about a river."
TOKENS = 48
"""Of each answer."""
WHAT = "transactions and durable store, on a run with the embedded model"


def run(short: bool) -> list[Figure]:
    return asyncio.run(_figures(1 if short else 7, 8 if short else TOKENS))


def answering_plan(tokens: int) -> Plan:
    """entry -> a model -> another one -> exit; both see the question alone, so that requests are always the same."""
    names = ["first", "second"]
    nodes = [
        NodeSpec(id="start", type="entry"),
        *(
            NodeSpec(
                id=name,
                type="model",
                config=ModelConfig(system_prompt=f"You are the {name} teller.", seed=1, max_tokens=tokens, input=[]),
            )
            for name in names
        ),
        NodeSpec(id="end", type="exit"),
    ]
    path = ["start", *names, "end"]
    return make_plan(
        GraphSpec(
            id="graph.answering",
            nodes=nodes,
            edges=[EdgeSpec(from_node=a, to_node=b) for a, b in pairwise(path)],
        )
    )


@asynccontextmanager
async def pair() -> AsyncIterator[tuple[Engine, Engine]]:
    """(an engine with a durable store, one without any) that ask the same child process."""
    config = EngineConfig(backend="embedded")
    with tempfile.TemporaryDirectory() as folder:
        async with engine.open(folder, config=config) as on, engine.open(config=config) as off:
            own, off._connection = off._connection, on._connection
            try:
                yield on, off
            finally:
                off._connection = own  # each closes its own


async def _figures(rounds: int, tokens: int) -> list[Figure]:
    plan = answering_plan(tokens)
    async with pair() as (on, off):
        try:
            await on.prepare(plan.graph)
        except EngineError as error:
            return [Figure(WHAT, "%", None, f"{error.message} {error.remedy}")]

        spent: dict[Engine, list[float]] = {on: [], off: []}

        async def take(eng: Engine) -> float:
            before = time.process_time()
            seconds = await _seconds_of_answers(eng, plan, tokens)
            spent[eng].append(time.process_time() - before)
            return seconds

        await take(off)  # what the child does once only is on nobody's account
        with_store, without = await alternate_async(rounds, lambda: take(on), lambda: take(off))
    how = (
        f"two answers of {tokens} tokens each to the same two requests, temperature 0; one child process serves both "
        "engines, which answer in turns"
    )
    added = spread([a / b - 1 for a, b in zip(with_store, without, strict=True)])
    own = [(a - b) / seconds for a, b, seconds in zip(*_latest(spent.values(), without), without, strict=True)]
    return [
        Figure(f"{WHAT}: added wall time", "%", added, f"median of the ratios of pairs, less 1; {how}", BUDGET),
        Figure(
            f"{WHAT}: added CPU time of the engine's process",
            "%", spread(own), f"share of the wall time without; what the model's process does is not in it; {how}",
        ),
        Figure(
            f"{WHAT}: the run",
            "s", spread(with_store), f"wall time from `start` to the result; {how}",
            None, spread(without), "the same engine without a data folder: nothing is durable",
        ),
    ]  # fmt: skip


def _latest(spent: Iterable[list[float]], taken: Sequence[float]) -> list[list[float]]:
    """Without those of the warm-up."""
    return [each[-len(taken) :] for each in spent]


async def _seconds_of_answers(eng: Engine, plan: Plan, tokens: int) -> float:
    """Wall seconds of one run; both its answers are as long as they may be, so that all runs generate as much."""
    start = time.perf_counter()
    result = await eng.start(plan.graph, QUESTION).result()
    seconds = time.perf_counter() - start
    assert result.status == "committed", result
    assert result.usage.completion_tokens == 2 * tokens, result.usage
    return seconds
