"""Driver: takes one run from the question to its end: prepare, begin, execute, commit or roll back."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from engine import events as ev
from engine.config import EngineConfig, Priority
from engine.errors import EngineError, ErrorClass, ErrorInfo, classify
from engine.graph.spec import GraphSpec
from engine.health.registry import BreakerRegistry
from engine.routing.embedder import Embedder
from engine.run.compensation import forget_copies, settle_unfinished, take_back
from engine.run.connection import Connected, Connection
from engine.run.executor import Executor, executor_of_run
from engine.run.frame import id_of
from engine.run.history import Turns, latest_turns
from engine.run.plan import Plan
from engine.run.recalling import Recaller
from engine.run.recovery import Interrupted
from engine.run.resolution import Resolved, references, resolve_models
from engine.run.result import Result
from engine.run.run import Run, result_of
from engine.run.services import RunServices
from engine.run.summarising import resolve_summariser
from engine.run.transaction import Transaction
from engine.run.verdict import Verdict
from engine.store.database import StoreError
from engine.store.log import EventLog
from engine.tools.policy import Approver
from engine.tools.protocol import ToolContext

HISTORY_SHARE = 1.25
"""History that a run is given, as a share of the largest window: enough to be pruned, never without bound."""
LEAST_LEFT_MS = 10_000
"""Time that a run has after an interruption, however much of its own it had used."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person asked of a graph."""

    plan: Plan
    question: str
    session: str | None
    inputs: dict[str, Any]
    approver: Approver | None = None
    fork: ev.Fork | None = None
    """Where it goes on from another transaction."""
    history: tuple[tuple[str, str], ...] | None = None
    """Of a fork: what its parent was told of the session; None: the session's own."""
    recalled: tuple[ev.Recalled, ...] | None = None
    """Of a fork that asks the same: what its parent recalled; None: what fits the question now."""
    model: str | None = None
    """One model for every role, instead of what the settings say."""
    priority: Priority = "graph"
    history_left_out: int = 0
    """Of a fork: how many messages of the session its parent was not told."""
    replaces: str = ""
    """The transaction whose turn in the session this one's takes the place of."""


@dataclass(frozen=True, slots=True)
class _Job:
    """What is to be run, and within what bounds."""

    plan: Plan
    approver: Approver | None
    max_steps: int
    checkpoint_every: int
    timeout_s: float
    priority: Priority = "graph"


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What a run begins with."""

    connected: Connected | None = None
    resolved: Resolved = field(default_factory=Resolved)
    history: tuple[tuple[str, str], ...] = ()
    corrections: tuple[ev.Taught, ...] = ()
    recalled: tuple[ev.Recalled, ...] = ()
    embedder: Embedder | None = None
    factors: dict[str, float] = field(default_factory=dict)
    history_left_out: int = 0
    summariser: ev.Summariser | None = None


class Driver:
    """Drives one run."""

    def __init__(
        self,
        log: EventLog,
        connection: Connection,
        breakers: BreakerRegistry,
        config: EngineConfig,
        turns_of: Callable[[str], Awaitable[list[tuple[str, str, str]]]],
        taught: Callable[[GraphSpec], Awaitable[tuple[ev.Taught, ...]]],
        memory: Recaller,
        tools: ToolContext,
        factors_of: Callable[[str], Awaitable[dict[str, float]]],
    ) -> None:
        self._tools = tools
        self._log = log
        self._connection = connection
        self._breakers = breakers
        self._config = config
        self._turns_of = turns_of
        self._taught = taught
        self._memory = memory
        self._factors_of = factors_of

    async def drive(self, run: Run, asked: Asked) -> Result:
        """A whole run: prepare, begin, execute, end. Never raises for what can go wrong in a run."""
        prepared, problem = await _attempted(run, self._prepare(asked))
        body = self._begin(run, asked, prepared)
        tx = Transaction(self._log, self._log.stream(run.transaction))
        timeout_s = body.timeout_ms / 1000
        job = _Job(asked.plan, asked.approver, body.max_steps, body.checkpoint_every, timeout_s, asked.priority)
        return await self._carry_out(run, tx, job, prepared, problem, tx.begin(body))

    async def resume(self, run: Run, found: Interrupted, approver: Approver | None) -> Result:
        """The rest of a run that was interrupted. Never raises for what can go wrong in a run."""
        prepared, problem = await _attempted(run, self._prepare_again(found))
        begin, last = found.begin, found.last
        tx = Transaction(self._log, self._log.stream(run.transaction, seq=last.seq, t_ms=last.t_ms))
        left = max(begin.timeout_ms - last.t_ms, LEAST_LEFT_MS) / 1000
        job = _Job(found.plan, approver, begin.max_steps, begin.checkpoint_every, left)
        return await self._carry_out(run, tx, job, prepared, problem, self._go_on(tx, found))

    async def _go_on(self, tx: Transaction, found: Interrupted) -> None:
        tx.absorb(found.events, lambda path: id_of(path) in found.plan.at(path).rewind_targets)
        away = max(time.time_ns() // 1_000_000 - found.last.wall_ms, 0)
        tx.emit(ev.Resumed("the program had ended while it was running", away))
        tx.abandon_attempts()
        await settle_unfinished(tx, self._tools)

    async def _carry_out(
        self,
        run: Run,
        tx: Transaction,
        job: _Job,
        prepared: _Prepared,
        problem: EngineError | None,
        opening: Awaitable[None],
    ) -> Result:
        visits: list[tuple[str, str, int]] = []
        try:
            await opening
            if problem is not None:
                verdict = Verdict(run.stopped[0] if run.stopped else "failed", error=problem.info())
            else:
                executor = self._executor(job, tx, prepared)
                visits = executor.frame.visits
                run.on_stop(executor.stop)
                verdict = await executor.run()
            terminal = await self._end(tx, verdict)
        except Exception as exc:  # noqa: BLE001 - whatever went wrong, the run's stream gets its terminal event
            terminal = await self._fail(tx, classify(_first(exc)).info())
        if tx.settled and self._tools.workspace is not None and not tx.state.effects.stuck:
            await forget_copies(self._tools)
        if isinstance(terminal, ev.Committed):
            await self._memory.used(prepared.recalled)
        backend = prepared.connected.backend.kind if prepared.connected else ""
        return result_of(run, terminal, backend=backend, visits=visits, text=tx.partial)

    async def _prepare_again(self, found: Interrupted) -> _Prepared:
        """The models with which the run began; what is installed now decides only whether they still answer.

        Raises:
            EngineError: there is no backend, or it has one of them no more.
        """
        begin = found.begin
        if not any(references(found.plan.graph)):
            return _Prepared(history=begin.history, corrections=begin.corrections, recalled=begin.recalled)
        connected = await self._connection.get()
        roles = {name[1:]: model for name, model in begin.models.items() if name.startswith("@") and "+" not in name}
        config = self._config.model_copy(update={"roles": roles, "model": None})
        resolved = await resolve_models(found.plan.graph, connected.directory, config)
        resolved.models.update(begin.models)
        resolved.windows.update(begin.windows)
        embedder = await connected.embedder(found.plan.graph)
        return _Prepared(
            connected,
            resolved,
            begin.history,
            begin.corrections,
            begin.recalled,
            embedder,
            begin.factors,
            summariser=begin.summariser,
        )

    async def _prepare(self, asked: Asked) -> _Prepared:
        connected: Connected | None = None
        resolved, embedder, summariser = Resolved(), None, None
        if any(references(asked.plan.graph)):
            connected = await self._connection.get()
            config = self._config
            if asked.model is not None:
                config = config.model_copy(update={"model": asked.model, "roles": {}})
            resolved = await resolve_models(asked.plan.graph, connected.directory, config)
            embedder = await connected.embedder(asked.plan.graph)
            if config.context.summaries:
                with contextlib.suppress(EngineError):  # without one, what is pruned has no summary
                    summariser = await resolve_summariser(connected.directory, config, resolved.windows)
        history, left_out = await self._history(asked, resolved)
        taught = await self._taught(asked.plan.graph)
        recalled = await self._recalled(asked, connected)
        factors = await self._factors_of(asked.session) if asked.session is not None else {}
        return _Prepared(connected, resolved, history, taught, recalled, embedder, factors, left_out, summariser)

    async def _recalled(self, asked: Asked, connected: Connected | None) -> tuple[ev.Recalled, ...]:
        if connected is None or not asked.plan.graph.memory:
            return ()
        if asked.recalled is not None:
            return asked.recalled
        return await self._memory.recalled(asked.question, asked.session, connected)

    async def _history(self, asked: Asked, resolved: Resolved) -> tuple[Turns, int]:
        """The session's latest turns, as far as any model of the run could take them; and how many were left out."""
        if asked.history is not None:
            return asked.history, asked.history_left_out
        if asked.session is None or not resolved.windows:
            return (), 0
        room = int(max(resolved.windows.values()) * HISTORY_SHARE)
        said = [each for each in await self._turns_of(asked.session) if each[2] != asked.replaces]
        return latest_turns(said, room, self._config.context.oversize)

    def _begin(self, run: Run, asked: Asked, prepared: _Prepared) -> ev.Begin:
        backend = prepared.connected.backend if prepared.connected else None
        resolved = prepared.resolved
        return ev.Begin(
            graph=asked.plan.document,
            graph_hash=asked.plan.content_hash,
            question=asked.question,
            session=asked.session,
            number=run.number,
            inputs=asked.inputs,
            history=prepared.history,
            history_left_out=prepared.history_left_out,
            backend=backend.kind if backend else "",
            endpoint=backend.endpoint if backend else "",
            models=resolved.models,
            digests=resolved.digests,
            windows=resolved.windows,
            breakers=self._breakers.snapshots(graph=asked.plan.graph.id),
            checkpoint_every=self._config.checkpoint_every,
            max_steps=self._config.max_steps,
            timeout_ms=round(self._config.run_timeout_s * 1000),
            fork=asked.fork,
            corrections=prepared.corrections,
            recalled=prepared.recalled,
            factors=prepared.factors,
            summariser=prepared.summariser,
            replaces=asked.replaces,
        )

    def _executor(self, job: _Job, tx: Transaction, prepared: _Prepared) -> Executor:
        resolved = prepared.resolved
        services = RunServices(
            breakers=self._breakers,
            caller=prepared.connected.caller if prepared.connected else None,
            models=resolved.models,
            failures=resolved.failures,
            windows=resolved.windows,
            capable=frozenset(resolved.capable),
            capabilities=resolved.capabilities,
            history=prepared.history,
            corrections=prepared.corrections,
            recalled=prepared.recalled,
            embedder=prepared.embedder,
            factors=prepared.factors,
            summariser=prepared.summariser,
            priority=job.priority,
            oversize=self._config.context.oversize,
            approver=job.approver,
            tools=self._tools,
        )
        return executor_of_run(
            job.plan,
            tx,
            services,
            max_steps=job.max_steps,
            checkpoint_every=job.checkpoint_every,
            timeout_s=job.timeout_s,
        )

    async def _fail(self, tx: Transaction, error: ErrorInfo) -> ev.RolledBack:
        """Roll back after a failure of the store, or of the engine itself."""
        if not tx.state.terminal:
            with contextlib.suppress(
                StoreError
            ):  # the terminal event is published, and written when the store recovers
                return await tx.roll_back("failed", error, take_back=lambda: self._take_back(tx))
        left = tx.state.effects.left()
        return ev.RolledBack("failed", error, usage=tx.state.usage, uncompensated=left)

    async def _end(self, tx: Transaction, verdict: Verdict) -> ev.Body:
        """Commit or roll back, as the outcome table says."""
        if verdict.reason == "exit" and verdict.status in ("success", "fallback"):
            # a call that was broken off, in a branch that nobody needed any more, has no part in the answer
            await take_back(tx, tx.state.effects.unfinished(), self._tools)
            committed = ev.Committed(
                exit=verdict.status,
                exit_node=verdict.node,
                text=verdict.text,
                data=dict(verdict.data or {}),
                usage=tx.state.usage,
            )
            await tx.commit(committed)
            return committed
        reason = "exit_error" if verdict.reason == "exit" else verdict.reason
        error = verdict.error
        if error is None:
            error = EngineError(
                ErrorClass.INVALID_OUTPUT,
                "exit_error",
                "The graph ended at an error exit.",
                remedy="Ask differently, or look at the run's timeline for what led there.",
                node=verdict.node,
            ).info()
        return await tx.roll_back(
            reason,
            error,
            text=verdict.text,
            exit_status=verdict.status,
            take_back=lambda: self._take_back(tx),
        )

    async def _take_back(self, tx: Transaction) -> None:
        await take_back(tx, tx.state.effects.to_take_back(), self._tools)


async def _attempted(run: Run, preparation: Coroutine[Any, Any, _Prepared]) -> tuple[_Prepared, EngineError | None]:
    """What was prepared, and why it could not be."""
    try:
        return await _unless_stopped(run, preparation), None
    except EngineError as error:
        return _Prepared(), error


async def _unless_stopped(run: Run, preparation: Coroutine[Any, Any, _Prepared]) -> _Prepared:
    """Await a preparation that ends at once when the run is stopped.

    Raises:
        EngineError: the preparation failed, or the run was stopped (class cancelled).
    """
    task = asyncio.create_task(preparation)
    run.on_stop(lambda _reason, _error: task.cancel())
    try:
        return await task
    except asyncio.CancelledError:
        task.cancel()
        if run.stopped is None:
            raise
        error = run.stopped[1]
        raise EngineError(error.error_class, error.code, error.message, remedy=error.remedy) from None
    except EngineError:
        raise
    except Exception as exc:
        raise classify(exc) from exc


def _first(exc: Exception) -> BaseException:
    """The first error of a task group's; a group of its own says nothing."""
    first: BaseException = exc
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first
