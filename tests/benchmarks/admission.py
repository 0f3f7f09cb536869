"""What every model call pays before it is sent: its turn, the choice of an endpoint, and a look into the cache."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

from engine.config import BreakerConfig
from engine.health.registry import BreakerRegistry
from engine.models.admission import Admission, Place
from engine.models.answer_cache import AnswerCache, cache_key, deterministic
from engine.models.answered import ModelRound
from engine.models.protocol import ChatMessage, ChatRequest
from tests.benchmarks.measure import Figure, alternate, alternate_async, cpu_of, spread

CALLS = 2000
ENDPOINTS = 3
KEPT = 1000
"""Answers in the cache."""
REQUEST = ChatRequest(
    "qwen2.5:3b",
    (ChatMessage("system", "Answer briefly. " * 16), ChatMessage("user", "Why is the sky blue? " * 36)),
    max_tokens=256,
    window=8192,
)
"""About 1,000 characters."""


def run(short: bool) -> list[Figure]:
    rounds = 2 if short else 31
    return [*asyncio.run(_admissions(rounds)), *_cache(rounds)]


async def _admissions(rounds: int) -> list[Figure]:
    breakers = BreakerRegistry(BreakerConfig(), emit=lambda _body: None)
    keys = [f"http://127.0.0.1:{port}" for port in range(1, 1 + ENDPOINTS)]
    one, several = (
        Admission([Place(key, 4, breakers.get(f"{key} m", "endpoint").available) for key in some])
        for some in (keys[:1], keys)
    )
    bare = asyncio.Semaphore(4)

    async def admitted(admission: Admission) -> None:
        (await admission.acquire()).release()

    async def semaphore() -> None:
        await bare.acquire()
        bare.release()

    takes = (lambda: admitted(one), lambda: admitted(several), semaphore)
    first, chosen, baseline = await alternate_async(rounds, *(_timed(each) for each in takes))
    how = f"CPU time of `acquire` and `release` with slots free, {CALLS:,} in a row"
    against = "acquire and release of an `asyncio.Semaphore`"
    return [
        Figure("model call, admission at one endpoint", "us", spread(first), how, None, spread(baseline), against),
        Figure(
            f"model call, admission and choice of one endpoint of {ENDPOINTS}", "us", spread(chosen),
            f"{how}; each endpoint's breaker is asked", None, spread(baseline), against,
        ),
    ]  # fmt: skip


def _timed(call: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[float]]:
    async def seconds() -> float:
        start = time.process_time()
        for _ in range(CALLS):
            await call()
        return (time.process_time() - start) / CALLS

    return seconds


def _cache(rounds: int) -> list[Figure]:
    cache = AnswerCache(ttl_s=3600.0, max_bytes=32_000_000)
    for seed in range(KEPT):
        cache.put(cache_key(replace(REQUEST, seed=seed), "digest"), ANSWER)
    known = replace(REQUEST, seed=KEPT // 2)

    def look_up() -> None:
        assert deterministic(known)
        assert cache.get(cache_key(known, "digest")) is ANSWER

    def bare() -> None:
        messages = [(message.role, message.content) for message in known.messages]
        hash(json.dumps([known.model, known.seed, messages]))

    found, baseline = alternate(rounds, lambda: cpu_of(look_up, 200), lambda: cpu_of(bare, 200))
    size = sum(len(message.content) for message in known.messages)
    return [
        Figure(
            "model call, a hit in the cache", "us", spread(found),
            f"CPU time of the key (a digest of the whole request of {size:,} characters) and the look-up among "
            f"{KEPT:,} answers; only for nodes with `cache`",
            None, spread(baseline), "the request's texts as JSON, hashed once",
        )
    ]  # fmt: skip


ANSWER = ModelRound("Because it is. " * 20, "", (), "stop", 20, 40, True, "qwen2.5:3b", "http://127.0.0.1:1", 900, 1)
