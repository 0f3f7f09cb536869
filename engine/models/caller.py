"""ModelCaller: asks models, each call with all its rules (admission, retry, circuit breakers, fallbacks, events)."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from engine.config import FallbackStrategy, Priority, RetryConfig
from engine.events import Body
from engine.health.retry import RetryPolicy
from engine.models.answer_cache import AnswerCache, cache_key, deterministic
from engine.models.answered import CallSite, ModelRound
from engine.models.call import Call, Clock
from engine.models.call_events import CallEvents
from engine.models.call_record import request_hash
from engine.models.coalescing import Coalescing, Member
from engine.models.native_schema import RefusedSchemas
from engine.models.pool import Pool
from engine.models.protocol import ChatRequest
from engine.models.tokens import prompt_tokens

__all__ = ["CallOptions", "CallSite", "ModelCaller", "ModelRound"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions:
    """How one call is made."""

    fallbacks: Sequence[str] = ()
    """Models to try; those whose window the request does not fit are left out."""
    strategy: FallbackStrategy = "sequential"
    """In which order the model and its fallbacks are asked."""
    higher: Sequence[str] = ()
    """Better models, to which the role is raised where all of those fail."""
    stream: bool = True
    """False where the text is to be shown only when it is whole; the events say so, and are the same."""
    retry: RetryConfig | None = None
    """Instead of the caller's own."""
    priority: Priority = "graph"
    """The class in which it queues."""
    deadline: float | None = None
    """Moment on the caller's clock after which nothing is tried or awaited any more."""
    window_of: Callable[[str], int] | None = None
    """Window in tokens of a fallback; default: that of the request."""
    cache: bool = False
    """Whether the same request may have the answer that it had before, where it is deterministic."""
    run: str = ""
    """The run that calls: deterministic requests of several runs at the same time share one generation. Empty: it
    shares with nobody."""


class ModelCaller:
    """Calls the models of a pool.

    Args:
        pool: who can be asked.
        retry: how failed attempts are repeated, unless a call says otherwise.
        now: monotonic seconds.
        sleep: waits for a number of seconds.
        rng: source of the back-off's jitter.
        cache: answers that are kept for calls which allow it.
    """

    def __init__(
        self,
        pool: Pool,
        retry: RetryConfig,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        rng: random.Random | None = None,
        cache: AnswerCache | None = None,
    ) -> None:
        self.pool = pool
        self.retry = retry
        self.now = now
        self.sleep = sleep
        self.cache = cache
        self._coalescing = Coalescing(now)
        self._refused = RefusedSchemas()
        self.rng = rng or random.Random()  # noqa: S311  (jitter is no secret)

    async def call(
        self, request: ChatRequest, *, site: CallSite, emit: Callable[[Body], None], options: CallOptions
    ) -> ModelRound:
        """Ask a model, and where it fails the next one; every attempt is an event.

        An attempt that failed in a retryable way is repeated after a back-off, or at once at another endpoint that has
        the model; the breaker of a model at an endpoint counts one failure for the whole call. An empty answer is not
        repeated: the same request would give the same answer.

        Args:
            request: what to ask; its model is the first to be tried.
            site: where the call stands in the run, for its events.
            emit: takes the events.
            options: how.

        Raises:
            EngineError: the call failed for good; BreakerOpen where nothing but breakers stood in its way.
        """
        events = CallEvents(site, emit, options.stream)
        if self.cache is None or not options.cache or not deterministic(request):
            return await self._share(request, events, options)
        key = cache_key(request, self.pool.digest(request.model))
        kept = self.cache.get(key)
        if kept is not None:
            return events.cached(request, kept)
        answer = await self._share(request, events, options)
        if answer.model == request.model:
            self.cache.put(key, answer)
        return answer

    async def _share(self, request: ChatRequest, events: CallEvents, options: CallOptions) -> ModelRound:
        """Join a generation of the same, or begin one."""
        plan, retry = self._plan(request, options), options.retry or self.retry

        def generate(events: CallEvents) -> Awaitable[ModelRound]:
            clock = Clock(self.now, self.sleep, self.rng)
            call = Call(
                self.pool,
                clock,
                events,
                _policy(retry),
                priority=options.priority,
                deadline=options.deadline,
                higher=options.higher,
                refused=self._refused,
            )
            return call.run(plan)

        if not options.run or not deterministic(request):
            return await generate(events)
        key = (request_hash(request), tuple(each.model for each in plan), retry)
        member = Member(options.run, options.priority, events)
        return await self._coalescing.share(key, member, generate, options.deadline)

    def _plan(self, request: ChatRequest, options: CallOptions) -> list[ChatRequest]:
        """The request for each model that may be asked, in order."""
        window = options.window_of or (lambda _: request.window)

        def asked(models: Sequence[str], already: Sequence[ChatRequest]) -> list[ChatRequest]:
            fresh = dict.fromkeys(model for model in models if all(model != each.model for each in already))
            return list(filter(_fits, (replace(request, model=model, window=window(model)) for model in fresh)))

        plan = [request, *asked(options.fallbacks, [request])]
        match options.strategy:
            case "fastest":
                plan.sort(key=lambda each: self.pool.median_ms(each.model, unknown=-1.0))
            case "load_balanced":
                plan.sort(key=lambda each: self.pool.admission(each.model).load)
        return [*plan, *asked(options.higher, plan)]


def _policy(config: RetryConfig) -> RetryPolicy:
    return RetryPolicy(config.attempts, config.base_s, config.cap_s)


def _fits(request: ChatRequest) -> bool:
    return prompt_tokens(request) + request.max_tokens <= request.window
