"""ModelCaller: one model call with all its rules (admission, retry, circuit breaker, fallbacks, events)."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from itertools import zip_longest

from engine.config import RetryConfig
from engine.errors import RETRYABLE, EngineError, ErrorClass, classify
from engine.events import AttemptFailed, Body, FinishReason, ModelDelta, ModelFinished, ModelStarted
from engine.health.breaker import Permit
from engine.health.registry import BreakerRegistry
from engine.health.retry import RetryBudget, RetryPolicy
from engine.message import estimate_tokens
from engine.models.answer import StreamedAnswer
from engine.models.call_record import messages_as_read, request_hash, tools_asked, tools_offered
from engine.models.protocol import ChatMessage, ChatRequest, Done, ModelBackend, ToolCall
from engine.models.tokens import prompt_tokens


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


_FALLBACK = RETRYABLE | {ErrorClass.BREAKER_OPEN, ErrorClass.NOT_FOUND, ErrorClass.RESOURCE}
"""Classes of failure that another model of the same backend may not have."""


class ModelCaller:
    """Calls the models of one backend.

    Args:
        backend: answers the requests.
        breakers: a breaker for each `endpoint model`.
        retry: how failed attempts are repeated, unless a call says otherwise.
        concurrency: attempts at the same time per endpoint and model; others wait, first come first served.
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
        self.breakers = breakers
        self.retry = retry
        self.now = now
        self.sleep = sleep
        self.rng = rng or random.Random()  # noqa: S311  (jitter is no secret)
        self.budget = RetryBudget()
        self._concurrency = concurrency
        self._slots: dict[tuple[str, str], asyncio.Semaphore] = {}

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
        """Ask a model, and where it fails the next one of `fallbacks`; every attempt is an event.

        An attempt that failed in a retryable way is repeated after a back-off; the model's breaker counts one failure
        for the whole call. An empty answer is not repeated: the same request would give the same answer.

        Args:
            request: what to ask; its model is the first to be tried.
            site: where the call stands in the run, for its events.
            emit: takes the events.
            fallbacks: models to try in order; those whose window the request does not fit are left out.
            stream: False where the text is to be shown only when it is whole; the events say so, and are the same.
            retry: instead of the caller's own.
            deadline: moment on the clock `now` after which nothing is tried or awaited any more.
            window_of: window in tokens of a fallback; default: that of the request.

        Raises:
            EngineError: the call failed for good; BreakerOpen where nothing but breakers stood in its way.
        """
        window = window_of or (lambda _: request.window)
        models = dict.fromkeys(model for model in fallbacks if model != request.model)
        others = (replace(request, model=model, window=window(model)) for model in models)
        plan = [request, *filter(_fits, others)]
        return await _Call(self, site, emit, stream, _policy(retry or self.retry), deadline).run(plan)

    def slot(self, model: str) -> asyncio.Semaphore:
        """The admission to a model: first come, first served."""
        key = (self.backend.endpoint, model)
        if key not in self._slots:
            self._slots[key] = asyncio.Semaphore(self._concurrency)
        return self._slots[key]


class _Call:
    """One logical call: what its attempts share."""

    def __init__(
        self,
        caller: ModelCaller,
        site: CallSite,
        emit: Callable[[Body], None],
        stream: bool,
        policy: RetryPolicy,
        deadline: float | None,
    ) -> None:
        self._caller = caller
        self._site = site
        self._emit = emit
        self._stream = stream
        self._policy = policy
        self._deadline = math.inf if deadline is None else deadline
        self._attempt = 0
        self._shown: tuple[ChatMessage, ...] | None = None
        self._answer: StreamedAnswer | None = None
        self._goes_on = False
        """Whether another model may be asked."""
        caller.budget.called()

    async def run(self, plan: Sequence[ChatRequest]) -> ModelRound:
        """Ask the models in order until one answers.

        Raises:
            EngineError: none did.
        """
        failure: EngineError | None = None
        for request, following in zip_longest(plan, plan[1:]):
            try:
                return await self._ask(request, following.model if following else "")
            except EngineError as error:
                # a refusal says less than what really went wrong before it
                if failure is None or error.error_class is not ErrorClass.BREAKER_OPEN:
                    failure = error
                if not self._goes_on:
                    break
        if failure is None:
            raise ValueError("a plan holds at least one request")
        raise failure

    async def _ask(self, request: ChatRequest, fallback: str) -> ModelRound:
        """Ask one model, with its retries under its breaker; `fallback` is the model that comes next.

        Raises:
            EngineError: this model failed for good.
        """
        permit: Permit | None = None
        tries = 0
        try:
            while True:
                tries += 1
                self._attempt += 1
                self._answer = None
                try:
                    async with self._admitted(request.model):
                        permit = permit or self._permit(request.model)
                        answer = await self._try(request)
                    permit.success()
                except EngineError as error:
                    wait = self._wait(error, tries)
                    self._failed(request.model, error, wait, fallback)
                    if wait is None:
                        _report(permit, error)
                        raise
                    await self._caller.sleep(wait)
                else:
                    return answer
        finally:
            if permit is not None:
                permit.cancelled()  # does nothing after a report; without one the call was cancelled

    @asynccontextmanager
    async def _admitted(self, model: str) -> AsyncIterator[None]:
        """Hold one of the model's slots."""
        slot, left = self._caller.slot(model), self._left()
        if left is not None and left <= 0:
            raise self._too_late("the model had yet to be asked")
        try:
            async with asyncio.timeout(left):
                await slot.acquire()
        except TimeoutError:
            raise self._too_late("the model was still busy with other calls") from None
        try:
            yield
        finally:
            slot.release()

    def _permit(self, model: str) -> Permit:
        # asked after the wait: who queued while the breaker opened is refused, and no probe's lease runs in a queue
        return self._caller.breakers.get(f"{self._caller.backend.endpoint} {model}", "endpoint").acquire()

    async def _try(self, request: ChatRequest) -> ModelRound:
        """One attempt.

        Raises:
            EngineError: it failed.
        """
        self._started(request)
        answer = self._answer = StreamedAnswer(self._caller.now())
        try:
            await self._read(request, answer)
        except asyncio.CancelledError as cancelled:
            self._failed(request.model, classify(cancelled), None, "")
            raise
        except EngineError:
            raise
        except Exception as exc:  # a backend raises nothing else; a defect in one must not bring down the run
            raise classify(exc) from exc
        return self._finished(request, answer, answer.complete(request.max_tokens))

    async def _read(self, request: ChatRequest, answer: StreamedAnswer) -> None:
        now = self._caller.now
        chunks = self._caller.backend.chat(request)
        try:
            async with asyncio.timeout(self._left()) as limit:
                async for chunk in chunks:
                    at = now()
                    answer.add(chunk, at)
                    if answer.done is not None:
                        break  # what comes before the end is in ModelFinished
                    self._deltas(answer, at)
        except TimeoutError as exc:
            if limit.expired():
                raise self._too_late(
                    "the model was writing" if answer.chunks else "the model had not begun to answer"
                ) from exc
            raise
        finally:
            aclose = getattr(chunks, "aclose", None)  # closes the connection, which ends the generation
            if aclose is not None:
                with suppress(Exception):  # a connection that closes badly changes nothing about the answer
                    await aclose()

    def _left(self) -> float | None:
        """Seconds until the deadline; None without one."""
        return None if self._deadline == math.inf else max(self._deadline - self._caller.now(), 0.0)

    def _too_late(self, state: str) -> EngineError:
        self._deadline = min(self._deadline, self._caller.now())  # the timer may be a tick ahead of the clock
        return EngineError(
            ErrorClass.TIMEOUT,
            "deadline",
            f"The time limit was reached while {state}.",
            remedy="Raise the time limit, or use a smaller model.",
        )

    def _wait(self, error: EngineError, tries: int) -> float | None:
        """Seconds until the next attempt with this model, or None where there is none."""
        caller = self._caller
        if not error.retryable:
            return None
        left = self._deadline - caller.now()
        wait = self._policy.delay(tries, error.retry_after, caller.rng, left)
        return wait if wait is not None and caller.budget.take() else None

    # -- events -------------------------------------------------------------------------------------------------------

    def _started(self, request: ChatRequest) -> None:
        changed = request.messages != self._shown
        self._shown = request.messages
        self._emit(
            ModelStarted(
                path=self._site.path,
                visit=self._site.visit,
                step=self._site.step,
                attempt=self._attempt,
                model=request.model,
                endpoint=self._caller.backend.endpoint,
                request_hash=request_hash(request),
                messages=messages_as_read(request) if changed else (),
                window=request.window,
                max_tokens=request.max_tokens,
                temperature=request.temperature,
                stream=self._stream,
                seed=request.seed,
                tools=tools_offered(request),
            )
        )

    def _deltas(self, answer: StreamedAnswer, now: float) -> None:
        site = self._site
        for offset, text, thinking in answer.deltas(now):
            self._emit(
                ModelDelta(
                    site.path,
                    site.visit,
                    site.step,
                    self._attempt,
                    offset,
                    text,
                    thinking=thinking,
                    tokens=answer.chunks,
                )
            )

    def _finished(self, request: ChatRequest, answer: StreamedAnswer, done: Done) -> ModelRound:
        now, site = self._caller.now(), self._site
        text, thinking = answer.text.text(), answer.thinking.text()
        prompt, completion = done.prompt_tokens, done.completion_tokens
        result = ModelRound(
            text=text,
            thinking=thinking,
            tool_calls=tuple(answer.tool_calls),
            finish=done.finish,
            prompt_tokens=prompt_tokens(request) if prompt is None else prompt,
            completion_tokens=estimate_tokens(thinking) + estimate_tokens(text) if completion is None else completion,
            exact=prompt is not None and completion is not None,
            model=request.model,
            endpoint=self._caller.backend.endpoint,
            duration_ms=answer.ms(now),
            attempts=self._attempt,
        )
        self._emit(
            ModelFinished(
                path=site.path,
                visit=site.visit,
                step=site.step,
                attempt=self._attempt,
                model=request.model,
                text=text,
                finish=done.finish,
                prompt_tokens=result.prompt_tokens,
                completion_tokens=result.completion_tokens,
                exact=result.exact,
                duration_ms=result.duration_ms,
                first_token_ms=answer.ms(now if answer.first_at is None else answer.first_at),
                thinking=thinking,
                tool_calls=tools_asked(answer.tool_calls),
            )
        )
        return result

    def _failed(self, model: str, error: EngineError, wait: float | None, fallback: str) -> None:
        site, left = self._site, self._left()
        self._goes_on = wait is None and error.error_class in _FALLBACK and (left is None or left > 0)
        self._emit(
            AttemptFailed(
                path=site.path,
                visit=site.visit,
                step=site.step,
                attempt=self._attempt,
                model=model,
                error=error.info(node=site.path, attempt=self._attempt),
                retry_in_ms=None if wait is None else round(wait * 1000),
                fallback=fallback if self._goes_on else "",
                partial=self._answer.text.text() if self._answer else "",
            )
        )


def _policy(config: RetryConfig) -> RetryPolicy:
    return RetryPolicy(config.attempts, config.base_s, config.cap_s)


def _fits(request: ChatRequest) -> bool:
    return prompt_tokens(request) + request.max_tokens <= request.window


def _report(permit: Permit | None, error: EngineError) -> None:
    """Tell the breaker how the whole call went; what is the request's own fault says nothing about the endpoint."""
    if permit is None:
        return
    if error.retryable:
        permit.failure(error.message)
    elif error.error_class is ErrorClass.INVALID_OUTPUT:
        permit.success()  # it answered, if with nothing
