"""Crowds of 1,000 callers before a half-open circuit breaker: who is let through, and how many at once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from engine.config import BreakerConfig, RetryConfig
from engine.errors import BreakerOpen, EngineError, ErrorClass
from engine.events import Body, BreakerChanged
from engine.health.breaker import CircuitBreaker
from engine.health.registry import BreakerRegistry
from engine.models.caller import CallOptions, CallSite, ModelCaller
from engine.models.pool import Endpoint, Pool
from engine.models.protocol import ChatMessage, ChatRequest, Chunk
from tests.faults.breakers_reference import COOLDOWN_S, PROBES, THRESHOLD
from tests.scripted_backend import ScriptedBackend, fault
from tests.unit.health.clock import Clock

CALLERS = 1000
ROUNDS = 5
"""How often a crowd comes: while the breaker is not closed, a minute passes before each time."""


@dataclass
class Crowd:
    """What came of one crowd, and what is seen of its probes while they are under way."""

    rng: random.Random
    clock: Clock = field(default_factory=Clock)
    calls: int = 0
    refused: int = 0
    half_open: int = 0
    most_probes: int = 0
    too_many: int = 0
    stuck: int = 0
    epoch: int = 0
    """Changes of state so far."""
    state: str = "closed"
    probes: dict[int, tuple[int, float]] = field(default_factory=dict)
    """Call that began in half-open -> (epoch, when)."""
    sick: float = 0.3
    """Share of the calls that fail."""
    free: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when what hangs goes on."""

    def heard(self, body: Body) -> None:
        """Follow the breaker by its events."""
        if isinstance(body, BreakerChanged) and body.breaker.state != body.previous:
            self.epoch += 1
            self.state = body.breaker.state
            self.half_open += self.state == "half_open"

    async def attempt(self) -> bool:
        """What a call that was let through does; whether it worked. It may fail, or hang until the crowd has gone."""
        self.calls += 1
        call, now = self.calls, self.clock.now()
        if self.state == "half_open":
            self.probes[call] = (self.epoch, now)
            live = [1 for epoch, began in self.probes.values() if epoch == self.epoch and now - began < COOLDOWN_S]
            self.most_probes = max(self.most_probes, len(live))
            self.too_many += len(live) > PROBES
        try:
            if self.rng.random() < 0.1:
                await self.free.wait()
            for _ in range(self.rng.randrange(6)):
                await asyncio.sleep(0)
            return self.rng.random() >= self.sick
        finally:
            self.probes.pop(call, None)

    async def come(self, caller: Callable[[], Awaitable[None]]) -> None:
        """Let the crowd come again and again; in the end all hung calls go on, and the breaker must close."""
        for number in range(ROUNDS):
            self.free.clear()
            tasks = [asyncio.create_task(self._patient(caller)) for _ in range(CALLERS)]
            for _ in range(20):
                await asyncio.sleep(0)
                if self.rng.random() < 0.5:
                    self.rng.choice(tasks).cancel()
                if self.rng.random() < 0.1:
                    self.clock.advance(COOLDOWN_S)  # leases of hung probes end while the crowd stands there
            if number % 3:  # else they hang on, and report in a later state
                self.free.set()
            await asyncio.wait(tasks, timeout=0)
            late = [task for task in tasks if not task.done()]
            self.clock.advance(COOLDOWN_S)
            await self._let_some_in(caller)
            self.free.set()
            await asyncio.gather(*late, return_exceptions=True)
            self.clock.advance(COOLDOWN_S)
        self.sick = 0.0
        for _ in range(20):
            self.free.set()
            await self._let_some_in(caller)
            self.clock.advance(COOLDOWN_S)
        self.stuck += self.state != "closed"

    async def _let_some_in(self, caller: Callable[[], Awaitable[None]]) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(5):
                group.create_task(self._patient(caller))
            await asyncio.sleep(0)
            self.free.set()

    async def _patient(self, caller: Callable[[], Awaitable[None]]) -> None:
        """Who is refused tries again a few times."""
        for _ in range(3):
            try:
                return await caller()
            except BreakerOpen:
                self.refused += 1
                await asyncio.sleep(0)
        return None


async def before_a_breaker(rng: random.Random) -> Crowd:
    """A crowd before a breaker alone."""
    crowd = Crowd(rng)
    clock = crowd.clock
    breaker = CircuitBreaker("k", "endpoint", BreakerConfig(), now=clock.now, wall_ms=clock.wall_ms, emit=crowd.heard)
    for _ in range(THRESHOLD):
        breaker.acquire().failure("x")
    clock.advance(COOLDOWN_S)

    async def caller() -> None:
        permit = breaker.acquire()
        try:
            worked = await crowd.attempt()
        except asyncio.CancelledError:
            permit.cancelled()
            raise
        permit.success() if worked else permit.failure("x")

    await crowd.come(caller)
    return crowd


class Backend(ScriptedBackend):
    """Does what the crowd's dice say."""

    def __init__(self, crowd: Crowd) -> None:
        super().__init__()
        self._crowd = crowd

    async def chat(self, request: ChatRequest) -> AsyncIterator[Chunk]:
        if not await self._crowd.attempt():
            raise fault(ErrorClass.SERVER)
        async for chunk in super().chat(request):
            yield chunk

    async def delete(self, model: str) -> None:
        raise fault(ErrorClass.NOT_FOUND)


async def before_the_pool(rng: random.Random) -> Crowd:
    """A crowd before the real caller, its queue and its breakers."""
    crowd = Crowd(rng)
    clock = crowd.clock
    breakers = BreakerRegistry(BreakerConfig(), now=clock.now, wall_ms=clock.wall_ms, emit=crowd.heard)
    slots = rng.choice([1, 8, CALLERS])
    pool = Pool([Endpoint(Backend(crowd), concurrency=slots)], breakers, emit=crowd.heard, now=clock.now)
    model = ModelCaller(pool, RetryConfig(attempts=1), now=clock.now, rng=rng)
    for _ in range(THRESHOLD):
        pool.breaker("scripted", "small").acquire().failure("x")
    clock.advance(COOLDOWN_S)

    async def caller() -> None:
        request = ChatRequest("small", (ChatMessage("user", "?"),), max_tokens=8, window=4096)
        try:
            await model.call(request, site=CallSite("n", 1, 1), emit=lambda _: None, options=CallOptions())
        except EngineError as error:
            if error.error_class is not ErrorClass.SERVER:
                raise

    await crowd.come(caller)
    return crowd
