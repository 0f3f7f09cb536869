"""Engine: the public face. It owns the store, the bus, the breakers, the backend and the runs."""

from __future__ import annotations

import asyncio
import sqlite3
import time
import uuid
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

from engine import events as ev
from engine.bus import EventBus
from engine.config import BackendName, EngineConfig
from engine.errors import EngineError, ErrorClass, classify
from engine.events import BreakerSnapshot
from engine.graph.spec import GraphSpec
from engine.health.registry import BreakerRegistry
from engine.message import estimate_tokens, replace_surrogates
from engine.models.caller import ModelCaller
from engine.models.detect import choose_backend
from engine.models.protocol import ModelBackend, ModelInfo
from engine.run.executor import Executor, Verdict
from engine.run.plan import Plan, make_plan
from engine.run.recovery import roll_back_unfinished
from engine.run.resolution import ModelDirectory, Resolved, resolve_models
from engine.run.result import Result
from engine.run.run import CLOSED, Run, result_of
from engine.run.services import RunServices
from engine.run.transaction import Transaction
from engine.store import queries
from engine.store.database import Database, StoreError
from engine.store.log import EventLog
from engine.store.rows import SessionRow, TransactionRow
from engine.view import View, fold

_PLANS = 64
"""Compiled graphs that are kept."""
_HISTORY_SHARE = 1.25
"""History that a run is given, as a share of the largest window: enough to be pruned, never without bound."""


class Engine:
    """Use `engine.open` to make one. All methods belong to the event loop that opened it."""

    def __init__(self, config: EngineConfig, data_dir: Path | None) -> None:
        self.config = config
        self.data_dir = data_dir
        self.bus = EventBus()
        self.notices: list[str] = []
        """Sentences for the person about what opening found."""
        self.recovered: tuple[TransactionRow, ...] = ()
        """Transactions found unfinished at start-up; they were rolled back."""
        self._database: Database | None = None
        self._log = EventLog(self.bus, None)
        self._breakers = BreakerRegistry(config.breaker, emit=self._emit)
        self._backend: ModelBackend | None = None
        self._directory: ModelDirectory | None = None
        self._caller: ModelCaller | None = None
        self._connecting = asyncio.Lock()
        self._plans: dict[str, Plan] = {}
        self._next_number = 1
        self._runs: set[Run] = set()
        self._background: set[asyncio.Task[None]] = set()
        self._writer: asyncio.Task[None] | None = None

    # -- life --------------------------------------------------------------------------------------------------------

    async def start_up(self) -> None:
        """Open the store, take over what an earlier process left, and begin to look for a backend.

        Raises:
            StoreError: the data folder cannot be used.
        """
        if self.data_dir is not None:
            await self._open_store(self.data_dir)
        self._writer = asyncio.create_task(self._log.write_forever(), name="event log writer")
        if self._recording is not None:
            self._breakers.restore(await queries.breakers(self._recording))
            self.recovered = await roll_back_unfinished(self._recording, self._log)
            self._spawn(self._enforce_retention(self._recording), "retention")
        self._spawn(self._warm_up(), "backend warm-up")

    async def _open_store(self, folder: Path) -> None:
        self._database = await Database.open(folder)
        self.notices.extend(self._database.notices)
        if self._database.read_only:
            return
        next_gseq, self._next_number = await queries.next_numbers(self._database)
        self._log = EventLog(self.bus, self._database, next_gseq=next_gseq)

    @property
    def _recording(self) -> Database | None:
        """The database, where runs are recorded in it."""
        return None if self._database is None or self._database.read_only else self._database

    @property
    def read_only(self) -> bool:
        """Whether a database is open that this engine must not write; runs then live in memory only."""
        return self._database is not None and self._database.read_only

    async def shut_down(self) -> None:
        """Roll back what runs, write what is queued, end the backend. Nothing is left when it returns."""
        runs = list(self._runs)
        for run in runs:
            run.stop("interrupted", CLOSED)
        await asyncio.gather(*(run.result() for run in runs), return_exceptions=True)
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        if self._backend is not None:
            await self._backend.aclose()
        await self._close_store()
        self.bus.close()

    async def _close_store(self) -> None:
        if self._recording is not None and not self._log.blocked:
            try:
                await self._log.flush()
            except StoreError as exc:
                self.notices.append(f"The last events could not be written: {exc}")
        self._log.close()
        if self._writer is not None:
            await self._writer
        if self._database is not None:
            await self._database.close()

    def _spawn(self, coroutine: Coroutine[Any, Any, None], name: str) -> None:
        """A background task that the engine owns: it is cancelled and awaited before the engine is closed."""
        task = asyncio.create_task(coroutine, name=name)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _enforce_retention(self, database: Database) -> None:
        try:
            await queries.enforce_retention(database, self.config.keep_transactions)
        except sqlite3.Error as exc:
            self.notices.append(f"Old transactions could not be removed: {exc}")

    def _emit(self, body: ev.Body) -> None:
        self._log.append(body)

    # -- models ------------------------------------------------------------------------------------------------------

    async def _warm_up(self) -> None:
        try:
            await self.backend()
        except EngineError as error:
            self._emit(
                ev.BackendChanged(
                    endpoint=self.config.backend,
                    backend=self.config.backend,
                    status="offline",
                    detail=error.message,
                    remedy=error.remedy,
                )
            )

    async def backend(self) -> ModelBackend:
        """The backend, connected; looked for again when there was none before.

        Raises:
            EngineError: there is none; the remedy is exact.
        """
        async with self._connecting:
            if self._backend is None:
                backend = await choose_backend(self.config, emit=self._emit)
                self._directory = ModelDirectory(backend)
                self._caller = ModelCaller(
                    backend, self._breakers, self.config.retry, concurrency=_concurrency(backend, self.config)
                )
                self._backend = backend
            return self._backend

    async def models(self) -> list[ModelInfo]:
        """The models installed in the backend.

        Raises:
            EngineError: there is no backend, or it cannot be asked.
        """
        await self.backend()
        assert self._directory is not None  # noqa: S101 - made with the backend
        return await self._directory.installed()

    def breakers(self) -> tuple[BreakerSnapshot, ...]:
        """All circuit breakers, by key."""
        return self._breakers.snapshots()

    def force_breaker(self, key: str, mode: Literal["open", "closed", "disabled", "auto"]) -> None:
        """Set a breaker by hand.

        Raises:
            EngineError: not_found.
        """
        self._breakers.force(key, mode)

    # -- runs --------------------------------------------------------------------------------------------------------

    def start(
        self,
        graph: GraphSpec,
        question: str,
        *,
        session: str | None = None,
        inputs: Mapping[str, Any] | None = None,
    ) -> Run:
        """Begin to answer a question; returns at once.

        Args:
            graph: a validated graph.
            question: the person's text.
            session: id of the session whose earlier turns the models see, and to which this one is added on commit.
            inputs: further JSON fields for the entry node.

        Raises:
            ConfigurationError: a condition of the graph does not parse.
        """
        plan = self._plan(graph)
        tx = uuid.uuid4().hex
        number = 0 if self.read_only else self._next_number
        self._next_number += 1
        run = Run(tx, number, self.bus.subscribe(tx=tx), self._events_after)
        self._runs.add(run)
        drive = self._drive(run, plan, replace_surrogates(question), session, dict(inputs or {}))
        task = asyncio.create_task(drive, name=f"run {tx}")
        task.add_done_callback(lambda _task: self._runs.discard(run))
        run.attach(task)
        return run

    def _plan(self, graph: GraphSpec) -> Plan:
        key = graph.content_hash()
        plan = self._plans.get(key)
        if plan is None:
            plan = make_plan(graph)
            while len(self._plans) >= _PLANS:
                self._plans.pop(next(iter(self._plans)))
            self._plans[key] = plan
        return plan

    async def _drive(self, run: Run, plan: Plan, question: str, session: str | None, inputs: dict[str, Any]) -> Result:
        """A whole run: prepare, begin, execute, end. Never raises for what can go wrong in a run."""
        backend: ModelBackend | None = None
        resolved, history, problem = Resolved(), (), None
        try:
            backend, resolved, history = await _unless_stopped(run, self._prepare(plan, session))
        except EngineError as error:
            problem = error
        body = self._begin_body(run, plan, question, session, inputs, history, backend, resolved)
        visits: list[tuple[str, str, int]] = []
        tx = Transaction(self._log, self._log.stream(run.transaction))
        try:
            await tx.begin(body)
            if problem is not None:
                verdict = Verdict(run.stopped[0] if run.stopped else "failed", error=problem.info())
            else:
                executor = self._executor(plan, tx, resolved, history)
                visits = executor.visits
                run.on_stop(executor.stop)
                verdict = await executor.run()
            terminal = await self._end(tx, verdict)
        except StoreError as error:
            terminal = ev.RolledBack("failed", error.info(), usage=tx.state.usage)
            if not tx.state.terminal:
                tx.emit(terminal)
        partial = _partial_text(tx)
        return result_of(run, terminal, backend=backend.kind if backend else "", visits=visits, text=partial)

    async def _prepare(
        self, plan: Plan, session: str | None
    ) -> tuple[ModelBackend | None, Resolved, tuple[tuple[str, str], ...]]:
        backend: ModelBackend | None = None
        resolved = Resolved()
        if any(spec.type in ("model", "router") for spec in plan.specs.values()):
            backend = await self.backend()
            assert self._directory is not None  # noqa: S101 - made with the backend
            resolved = await resolve_models(plan.graph, self._directory, self.config)
        return backend, resolved, await self._history(session, resolved)

    async def _history(self, session: str | None, resolved: Resolved) -> tuple[tuple[str, str], ...]:
        """The session's latest turns, as far as any model of the run could take them."""
        if session is None or self._database is None:
            return ()
        room = int(max(resolved.windows.values(), default=0) * _HISTORY_SHARE)
        taken: list[tuple[str, str]] = []
        for role, content, _tx in reversed(await queries.session_messages(self._database, session, limit=1000)):
            room -= estimate_tokens(content)
            if room < 0:
                break
            taken.append((role, content))
        return tuple(reversed(taken))

    def _begin_body(
        self,
        run: Run,
        plan: Plan,
        question: str,
        session: str | None,
        inputs: dict[str, Any],
        history: tuple[tuple[str, str], ...],
        backend: ModelBackend | None,
        resolved: Resolved,
    ) -> ev.Begin:
        return ev.Begin(
            graph=plan.document,
            graph_hash=plan.content_hash,
            question=question,
            session=session,
            number=run.number,
            inputs=inputs,
            history=history,
            backend=backend.kind if backend else "",
            endpoint=backend.endpoint if backend else "",
            models=resolved.models,
            digests=resolved.digests,
            windows=resolved.windows,
            breakers=self._breakers.snapshots(),
            checkpoint_every=self.config.checkpoint_every,
            max_steps=self.config.max_steps,
            timeout_ms=round(self.config.run_timeout_s * 1000),
        )

    def _executor(
        self, plan: Plan, tx: Transaction, resolved: Resolved, history: tuple[tuple[str, str], ...]
    ) -> Executor:
        services = RunServices(
            breakers=self._breakers,
            caller=self._caller,
            models=resolved.models,
            failures=resolved.failures,
            windows=resolved.windows,
            capable=frozenset(resolved.capable),
            history=history,
        )
        return Executor(
            plan,
            tx,
            services,
            max_steps=self.config.max_steps,
            checkpoint_every=self.config.checkpoint_every,
            timeout_s=self.config.run_timeout_s,
        )

    async def _end(self, tx: Transaction, verdict: Verdict) -> ev.Body:
        """Commit or roll back, as the outcome table says."""
        if verdict.reason == "exit" and verdict.status in ("success", "fallback"):
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
        return await tx.roll_back(reason, error, text=verdict.text, exit_status=verdict.status)

    # -- reading -----------------------------------------------------------------------------------------------------

    async def events(self, tx: str) -> list[ev.Event]:
        """All events of a transaction with the engine stream's inside its span, in order.

        Raises:
            StoreError: the database cannot be read.
        """
        return await self._events_after(tx, 0)

    async def _events_after(self, tx: str, after: int) -> list[ev.Event]:
        kept = self._log.kept(tx, after=after)
        if kept or self._database is None:
            return kept
        if self._recording is not None and not self._log.failed:
            await self._log.flush()
        return await queries.events(self._database, tx, after=after)

    async def view(self, tx: str, upto: int | None = None) -> View:
        """What the panes show of a transaction, folded from the store; `upto` is the `seq` of the last event."""
        events = await self.events(tx)
        if upto is not None:
            last = next((i for i, e in enumerate(events) if e.tx is not None and e.seq > upto), len(events))
            events = events[:last]
        return fold(events)

    async def transactions(self, limit: int = 100, session: str | None = None) -> list[TransactionRow]:
        """The recorded transactions, newest first."""
        if self._database is None:
            return []
        return await queries.transactions(self._database, limit=limit, session=session)

    async def transaction(self, reference: str) -> TransactionRow:
        """One transaction by number (`42`, `#42`), id or unique beginning of an id.

        Raises:
            EngineError: not_found.
        """
        if self._database is None:
            raise EngineError(
                ErrorClass.NOT_FOUND, "transaction_not_found", "There is no store.", remedy="Open one with --data-dir."
            )
        return await queries.transaction(self._database, reference)

    async def sessions(self) -> list[SessionRow]:
        """The sessions, latest use first."""
        return [] if self._database is None else await queries.sessions(self._database)

    async def create_session(self, name: str = "") -> SessionRow:
        """A new, empty session; without a recording store it exists for this engine's runs only."""
        now = time.time_ns() // 1_000_000
        row = SessionRow(uuid.uuid4().hex, replace_surrogates(name) or "session", now, now, 0)
        if self._recording is not None:
            await queries.create_session(self._recording, row)
        return row

    async def session_messages(self, session: str) -> list[tuple[str, str, str]]:
        """(role, content, transaction) of a session's messages, oldest first."""
        return [] if self._database is None else await queries.session_messages(self._database, session)


@asynccontextmanager
async def open_engine(
    data_dir: Path | str | None = None,
    *,
    config: EngineConfig | None = None,
    backend: BackendName | None = None,
) -> AsyncIterator[Engine]:
    """Open an engine; on leaving, what still runs is rolled back and everything is closed.

    Args:
        data_dir: folder of the database; None keeps nothing on disk.
        config: settings; the defaults otherwise.
        backend: overrides the backend of `config`.

    Raises:
        StoreError: the data folder cannot be used.
    """
    settings = config or EngineConfig()
    if backend is not None:
        settings = settings.model_copy(update={"backend": backend})
    engine = Engine(settings, None if data_dir is None else Path(data_dir))
    try:
        await engine.start_up()
        yield engine
    finally:
        await engine.shut_down()


def _concurrency(backend: ModelBackend, config: EngineConfig) -> int:
    """Calls at a time per model: what the server really works on in parallel; more would only wait there, unseen."""
    return {"embedded": config.embedded.slots, "ollama": 1}.get(backend.kind, 4)


async def _unless_stopped(run: Run, preparation: Any) -> Any:
    """Await a preparation that ends at once when the run is stopped.

    Raises:
        EngineError: the preparation failed, or the run was stopped (class cancelled).
    """
    task = asyncio.ensure_future(preparation)
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


def _partial_text(tx: Transaction) -> str:
    """What there was of an answer when the run did not commit: the latest message that a model made."""
    for message in reversed(tx.state.messages.values()):
        if message.data.get("answered_by") and message.content:
            return message.content
    return ""
