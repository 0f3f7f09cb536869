"""The executor: an asyncio data-flow scheduler that drives one graph from its deciding state.

A node starts as soon as a message reaches it. Nodes that decide at once run inline, the others as tasks of one
TaskGroup.
Tasks never raise into the group: they hand their outcome back, and the scheduler alone decides what follows.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from engine import events as ev
from engine.errors import EngineError, ErrorInfo
from engine.graph.spec import ExitConfig
from engine.nodes.context import Outcome
from engine.run.asking import Asking
from engine.run.attempts import attempt_visit
from engine.run.compensation import take_back, take_back_first
from engine.run.failures import failed
from engine.run.flow import Flow
from engine.run.frame import Frame, Limits
from engine.run.limit import Limit
from engine.run.plan import Plan
from engine.run.services import RunServices
from engine.run.transaction import Transaction
from engine.run.verdict import Verdict, no_exit, too_late
from engine.run.visit import Visit
from engine.store.database import StoreError

INLINE_AT_ONCE = 64
"""Inline visits between two turns of the event loop."""


@dataclass(frozen=True, slots=True)
class _Done:
    activation: ev.Activation
    outcome: Outcome | None
    error: EngineError | None
    started: float


def executor_of_run(
    plan: Plan,
    tx: Transaction,
    services: RunServices,
    *,
    max_steps: int,
    checkpoint_every: int,
    timeout_s: float,
    now: Callable[[], float] = time.monotonic,
    rng: random.Random | None = None,
) -> Executor:
    """The executor of a whole run."""
    jitter = rng or random.Random()  # noqa: S311 - no secret
    limits = Limits(max_steps, checkpoint_every, timeout_s, now, jitter)
    limits.next_checkpoint = tx.state.steps + checkpoint_every
    limits.interrupted = set(tx.state.operations.attempts)
    asking = Asking(tx.emit, services.approver, tx.state.operations.recall)
    executor = Executor(Frame(plan, tx, services, limits, tx.state, drive, asking))
    limits.end_run = executor.stop
    return executor


async def drive(frame: Frame) -> Verdict:
    """Run a sub-graph, whose run has its deadline already, to its verdict."""
    return await Executor(frame).schedule()


class Executor:
    """Drives one graph. `run` returns the verdict; `stop` ends it early."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self._state = frame.state
        self._flow = Flow(frame)
        self._ready = self._flow.ready
        self._in_flight: dict[asyncio.Task[None], ev.Activation] = {}
        self._unstarted: set[ev.Activation] = set()
        """Those in flight that have not taken their first step, so that the state does not count them yet."""
        self._done: deque[_Done] = deque()
        self._rewind: _Done | None = None
        self._verdict: Verdict | None = None
        self._wake = asyncio.Event()

    # -- the schedule ------------------------------------------------------------------------------------------------

    async def run(self) -> Verdict:
        """Run under the run's deadline; no task is left when it returns."""
        limits = self.frame.limits
        with Limit(limits.timeout_s, self._deadline_reached) as limits.limit:
            return await self.schedule()

    async def schedule(self) -> Verdict:
        """Run from the state's frontier to the verdict; no task is left when it returns."""
        if self._state.exit is not None:  # it was reached before an interruption
            self._verdict = self._exited(*self._state.exit)
        self._ready.extend(self._state.frontier.values())
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
            for done in self._done:  # ended, but too late to matter
                self.frame.finish(done.activation, "cancelled", done.started)
        return self._verdict

    def stop(self, reason: str, error: ErrorInfo | None) -> None:
        """End the run as soon as its tasks are cancelled; the first reason counts."""
        if self._verdict is None:
            self._verdict = Verdict(reason, error=error)
        self._wake.set()

    def _deadline_reached(self) -> None:
        self.stop("deadline", too_late(self.frame.limits.timeout_s))

    async def _wait(self) -> None:
        """Wait for a task to end, and take up what it came to."""
        if not self._in_flight and not self._done:
            self._verdict = Verdict("failed", error=self._state.failure or no_exit())
            return
        await self._wake.wait()
        self._wake.clear()
        while self._done and self._verdict is None and self._rewind is None:
            with self.frame.tx.log.block():  # that a visit ended and what follows from it is one step of the log
                self._settle(self._done.popleft())

    async def _start_ready(self, group: asyncio.TaskGroup) -> None:
        plan, tx = self.frame.plan, self.frame.tx
        inline = 0
        while self._ready and self._verdict is None and self._rewind is None:
            if tx.log.blocked:
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
            node = self._flow.id_of(activation.node)
            self._checkpoint(activation, node)
            if node in plan.inline:
                self._visit_inline(activation, node)
                inline += 1
                if inline % INLINE_AT_ONCE == 0:
                    await asyncio.sleep(0)
            else:
                task = group.create_task(self._visit_task(activation))
                self._in_flight[task] = activation
                self._begun(activation)
                task.add_done_callback(self._task_ended)

    def _checkpoint(self, activation: ev.Activation, node: str) -> None:
        tx, limits = self.frame.tx, self.frame.limits
        if (activation.node, activation.visit) in limits.interrupted:
            return  # it has its checkpoint from before the interruption
        if node in self.frame.plan.rewind_targets:
            tx.checkpoint_before(activation, self._state)
        elif (step := tx.state.steps + limits.unstarted + 1) >= limits.next_checkpoint:
            tx.checkpoint()
            # a checkpoint names all that is under way: the more that is, the rarer it is taken, so that the log stays
            # proportional to the number of visits
            limits.next_checkpoint = step + max(limits.checkpoint_every, len(tx.state.frontier) // 8)

    def _begun(self, activation: ev.Activation) -> None:
        self._unstarted.add(activation)
        self.frame.limits.unstarted += 1

    def _counted(self, activation: ev.Activation) -> None:
        """The state counts the visit from now on, or it never will."""
        if activation in self._unstarted:
            self._unstarted.discard(activation)
            self.frame.limits.unstarted -= 1

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        activation = self._in_flight.pop(task)
        if (activation.node, activation.visit) in self._state.frontier and task.cancelled():
            self._counted(activation)  # cancelled before its first step: it could not say so itself
            self.frame.finish(activation, "skipped", self.frame.limits.now())
        self._wake.set()

    def _may_step(self) -> bool:
        try:
            self.frame.check_steps()
        except EngineError as error:
            self.stop("budget", error.info())
            return False
        return True

    async def _pause(self) -> None:
        try:
            await self.frame.unblocked()
        except StoreError as error:
            self._verdict = Verdict("failed", error=error.info())

    # -- visits ------------------------------------------------------------------------------------------------------

    def _visit_inline(self, activation: ev.Activation, node: str) -> None:
        with self.frame.tx.log.block():
            message, started = self.frame.start(activation)
            outcome: Outcome | None = None
            error: EngineError | None = None
            try:
                outcome = self.frame.plan.inline[node].decide(Visit(self.frame, activation), message)
            except Exception as exc:  # noqa: BLE001 - whatever a node raises becomes its outcome
                error = failed(exc, activation.node)
            self._settle(_Done(activation, outcome, error, started))

    async def _visit_task(self, activation: ev.Activation) -> None:
        self._counted(activation)
        message, started = self.frame.start(activation)
        visit = Visit(self.frame, activation)
        outcome: Outcome | None = None
        problem: EngineError | None = None
        try:
            try:
                outcome = await attempt_visit(visit, message)
            except EngineError as error:
                problem = error
                if visit.effects and self._flow.goes_on_after(activation, error):
                    await take_back(self.frame.tx, visit.effects, self.frame.services.tools)
        except asyncio.CancelledError:
            with self.frame.tx.log.block():
                self.frame.finish(activation, "cancelled", started)
                if self._verdict is None and self._rewind is None and self._flow.is_unneeded(activation):
                    self._flow.leave(activation, "cancelled")
            raise
        self._done.append(_Done(activation, outcome, problem, started))
        self._wake.set()

    # -- what follows a visit ----------------------------------------------------------------------------------------

    def _settle(self, done: _Done) -> None:
        """Decide what follows a visit that ended."""
        activation, outcome, error = done.activation, done.outcome, done.error
        if self._flow.is_unneeded(activation):
            self.frame.finish(activation, "cancelled", done.started)
            self._flow.leave(activation, "cancelled")
            return
        if outcome is None:
            assert error is not None  # noqa: S101 - a visit has an outcome or an error
            self.frame.finish(activation, "failed", done.started, error=error)
            self._after_failure(activation, error)
            return
        if outcome.rewind_to is not None:
            self._go_back(activation, outcome, done.started)
            return
        finished = self.frame.finish(activation, "ok", done.started, made=outcome)
        if outcome.exits:
            self._verdict = self._exited(activation.node, finished.message)
        else:
            try:
                self._flow.after(activation, outcome, finished.message)
            except EngineError as problem:
                self._verdict = Verdict("failed", error=failed(problem, activation.node).info())

    def _exited(self, path: str, number: int) -> Verdict:
        message = self._state.messages[number]
        config = self.frame.spec_of(path).config
        status: ev.ExitStatus = config.status if isinstance(config, ExitConfig) else "success"
        if status == "success" and message.data.get("partial") is True and self.frame.plan.degrades:
            status = "fallback"
        return Verdict("exit", path, status, message.content, message.data)

    def _after_failure(self, activation: ev.Activation, error: EngineError) -> None:
        try:
            if self._flow.after_failure(activation, error):
                return
        except EngineError as problem:
            self._verdict = Verdict("failed", error=failed(problem, activation.node).info())
            return
        limits = self.frame.limits
        if (
            error.code == "deadline" or limits.now() >= limits.deadline
        ):  # what failed had no time left: the timer comes in a moment
            limits.end_run("deadline", too_late(limits.timeout_s))
        reason = "gate_exhausted" if error.code == "gate_exhausted" else "failed"
        self.stop(reason, error.info(node=activation.node))

    def _end_unneeded(self) -> None:
        """Cancel what runs in branches whose join was decided without them."""
        for task, activation in self._in_flight.items():
            if task.cancelling() or not self._flow.is_unneeded(activation):
                continue
            task.cancel()
            if activation in self._unstarted:  # it takes no step any more
                self._counted(activation)
                self._skip(activation)

    def _skip(self, activation: ev.Activation) -> None:
        with self.frame.tx.log.block():
            self.frame.finish(activation, "skipped", self.frame.limits.now())
            self._flow.leave(activation, "cancelled")

    def _go_back(self, activation: ev.Activation, outcome: Outcome, started: float) -> None:
        """A gate's retry: a rewind where its target has been visited, else a way on to it."""
        assert outcome.rewind_to is not None  # noqa: S101 - asked before
        assert outcome.retry is not None  # noqa: S101 - a gate that sends the run back says what is to change
        to = self.frame.prefix + outcome.rewind_to
        if self.frame.tx.can_rewind(to, activation.tokens):
            self._rewind = _Done(activation, outcome, None, started)  # it ends when those beside it have ended
        else:
            message = self.frame.finish(activation, "ok", started, made=outcome).message
            self._ready.append(self.frame.tx.escalate(activation, to, message, outcome.retry, self._state))

    async def _do_rewind(self) -> None:
        """End what runs, take back what came after the checkpoint, go on from there."""
        assert self._rewind is not None  # noqa: S101 - called for a rewind only
        activation, outcome, started = self._rewind.activation, self._rewind.outcome, self._rewind.started
        tasks = list(self._in_flight)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._rewind = None
        for unstarted in list(self._unstarted):
            self._counted(unstarted)
        self._ready.clear()
        self._done.clear()
        if self._verdict is not None:
            self.frame.finish(activation, "cancelled", started)
            return
        assert outcome is not None  # noqa: S101 - as above
        assert outcome.rewind_to is not None  # noqa: S101 - as above
        assert outcome.retry is not None  # noqa: S101 - as above
        to, tx = self.frame.prefix + outcome.rewind_to, self.frame.tx
        effects = tx.state.effects.to_take_back(since=tx.first_taken_back(to, activation), within=self.frame.prefix)
        try:
            await take_back_first(tx, effects, self.frame.services.tools)
        except EngineError as error:
            self.frame.finish(activation, "failed", started, error=error)
            self._verdict = Verdict("failed", error=error.info(node=activation.node))
            return
        with tx.log.block():
            self.frame.finish(activation, "ok", started, made=outcome)
            tx.rewind(activation, to, outcome.retry, self._state)
        self._ready.extend(self._state.frontier.values())
