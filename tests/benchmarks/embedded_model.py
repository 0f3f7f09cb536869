"""The embedded model through the whole stack, against its bare server: tokens per second, time to the first token."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable

import engine
from engine import events as ev
from engine.config import EmbeddedConfig, EngineConfig
from engine.errors import EngineError
from engine.run.engine import Engine
from tests.benchmarks.bare_child import Answered, bare_child
from tests.benchmarks.measure import Figure, alternate_async, spread
from tests.benchmarks.model_graphs import QUESTION, asking

SLOWER, LATER_S = 0.03, 15e-3
"""Goals: tokens per second less, as a share of the bare server's; seconds more to the first token."""
TOKENS = 64
WHAT = "embedded model through the whole stack"


def run(short: bool) -> list[Figure]:
    return asyncio.run(_figures(1 if short else 9, 8 if short else TOKENS))


async def _figures(rounds: int, tokens: int) -> list[Figure]:
    # one slot, so that all requests find the same prompt in the same place
    config = EngineConfig(backend="embedded", embedded=EmbeddedConfig(slots=1))
    whole: list[Answered] = []
    bare: list[Answered] = []
    with tempfile.TemporaryDirectory() as folder:
        async with engine.open(folder, config=config) as eng:
            try:
                await eng.prepare(asking(tokens))
            except EngineError as error:
                return [Figure(WHAT, "%", None, f"{error.message} {error.remedy}")]
            await ask(eng, tokens)  # what the child does once only is on nobody's account
            async with bare_child(eng) as child:
                takes = (_kept(lambda: ask(eng, tokens), whole), _kept(lambda: child.ask(tokens), bare))
                await alternate_async(rounds, *takes)
    whole, bare = whole[-rounds:], bare[-rounds:]
    assert {answered.tokens for answered in whole + bare} == {tokens}, (whole, bare)
    return _told(whole, bare, tokens)


def _told(whole: list[Answered], bare: list[Answered], tokens: int) -> list[Figure]:
    how = (
        f"{tokens} tokens, temperature 0, the same request to the same child in turns, its prompt cached; from "
        "`engine.start` to the result, with the durable store"
    )
    against = "the same child, asked by plain httpx"
    pairs = list(zip(whole, bare, strict=True))
    return [
        Figure(
            f"{WHAT}: tokens per second less", "%", spread([1 - a.per_second / b.per_second for a, b in pairs]),
            f"median of 1 - the ratios of pairs; {how}", SLOWER,
        ),
        Figure(
            f"{WHAT}: more time to the first token", "ms", spread([a.first_s - b.first_s for a, b in pairs]),
            f"median of the differences of pairs; until a subscriber has the first text; {how}", LATER_S,
        ),
        Figure(
            f"{WHAT}: tokens per second", "tok/s", spread([a.per_second for a in whole]), how,
            None, spread([b.per_second for b in bare]), against,
        ),
        Figure(
            f"{WHAT}: time to the first token", "ms", spread([a.first_s for a in whole]), how,
            None, spread([b.first_s for b in bare]), against,
        ),
    ]  # fmt: skip


def _kept(take: Callable[[], Awaitable[Answered]], into: list[Answered]) -> Callable[[], Awaitable[float]]:
    async def seconds() -> float:
        into.append(await take())
        return into[-1].seconds

    return seconds


async def ask(eng: Engine, tokens: int, question: str = QUESTION) -> Answered:
    """One run, whose events are read as they come."""
    start = time.perf_counter()
    first = 0.0
    run = eng.start(asking(tokens), question)
    async for event in run.events():
        if isinstance(event.body, ev.ModelDelta) and not first:
            first = time.perf_counter()
    result = await run.result()
    seconds = time.perf_counter() - start
    assert result.status == "committed", result
    return Answered(seconds, first - start, result.usage.completion_tokens)
