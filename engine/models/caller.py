"""ModelCaller: one model call with all its rules (admission, retry, circuit breaker, fallbacks, events)."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from engine.config import RetryConfig
from engine.events import Body, FinishReason
from engine.health.registry import BreakerRegistry
from engine.models.protocol import ChatRequest, ModelBackend, ToolCall


@dataclass(frozen=True, slots=True)
class CallSite:
    """Where in a run a model is called."""

    path: str
    visit: int
    step: int
    """Ordinal of the operation in the visit, from 1."""


@dataclass(frozen=True, slots=True)
class ModelRound:
    """A complete answer of a model."""

    text: str
    thinking: str
    tool_calls: tuple[ToolCall, ...]
    finish: FinishReason
    prompt_tokens: int
    completion_tokens: int
    exact: bool
    """Whether both counts are the backend's own."""
    model: str
    """The model that answered: the one asked, or a fallback."""
    endpoint: str
    duration_ms: int
    """Of the attempt that answered."""
    attempts: int
    """Ordinal of the attempt that answered, refusals by a breaker included."""


class ModelCaller:
    """Calls the models of one backend.

    Args:
        backend: answers the requests.
        breakers: a breaker for each `endpoint model`.
        retry: how failed attempts are repeated, unless a call says otherwise.
        concurrency: calls at the same time per endpoint and model; others wait, first come first served.
        now: monotonic seconds.
        sleep: waits for a number of seconds.
        rng: source of the back-off's jitter.
    """

    def __init__(
        self,
        backend: ModelBackend,
        breakers: BreakerRegistry,
        retry: RetryConfig,
        *,
        concurrency: int = 1,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        rng: random.Random | None = None,
    ) -> None:
        self.backend = backend

    async def call(
        self,
        request: ChatRequest,
        *,
        site: CallSite,
        emit: Callable[[Body], None],
        fallbacks: Sequence[str] = (),
        stream: bool = True,
        retry: RetryConfig | None = None,
        deadline: float | None = None,
        window_of: Callable[[str], int] | None = None,
    ) -> ModelRound:
        """Ask a model. `deadline` is on the clock `now`.

        Raises:
            EngineError: the call failed for good.
        """
        raise NotImplementedError
