"""The executor: an asyncio data-flow scheduler that drives one run from its deciding state.

A node starts as soon as a message reaches it. Nodes that decide at once run inline, the others as tasks of one
TaskGroup.
Tasks never raise into the group: they hand their outcome back, and the scheduler alone decides what follows.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine import events as ev
from engine.config import RetryConfig
from engine.errors import EngineError, ErrorClass, ErrorInfo
from engine.graph.spec import ExitConfig, NodeSpec
from engine.health.breaker import Permit
from engine.health.retry import RetryPolicy
from engine.message import Message
from engine.models.caller import CallSite, ModelRound
from engine.models.protocol import ChatRequest
from engine.nodes.context import Outcome
from engine.run.flow import Flow
from engine.run.plan import Plan
from engine.run.services import RunServices
from engine.run.transaction import Transaction
from engine.run.visit import Visit, failed
from engine.store.database import StoreError

INLINE_AT_ONCE = 64
"""Inline visits between two turns of the event loop."""

_NEUTRAL = frozenset({ErrorClass.CANCELLED, ErrorClass.BREAKER_OPEN, ErrorClass.CONTEXT_OVERFLOW})
"""Failures that say nothing about the node: its breaker does not count them."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a run ends: at an exit, or for a reason."""

    reason: str
    """`exit`, or the reason of the rollback."""
    node: str = ""
    status: ev.ExitStatus | None = None
    text: str = ""
    data: Mapping[str, Any] | None = None
    error: ErrorInfo | None = None


@dataclass(frozen=True, slots=True)
class _Done:
    activation: ev.Activation
    outcome: Outcome | None
    error: EngineError | None
    started: float


class Executor:
    """Drives one run. `run` returns the verdict; `stop` ends it early."""

    def __init__(
        self,
        plan: Plan,
        tx: Transaction,
        services: RunServices,
        *,
        max_steps: int,
        checkpoint_every: int,
        timeout_s: float,
        now: Any = time.monotonic,
        rng: random.Random | None = None,
    ) -> None:
        self.plan = plan
        self.tx = tx
        self.services = services
        self.factors: dict[str, float] = {}
        """Context selection -> correction of its token estimate."""
        self.visits: list[tuple[str, str, int]] = []
        """(path, outcome, milliseconds) of every visit that ended."""
        self._max_steps = max_steps
        self._checkpoint_every = checkpoint_every
        self._timeout_s = timeout_s
        self._now = now
        self._rng = rng or random.Random()  # noqa: S311 - jitter, not a secret
        self._deadline = 0.0
        self._flow = Flow(plan, tx)
        self._ready = self._flow.ready
        self._in_flight: dict[asyncio.Task[None], ev.Activation] = {}
        self._unstarted: set[ev.Activation] = set()
        """Those in flight that have not taken their first step, so that the state does not count them yet."""
        self._done: deque[_Done] = deque()
        self._rewind: tuple[ev.Activation, Outcome] | None = None
        self._verdict: Verdict | None = None
        self._wake = asyncio.Event()

    # -- the schedule ------------------------------------------------------------------------------------------------

    async def run(self) -> Verdict:
        """Run from the state's frontier to the verdict; no task is left when it returns."""
        loop = asyncio.get_running_loop()
        self._deadline = self._now() + self._timeout_s
        timer = loop.call_later(self._timeout_s, self._deadline_reached)
        self._ready.extend(self.tx.state.frontier.values())
        try:
            async with asyncio.TaskGroup() as group:
                while self._verdict is None:
                    await self._start_ready(group)
                    if self._rewind is not None:
                        await self._do_rewind()
                    elif self._verdict is None and not self._ready:
                        await self._wait()
                for task in self._in_flight:
                    task.cancel()
        finally:
            timer.cancel()
        for done in self._done:  # ended, but too late to matter
            self._finish(done.activation, "cancelled", done.started)
        return self._verdict

    def stop(self, reason: str, error: ErrorInfo | None) -> None:
        """End the run as soon as its tasks are cancelled; the first reason counts."""
        if self._verdict is None:
            self._verdict = Verdict(reason, error=error)
        self._wake.set()

    def _deadline_reached(self) -> None:
        self.stop(
            "deadline",
            ErrorInfo(
                ErrorClass.TIMEOUT,
                "run_deadline",
                f"The run took longer than {self._timeout_s:g} s.",
                "Raise run_timeout_s, or use a faster model.",
            ),
        )

    async def _wait(self) -> None:
        """Wait for a task to end, and take up what it came to."""
        if not self._in_flight and not self._done:
            self._verdict = Verdict("failed", error=_no_exit())
            return
        await self._wake.wait()
        self._wake.clear()
        while self._done and self._verdict is None and self._rewind is None:
            self._settle(self._done.popleft())

    async def _start_ready(self, group: asyncio.TaskGroup) -> None:
        inline = 0
        while self._ready and self._verdict is None and self._rewind is None:
            if self.tx.log.blocked:
                await self._pause()
                continue
            if self._flow.take_unneeded():
                self._end_unneeded()
            activation = self._ready.popleft()
            if self._flow.is_unneeded(activation):
                self._skip(activation)
                continue
            if not self._may_step():
                return
            if activation.node in self.plan.rewind_targets:
                self.tx.checkpoint_before(activation)
            elif (self.tx.state.steps + len(self._unstarted) + 1) % self._checkpoint_every == 0:
                self.tx.checkpoint()
            if activation.node in self.plan.inline:
                self._visit_inline(activation)
                inline += 1
                if inline % INLINE_AT_ONCE == 0:
                    await asyncio.sleep(0)
            else:
                task = group.create_task(self._visit_task(activation))
                self._in_flight[task] = activation
                self._unstarted.add(activation)
                task.add_done_callback(self._task_ended)

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        activation = self._in_flight.pop(task)
        if (activation.node, activation.visit) in self.tx.state.frontier and task.cancelled():
            self._unstarted.discard(activation)  # cancelled before its first step: it could not say so itself
            self._finish(activation, "skipped", self._now())
        self._wake.set()

    def _may_step(self) -> bool:
        if self.tx.state.steps + len(self._unstarted) < self._max_steps:
            return True
        error = EngineError(
            ErrorClass.BUDGET_EXHAUSTED,
            "max_steps",
            f"The run took more than {self._max_steps} node visits.",
            remedy="Look for a loop in the graph, or raise max_steps.",
        )
        self._verdict = Verdict("budget", error=error.info())
        return False

    async def _pause(self) -> None:
        log = self.tx.log
        remedy = log.error.remedy if log.error else ""
        self.tx.emit(ev.Paused(log.blocked, remedy))
        since = self._now()
        try:
            await log.unblocked()
        except StoreError as error:
            self._verdict = Verdict("failed", error=error.info())
            return
        self.tx.emit(ev.Unpaused(round((self._now() - since) * 1000)))

    # -- visits ------------------------------------------------------------------------------------------------------

    def _start_visit(self, activation: ev.Activation, attempt: int = 1) -> tuple[Visit, Message, float]:
        path, visit = activation.node, activation.visit
        self.tx.emit(ev.NodeStarted(path, visit, activation.message, activation.source, attempt))
        return Visit(self, activation), self.tx.state.messages[activation.message], self._now()

    def _visit_inline(self, activation: ev.Activation) -> None:
        context, message, started = self._start_visit(activation)
        outcome: Outcome | None = None
        error: EngineError | None = None
        try:
            outcome = self.plan.inline[activation.node].decide(context, message)
        except Exception as exc:  # noqa: BLE001 - whatever a node raises becomes its outcome
            error = failed(exc, activation.node)
        self._settle(_Done(activation, outcome, error, started))

    async def _visit_task(self, activation: ev.Activation) -> None:
        self._unstarted.discard(activation)
        started = self._now()
        try:
            done = await self._attempts(activation, started)
        except asyncio.CancelledError:
            self._finish(activation, "cancelled", started)
            if self._verdict is None and self._rewind is None and self._flow.is_unneeded(activation):
                self._flow.leave(activation, "cancelled")
            raise
        self._done.append(done)
        self._wake.set()

    async def _attempts(self, activation: ev.Activation, started: float) -> _Done:
        """A visit behind its breaker, with the node's own retries where it has any."""
        spec = self.plan.specs[activation.node]
        breaker = self.services.breakers.get(self._breaker_key(activation.node), "node")
        context, message, started = self._start_visit(activation)
        try:
            permit = breaker.acquire()
        except EngineError as error:
            return _Done(activation, None, failed(error, activation.node), started)
        policy = _visit_policy(spec)
        attempt = 1
        try:
            while True:
                try:
                    outcome = await self._one_attempt(spec, context, message)
                except Exception as exc:  # noqa: BLE001 - whatever a node raises becomes its outcome
                    problem = failed(exc, activation.node)
                else:
                    permit.success()
                    return _Done(activation, outcome, None, started)
                left = self._deadline - self._now()
                delay = policy.delay(attempt, problem.retry_after, self._rng, left)
                if delay is None or not problem.retryable:
                    _count(permit, problem)
                    return _Done(activation, None, problem, started)
                await asyncio.sleep(delay)
                attempt += 1
                context, message, _ = self._start_visit(activation, attempt)
        except asyncio.CancelledError:
            permit.cancelled()
            raise

    async def _one_attempt(self, spec: NodeSpec, context: Visit, message: Message) -> Outcome:
        timeout_ms = spec.config.timeout_ms
        if timeout_ms is None:
            return await self.plan.tasks[spec.id].run(context, message)
        try:
            async with asyncio.timeout(timeout_ms / 1000) as limit:
                return await self.plan.tasks[spec.id].run(context, message)
        except TimeoutError as exc:
            if not limit.expired():
                raise
            raise EngineError(
                ErrorClass.TIMEOUT,
                "node_deadline",
                f"The node {spec.id} took longer than {timeout_ms} ms.",
                remedy="Raise its timeout_ms, or use a faster model.",
                node=spec.id,
            ) from exc

    def _breaker_key(self, node: str) -> str:
        return f"{self.plan.graph.id}/{node}"

    def available(self, node: str) -> bool:
        """Whether the node's breaker would let a call pass."""
        return self.services.breakers.get(self._breaker_key(node), "node").available()

    async def chat(self, request: ChatRequest, site: CallSite, *, fallbacks: Sequence[str], stream: bool) -> ModelRound:
        """A model call for a visit, with the node's retry settings, under the run's deadline."""
        if self.services.caller is None:
            raise self.services.failures[request.model]
        config = self.plan.specs[site.path].config
        retry = None
        if not config.idempotent:
            retry = RetryConfig(attempts=1)
        elif config.retry is not None:
            retry = RetryConfig(attempts=config.retry.attempts, base_s=config.retry.base_delay_ms / 1000)
        return await self.services.caller.call(
            request,
            site=site,
            emit=self._emit,
            fallbacks=fallbacks,
            stream=stream,
            retry=retry,
            deadline=self._deadline,
            window_of=self.services.window_of,
        )

    def _emit(self, body: ev.Body) -> None:
        self.tx.emit(body)

    # -- what follows a visit ----------------------------------------------------------------------------------------

    def _finish(
        self,
        activation: ev.Activation,
        outcome: ev.NodeOutcome,
        started: float,
        made: Outcome | None = None,
        error: EngineError | None = None,
    ) -> ev.NodeFinished:
        duration = round((self._now() - started) * 1000)
        received = self.tx.state.messages[activation.message]
        body = ev.NodeFinished(
            path=activation.node,
            visit=activation.visit,
            outcome=outcome,
            message=self.tx.state.next_message if made is not None else 0,
            content=made.content if made is not None else "",
            data={**received.data, **made.data} if made is not None else {},
            variables=dict(made.variables) if made is not None else {},
            duration_ms=duration,
            error=error.info(node=activation.node) if error is not None else None,
        )
        self.tx.emit(body)
        self.visits.append((activation.node, outcome, duration))
        return body

    def _settle(self, done: _Done) -> None:
        """Decide what follows a visit that ended."""
        activation, outcome, error = done.activation, done.outcome, done.error
        if self._flow.is_unneeded(activation):
            self._finish(activation, "cancelled", done.started)
            self._flow.leave(activation, "cancelled")
            return
        if outcome is None:
            assert error is not None  # noqa: S101 - a visit has an outcome or an error
            self._finish(activation, "failed", done.started, error=error)
            self._after_failure(activation, error)
            return
        finished = self._finish(activation, "ok", done.started, made=outcome)
        if outcome.rewind_to is not None:
            assert outcome.retry is not None  # noqa: S101 - a gate that sends the run back says what is to change
            if self.tx.can_rewind(outcome.rewind_to, activation.tokens):
                self._rewind = (activation, outcome)
            else:
                onward = self.tx.escalate(activation, outcome.rewind_to, finished.message, outcome.retry)
                self._ready.append(onward)
            return
        if outcome.exits:
            config = self.plan.specs[activation.node].config
            status = config.status if isinstance(config, ExitConfig) else "success"
            self._verdict = Verdict("exit", activation.node, status, finished.content, finished.data)
            return
        try:
            self._flow.after(activation, outcome, finished.message)
        except EngineError as problem:
            self._verdict = Verdict("failed", error=failed(problem, activation.node).info())

    def _after_failure(self, activation: ev.Activation, error: EngineError) -> None:
        try:
            if self._flow.after_failure(activation, error):
                return
        except EngineError as problem:
            self._verdict = Verdict("failed", error=failed(problem, activation.node).info())
            return
        if self._now() >= self._deadline:  # what failed had no time left: the timer comes in a moment
            self._deadline_reached()
            return
        reason = "gate_exhausted" if error.code == "gate_exhausted" else "failed"
        self._verdict = Verdict(reason, error=error.info(node=activation.node))

    def _end_unneeded(self) -> None:
        """Cancel what runs in branches whose join was decided without them."""
        for task, activation in self._in_flight.items():
            if task.cancelling() or not self._flow.is_unneeded(activation):
                continue
            task.cancel()
            if activation in self._unstarted:  # it takes no step any more
                self._unstarted.discard(activation)
                self._skip(activation)

    def _skip(self, activation: ev.Activation) -> None:
        self._finish(activation, "skipped", self._now())
        self._flow.leave(activation, "cancelled")

    async def _do_rewind(self) -> None:
        """A gate's retry: end what runs, take back what came after the checkpoint, go on from there."""
        assert self._rewind is not None  # noqa: S101 - called for a rewind only
        activation, outcome = self._rewind
        tasks = list(self._in_flight)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._rewind = None
        self._unstarted.clear()
        self._ready.clear()
        self._done.clear()
        if self._verdict is not None:
            return
        assert outcome.rewind_to is not None  # noqa: S101 - as above
        assert outcome.retry is not None  # noqa: S101 - as above
        self.tx.rewind(activation, outcome.rewind_to, outcome.retry)
        self._ready.extend(self.tx.state.frontier.values())


def _visit_policy(spec: NodeSpec) -> RetryPolicy:
    """Retries of a whole visit: only where the node asks for them and its model call does not use them already."""
    retry = spec.config.retry
    if retry is None or spec.type in ("model", "router") or not spec.config.idempotent:
        return RetryPolicy(attempts=1, base_s=0.0, cap_s=0.0)
    return RetryPolicy(attempts=retry.attempts, base_s=retry.base_delay_ms / 1000, cap_s=30.0)


def _count(permit: Permit, error: EngineError) -> None:
    if error.error_class in _NEUTRAL:
        permit.cancelled()
    else:
        permit.failure(error.message)


def _no_exit() -> ErrorInfo:
    return ErrorInfo(
        ErrorClass.CONFIGURATION,
        "no_exit",
        "Nothing is left to do, but no exit was reached.",
        "Give some node an edge whose condition holds in this case.",
    )
