"""Call: one logical model call on its way: its attempts, one after another, each admitted and under a breaker."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import zip_longest

from engine.config import Priority
from engine.errors import RETRYABLE, BreakerOpen, EngineError, ErrorClass, classify
from engine.health.breaker import Permit
from engine.health.retry import RetryPolicy
from engine.models.admission import Lease
from engine.models.answer import StreamedAnswer
from engine.models.answered import ModelRound
from engine.models.call_events import CallEvents
from engine.models.native_schema import RefusedSchemas, SchemaTrial
from engine.models.pool import Pool
from engine.models.protocol import ChatRequest

_FALLBACK = RETRYABLE | {ErrorClass.BREAKER_OPEN, ErrorClass.NOT_FOUND, ErrorClass.RESOURCE}
"""Classes of failure that another model may not have."""
_ELSEWHERE = RETRYABLE | {ErrorClass.NOT_FOUND, ErrorClass.AUTH, ErrorClass.CONFIGURATION}
"""Classes of failure that the same model at another endpoint may not have."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Time and chance, as a test may give them."""

    now: Callable[[], float]
    """Monotonic seconds."""
    sleep: Callable[[float], Awaitable[object]]
    rng: random.Random
    """Source of the back-off's jitter."""


@dataclass(slots=True)
class _Asking:
    """One model being asked, at one endpoint after another."""

    request: ChatRequest
    fallback: str
    """The model that comes next."""
    schema: SchemaTrial
    """Whether the request's schema is sent along."""
    plain: bool = False
    """Whether the attempt that just failed is repeated at once, without the schema."""
    permits: dict[str, Permit] = field(default_factory=dict)
    """Endpoint -> leave of its breaker, taken once for all attempts there."""
    failures: dict[str, EngineError] = field(default_factory=dict)
    """Endpoint -> how the last attempt there failed."""
    tries: int = 0
    arrived: float = 0.0
    """When the attempt that is under way first wanted a slot."""


class _GaveWay(EngineError):
    """The attempt made room for a call that a person waits for."""

    def __init__(self) -> None:
        super().__init__(ErrorClass.CANCELLED, "gave_way", "It made room for a question that a person waits for.")


class Call:
    """One logical call: what its attempts share.

    Args:
        pool: who can be asked.
        clock: time and chance.
        events: says what happens.
        policy: how failed attempts are repeated.
        priority: the class in which it queues.
        deadline: moment on the clock after which nothing is tried or awaited any more.
        higher: those models that are asked because a role is raised to them.
        refused: schemas that endpoints are known not to enforce.
    """

    def __init__(
        self,
        pool: Pool,
        clock: Clock,
        events: CallEvents,
        policy: RetryPolicy,
        *,
        priority: Priority = "graph",
        deadline: float | None = None,
        higher: Collection[str] = (),
        refused: RefusedSchemas | None = None,
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._events = events
        self._policy = policy
        self._priority: Priority = priority
        self._deadline = math.inf if deadline is None else deadline
        self._higher = frozenset(higher)
        self._refused = RefusedSchemas() if refused is None else refused
        self._answer: StreamedAnswer | None = None
        self._goes_on = False
        """Whether another model may be asked."""

    async def run(self, plan: Sequence[ChatRequest]) -> ModelRound:
        """Ask the models in order until one answers.

        Raises:
            EngineError: none did.
        """
        failure: EngineError | None = None
        for request, following in zip_longest(plan, plan[1:]):
            try:
                schema = SchemaTrial(request, self._refused)
                return await self._ask(_Asking(request, following.model if following else "", schema))
            except EngineError as error:
                # a refusal says less than what really went wrong before it
                if failure is None or error.error_class is not ErrorClass.BREAKER_OPEN:
                    failure = error
                if not self._goes_on:
                    break
        if failure is None:
            raise ValueError("a plan holds at least one request")
        raise failure

    async def _ask(self, asking: _Asking) -> ModelRound:
        """Ask one model, with its retries under its breakers.

        Raises:
            EngineError: this model failed for good.
        """
        for endpoint in self._pool.having(asking.request.model):
            endpoint.budget.called()
        try:
            while True:
                asking.tries += 0 if asking.plain else 1
                asking.plain = False
                asking.arrived = self._clock.now()
                try:
                    answer = await self._attempt(asking)
                except EngineError as error:
                    wait = self._wait(error, asking)
                    self._failed(asking, error, wait)
                    if wait is None:
                        _report(asking)
                        raise
                    await self._clock.sleep(wait)
                else:
                    _report(asking)
                    return answer
        finally:
            for permit in asking.permits.values():
                permit.cancelled()  # does nothing after a report; without one the call was cancelled

    async def _attempt(self, asking: _Asking) -> ModelRound:
        """One attempt, begun anew where it has to make room.

        Raises:
            EngineError: it failed.
        """
        self._events.attempt += 1
        self._answer = None
        while True:
            async with self._admitted(asking) as lease:
                if not self._permitted(asking, lease.endpoint):
                    continue
                try:
                    answer = await self._try(asking, lease)
                except _GaveWay as gave_way:
                    if lease.endpoint not in asking.failures:
                        asking.permits.pop(lease.endpoint).cancelled()  # no probe's lease runs in a queue
                    self._failed(asking, gave_way, 0.0)
                    self._events.attempt += 1
                    self._answer = None
                    continue
                except EngineError as error:
                    endpoint = self._pool.endpoint(lease.endpoint)
                    asking.plain = asking.schema.failed(endpoint, error, begun=self._begun())
                    if not asking.plain:
                        asking.failures[lease.endpoint] = error
                    raise
                asking.failures.pop(lease.endpoint, None)
                asking.schema.answered(self._pool.endpoint(lease.endpoint))
                self._pool.took(asking.request.model, answer.duration_ms)
                asking.permits[lease.endpoint].success()
                return answer

    @asynccontextmanager
    async def _admitted(self, asking: _Asking) -> AsyncIterator[Lease]:
        """Hold a slot for the model, at an endpoint that has not failed yet where one is free."""
        left = self._left()
        if left is not None and left <= 0:
            raise self._too_late("the model had yet to be asked")
        admission = self._pool.admission(asking.request.model)
        try:
            async with asyncio.timeout(left):
                lease = await admission.acquire(self._priority, since=asking.arrived, avoid=frozenset(asking.failures))
        except TimeoutError:
            raise self._too_late("the model was still busy with other calls") from None
        try:
            yield lease
        finally:
            lease.release()

    def _permitted(self, asking: _Asking, endpoint: str) -> bool:
        """Take the leave of the endpoint's breaker; False where another endpoint may give one.

        It is asked after the wait: who queued while the breaker opened is refused, and no probe's lease runs in a
        queue.

        Raises:
            BreakerOpen: no endpoint may be asked.
        """
        if endpoint in asking.permits:
            return True
        model = asking.request.model
        try:
            asking.permits[endpoint] = self._pool.breaker(endpoint, model).acquire()
        except BreakerOpen:
            others = (each.name for each in self._pool.having(model) if each.name != endpoint)
            if any(self._pool.breaker(name, model).available() for name in others):
                return False
            raise
        return True

    async def _try(self, asking: _Asking, lease: Lease) -> ModelRound:
        """Ask once.

        Raises:
            EngineError: it failed.
        """
        now, request = self._clock.now, asking.request
        self._events.started(request, lease.endpoint, now() - asking.arrived)
        answer = self._answer = StreamedAnswer(now())
        try:
            await self._read(asking, lease, answer)
        except asyncio.CancelledError as cancelled:
            self._goes_on = False
            self._events.failed(
                request.model, classify(cancelled), wait_s=None, fallback="", partial=answer.text.text()
            )
            raise
        except EngineError:
            raise
        except Exception as exc:  # a backend raises nothing else; a defect in one must not bring down the run
            raise classify(exc) from exc
        done = answer.complete(request.max_tokens)
        return self._events.finished(request, lease.endpoint, answer, done, now())

    async def _read(self, asking: _Asking, lease: Lease, answer: StreamedAnswer) -> None:
        now, loop = self._clock.now, asyncio.get_running_loop()
        request, endpoint = asking.request, self._pool.endpoint(lease.endpoint)
        schema = request.schema if asking.schema.sends(endpoint) else None
        named = replace(request, model=self._pool.own_name(lease.endpoint, request.model), schema=schema)
        chunks = endpoint.backend.chat(named)
        try:
            async with asyncio.timeout(self._left()) as limit:
                lease.preemptible(lambda: limit.reschedule(loop.time()))
                async for chunk in chunks:
                    at = now()
                    answer.add(chunk, at)
                    if answer.done is not None:
                        break  # what comes before the end is in ModelFinished
                    self._events.deltas(answer, at)
        except TimeoutError as exc:
            if lease.yielding and limit.expired():
                raise _GaveWay from exc
            if limit.expired():
                raise self._too_late(
                    "the model was writing" if answer.chunks else "the model had not begun to answer"
                ) from exc
            raise
        finally:
            lease.settled()
            aclose = getattr(chunks, "aclose", None)  # closes the connection, which ends the generation
            if aclose is not None:
                with suppress(Exception):  # a connection that closes badly changes nothing about the answer
                    await aclose()

    def _begun(self) -> bool:
        """Whether something of the answer has come."""
        return self._answer is not None and self._answer.chunks > 0

    def _left(self) -> float | None:
        """Seconds until the deadline; None without one."""
        return None if self._deadline == math.inf else max(self._deadline - self._clock.now(), 0.0)

    def _too_late(self, state: str) -> EngineError:
        self._deadline = min(self._deadline, self._clock.now())  # the timer may be a tick ahead of the clock
        return EngineError(
            ErrorClass.TIMEOUT,
            "deadline",
            f"The time limit was reached while {state}.",
            remedy="Raise the time limit, or use a smaller model.",
        )

    def _wait(self, error: EngineError, asking: _Asking) -> float | None:
        """Seconds until the next attempt with this model, or None where there is none."""
        if asking.plain:
            return 0.0
        elsewhere = error.error_class in _ELSEWHERE and self._elsewhere(asking)
        if not (error.retryable or elsewhere):
            return None
        left = self._deadline - self._clock.now()
        after = None if elsewhere else error.retry_after
        wait = self._policy.delay(asking.tries, after, self._clock.rng, left)
        failed = next((name for name, each in asking.failures.items() if each is error), None)
        budget = self._pool.endpoint(failed or self._pool.endpoints[0].name).budget
        if wait is None or not budget.take():
            return None
        return 0.0 if elsewhere else wait

    def _elsewhere(self, asking: _Asking) -> bool:
        """Whether an endpoint that has not failed yet has the model."""
        model = asking.request.model
        return any(
            each.name not in asking.failures and self._pool.breaker(each.name, model).available()
            for each in self._pool.having(model)
        )

    def _failed(self, asking: _Asking, error: EngineError, wait: float | None) -> None:
        left = self._left()
        self._goes_on = wait is None and error.error_class in _FALLBACK and (left is None or left > 0)
        self._events.failed(
            asking.request.model,
            error,
            wait_s=wait,
            fallback=asking.fallback if self._goes_on else "",
            escalates=self._goes_on and asking.fallback in self._higher,
            partial=self._answer.text.text() if self._answer else "",
        )


def _report(asking: _Asking) -> None:
    """Tell the breakers how the whole call went where it failed; what is the request's own fault says nothing about an
    endpoint."""
    for endpoint, error in asking.failures.items():
        permit = asking.permits[endpoint]
        if error.retryable:
            permit.failure(error.message)
        elif error.error_class is ErrorClass.INVALID_OUTPUT:
            permit.success()  # it answered, if with nothing
