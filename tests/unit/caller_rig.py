"""What the tests of the model caller share: a scripted backend and clocks that only tests move.

`ScriptedBackend` stands for a model server that fails in every way on demand; the wire protocols of real ones have
their own tests in `tests/unit/models`.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TypeVar

from engine.config import BreakerConfig, RetryConfig
from engine.errors import EngineError, ErrorClass
from engine.events import (
    AttemptFailed,
    Body,
    FinishReason,
    ModelDelta,
    ModelFinished,
    ModelStarted,
)
from engine.health.registry import BreakerRegistry
from engine.models.caller import CallOptions, CallSite, ModelCaller, ModelRound
from engine.models.pool import Endpoint, Pool
from engine.models.protocol import ChatMessage, ChatRequest, Chunk, Done, Health, ModelInfo, PullProgress
from tests.unit.health.clock import Clock

T = TypeVar("T", bound=Body)

SITE = CallSite("solve", 2, 3)

Step = Chunk | BaseException | float | asyncio.Event | Callable[[], object]
"""A chunk, an error to raise, seconds that pass, an event to wait for, or something to do."""


def failure(error_class: ErrorClass = ErrorClass.CONNECTION, **fields: float) -> EngineError:
    return EngineError(error_class, "scripted", f"The server said {error_class}.", **fields)  # type: ignore[arg-type]


def says(*texts: str, finish: FinishReason = "stop", prompt: int | None = 7, completion: int | None = 5) -> list[Step]:
    """A complete answer in pieces."""
    done = Done(finish, prompt_tokens=prompt, completion_tokens=completion)
    return [*(Chunk(text=text) for text in texts), Chunk(done=done)]


class ScriptedBackend:
    """Plays one script per request, in order; per model where the scripts are given so."""

    kind = "openai"
    endpoint = "http://scripted"

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.scripts: dict[str, list[Sequence[Step]]] = defaultdict(list)
        self.requests: list[ChatRequest] = []
        self.open = 0
        self.most_open = 0
        self.closed = 0

    async def chat(self, request: ChatRequest) -> AsyncIterator[Chunk]:
        self.requests.append(request)
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            for step in self.scripts[request.model].pop(0):
                if isinstance(step, Chunk):
                    yield step
                elif isinstance(step, BaseException):
                    raise step
                elif isinstance(step, float | int):
                    self._clock.advance(step)
                elif isinstance(step, asyncio.Event):
                    await step.wait()
                else:
                    step()
        finally:
            self.open -= 1
            self.closed += 1

    async def embed(self, model: str, texts: Sequence[str]) -> list[list[float]]:
        raise NotImplementedError

    async def models(self) -> list[ModelInfo]:
        raise NotImplementedError

    async def show(self, model: str) -> ModelInfo:
        raise NotImplementedError

    def pull(self, model: str) -> AsyncIterator[PullProgress]:
        raise NotImplementedError

    async def health(self) -> Health:
        raise NotImplementedError

    async def aclose(self) -> None:
        raise NotImplementedError


class Highest(random.Random):
    """Jitter that always draws the upper bound."""

    def uniform(self, a: float, b: float) -> float:
        return b


class Rig:
    """A caller over a scripted backend, and everything that it emitted, slept and asked for."""

    def __init__(self, *, attempts: int = 3, concurrency: int = 1) -> None:
        self.clock = Clock()
        self.backend = ScriptedBackend(self.clock)
        self.engine_events: list[Body] = []
        self.breakers = BreakerRegistry(
            BreakerConfig(), now=self.clock.now, wall_ms=self.clock.wall_ms, emit=self.engine_events.append
        )
        self.slept: list[float] = []
        self.pool = Pool(
            [Endpoint(self.backend, concurrency)], self.breakers, emit=self.engine_events.append, now=self.clock.now
        )
        self.caller = ModelCaller(
            self.pool, RetryConfig(attempts=attempts), now=self.clock.now, sleep=self.sleep, rng=Highest()
        )
        self.events: list[Body] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock.advance(seconds)
        await asyncio.sleep(0)

    def script(self, *scripts: Sequence[Step], model: str = "tiny") -> None:
        self.backend.scripts[model].extend(scripts)

    async def call(self, request: ChatRequest | None = None, **options: object) -> ModelRound:
        how = CallOptions(**options)  # type: ignore[arg-type]
        return await self.caller.call(request or REQUEST, site=SITE, emit=self.events.append, options=how)

    def of(self, kind: type[T]) -> list[T]:
        return [event for event in self.events if isinstance(event, kind)]

    def kinds(self) -> list[str]:
        """The events in short: S started, D delta, F finished, X failed."""
        letters = {ModelStarted: "S", ModelDelta: "D", ModelFinished: "F", AttemptFailed: "X"}
        return [letters[type(event)] for event in self.events]

    def breaker(self, model: str = "tiny") -> tuple[str, int]:
        shot = self.breakers.get(f"http://scripted {model}", "endpoint").snapshot()
        return shot.state, shot.failures


REQUEST = ChatRequest(
    model="tiny",
    messages=(ChatMessage("system", "Be short."), ChatMessage("user", "What is 2 + 2?")),
    max_tokens=64,
    window=512,
    temperature=0.3,
)
