"""Four questions at once against one: what the embedded model's slots bring, and what the engine leaves of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import engine
from engine.config import EmbeddedConfig, EngineConfig
from engine.errors import EngineError
from tests.benchmarks.bare_child import Answered, bare_child
from tests.benchmarks.embedded_model import ask
from tests.benchmarks.measure import Figure, alternate_async, spread
from tests.benchmarks.model_graphs import asking

SLOTS = 4
TOKENS = 32
"""Of each answer."""
QUESTIONS = tuple(f"Tell me a very long story about a {thing}." for thing in ("river", "mountain", "ship", "forest"))
"""Different ones: the engine answers equal questions once."""
WHAT = f"embedded model, {SLOTS} questions at once against 1"

Ask = Callable[[str], Awaitable[Answered]]


def run(short: bool) -> list[Figure]:
    return asyncio.run(_figures(1 if short else 5, 2 if short else TOKENS))


async def _figures(rounds: int, tokens: int) -> list[Figure]:
    config = EngineConfig(backend="embedded", embedded=EmbeddedConfig(slots=SLOTS, window=1024))
    async with engine.open(config=config) as eng:
        try:
            await eng.prepare(asking(tokens))
        except EngineError as error:
            return [Figure(WHAT, "x", None, f"{error.message} {error.remedy}")]
        async with bare_child(eng) as child:

            def by_engine(question: str) -> Awaitable[Answered]:
                return ask(eng, tokens, question)

            def by_httpx(question: str) -> Awaitable[Answered]:
                return child.ask(tokens, question)

            takes = [_rate(each, count) for each in (by_engine, by_httpx) for count in (1, SLOTS)]
            one, four, bare_one, bare_four = await alternate_async(rounds, *takes)
    how = f"{tokens} tokens an answer, {SLOTS} slots, temperature 0; tokens of all answers per second of wall time"
    against = "the same child, asked by plain httpx"
    return [
        Figure(
            f"{WHAT}: tokens per second of all, ratio", "x", spread([b / a for a, b in zip(one, four, strict=True)]),
            f"through the engine; {how}",
            None, spread([b / a for a, b in zip(bare_one, bare_four, strict=True)]), against,
        ),
        Figure(
            f"embedded model, {SLOTS} questions at once: tokens per second of all", "tok/s", spread(four), how,
            None, spread(bare_four), against,
        ),
    ]  # fmt: skip


def _rate(ask_one: Ask, count: int) -> Callable[[], Awaitable[float]]:
    async def tokens_per_second() -> float:
        start = time.perf_counter()
        answers = await asyncio.gather(*map(ask_one, QUESTIONS[:count]))
        return sum(answered.tokens for answered in answers) / (time.perf_counter() - start)

    return tokens_per_second
