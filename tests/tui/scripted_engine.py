"""A scripted engine: it plays made-up runs through the real event bus and the real view, at a pace that tests choose.

It stands in for `engine.Engine` where a test needs a moment that a real run passes through too quickly, or only when
something breaks.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

from engine import events as ev
from engine.bus import EventBus
from engine.config import EngineConfig, Priority
from engine.errors import EngineError, ErrorClass, ErrorInfo
from engine.graph.routers import check_labels, router_at
from engine.graph.spec import GraphSpec
from engine.models.catalogue import Resolution
from engine.models.protocol import ModelInfo, PullProgress
from engine.run.fork import check_fork, make_fork
from engine.run.model_library import chosen, roles_of
from engine.run.result import Result
from engine.store.approvals import ApprovalRow
from engine.store.export_run import export_kept
from engine.store.rows import CorrectionRow, ParentRow, RevisionRow, TransactionRow
from engine.store.samples import Samples
from engine.tools.facts import ToolFacts, tool_facts
from engine.tools.policy import ApprovalPolicy, Approver
from engine.tools.registry import ToolRegistry
from engine.view import View, fold
from tests.tui.scripted_memory import ScriptedMemory

MODEL = "smollm2:135m"
ANSWER = (
    "The capital of France is **Paris**.\n\nIt lies on the *Seine*:\n\n- the Louvre\n- the Eiffel Tower\n\n"
    "```python\nprint('Bonjour')\n```\n"
)


class Pace:
    """How a script waits: not at all, in real time, or until a test says so."""

    def __init__(self, scale: float = 0.0) -> None:
        self.scale = scale
        self.hold: asyncio.Event | None = None
        """Where set, scripts stop at `wait_here` until it is set."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds * self.scale)

    async def wait_here(self) -> None:
        if self.hold is not None:
            await self.hold.wait()


class ScriptedRun:
    """One run: emits the bodies of its script, and turns cancellation into a rollback."""

    def __init__(self, engine: ScriptedEngine, graph: GraphSpec, question: str, session: str | None) -> None:
        self.engine, self.graph, self.question, self.session = engine, graph, question, session
        engine.know(session)
        self.number = len(engine.rows) + 1
        self.transaction = f"tx-{self.number}"
        self.seq = 0
        self.fork: ev.Fork | None = None
        self.replaces = ""
        self.model: str | None = None
        self.started = time.time()
        self.task: asyncio.Task[None] | None = None
        self.terminal: ev.Committed | ev.RolledBack | None = None

    def emit(self, body: ev.Body) -> None:
        self.seq += 1
        self.engine.publish(self.transaction, self.seq, round((time.time() - self.started) * 1000), body)
        if isinstance(body, ev.Committed | ev.RolledBack):
            self.terminal = body
        if isinstance(body, ev.Committed) and self.session is not None:
            self.engine.keep_turn(self.session, self.question, body.text, self.transaction, self.number)

    def begin(self) -> None:
        self.emit(
            ev.Begin(
                graph=self.graph.model_dump(mode="json"),
                graph_hash=self.graph.content_hash(),
                question=self.question,
                session=self.session,
                number=self.number,
                backend="embedded",
                endpoint="embedded",
                models={"@general": MODEL},
                windows={MODEL: 2048},
                breakers=tuple(self.engine.all_breakers.values()),
                fork=self.fork,
                replaces=self.replaces,
                recalled=self.engine.recalls,
            )
        )

    async def node(self, path: str, visit: int = 1, *, seconds: float = 0.05, **finish: Any) -> None:
        self.emit(ev.NodeStarted(path=path, visit=visit, message=1))
        await self.engine.pace.sleep(seconds)
        self.emit(ev.NodeFinished(path=path, visit=visit, outcome="ok", duration_ms=round(seconds * 1000), **finish))

    def edge(self, source: str, target: str) -> None:
        self.emit(ev.EdgeTaken(source=source, target=target, visit=1, message=1))

    async def write(self, path: str, text: str, *, visit: int = 1, attempt: int = 1, size: int = 12) -> None:
        """A model call that streams `text`."""
        self.emit(
            ev.ModelStarted(
                path=path, visit=visit, step=1, attempt=attempt, model=MODEL, endpoint="embedded", request_hash="0"
            )
        )
        await self.engine.pace.sleep(0.3)
        for offset in range(0, len(text), size):
            piece = text[offset : offset + size]
            self.emit(
                ev.ModelDelta(
                    path=path, visit=visit, step=1, attempt=attempt, offset=offset, text=piece, tokens=offset // 4 + 1
                )
            )
            await self.engine.pace.sleep(0.1)
            if offset >= len(text) // 2:
                await self.engine.pace.wait_here()
        self.emit(
            ev.ModelFinished(
                path=path, visit=visit, step=1, attempt=attempt, model=MODEL, text=text, finish="stop",
                prompt_tokens=61, completion_tokens=len(text) // 4, duration_ms=max(len(text) * 8, 1),
                first_token_ms=40,
            )
        )  # fmt: skip

    def remember(self, path: str, *, tokens: int = 612, window: int = 2048) -> None:
        self.emit(
            ev.ContextMeasured(
                selection=f"{path} {MODEL}",
                tokens=tokens,
                window=window,
                messages=7,
                reserved=256,
                by_kind={"system": 88, "question": 24, "history": max(tokens - 172, 0), "upstream": 60},
            )
        )  # fmt: skip

    async def result(self) -> Result:
        assert self.task is not None
        await asyncio.wait([self.task])
        terminal = self.terminal
        assert terminal is not None
        committed = isinstance(terminal, ev.Committed)
        return Result(
            transaction=self.transaction, number=self.number, status="committed" if committed else "rolled_back",
            exit=terminal.exit, text=terminal.text, data={}, usage=terminal.usage, backend="embedded", model=MODEL,
            nodes=(), reason=getattr(terminal, "reason", ""), error=getattr(terminal, "error", None),
        )  # fmt: skip

    def cancel(self) -> None:
        assert self.task is not None
        self.task.cancel()

    async def play(self) -> None:
        try:
            await self.engine.script(self)
        except asyncio.CancelledError:
            self.emit(ev.RollingBack(reason="cancelled"))
            self.emit(ev.RolledBack(reason="cancelled"))


Script = Callable[[ScriptedRun], Awaitable[None]]


async def answers(run: ScriptedRun) -> None:
    """A run through the multi-domain graph that goes well."""
    run.begin()
    await run.node("start")
    run.edge("start", "router")
    run.emit(ev.NodeStarted(path="router", visit=1, message=1))
    await run.engine.pace.sleep(0.4)
    run.emit(
        ev.RouteDecided(
            path="router", visit=1, labels=("general",), target="general", route="general", stage="classifier"
        )
    )
    run.emit(ev.NodeFinished(path="router", visit=1, outcome="ok", duration_ms=41))
    run.edge("router", "general")
    run.emit(ev.NodeStarted(path="general", visit=1, message=2))
    run.remember("general")
    await run.write("general", run.engine.answer)
    run.emit(ev.NodeFinished(path="general", visit=1, outcome="ok", content=run.engine.answer, duration_ms=900))
    run.edge("general", "check")
    run.emit(ev.NodeStarted(path="check", visit=1, message=3))
    run.emit(ev.GateDecided(path="check", visit=1, passed=True, target="answer", checks={"not_empty": True}))
    run.emit(ev.NodeFinished(path="check", visit=1, outcome="ok", duration_ms=1))
    run.edge("check", "answer")
    run.emit(ev.Checkpoint(number=1, log_length=run.seq, frontier=()))
    await run.node("answer")
    run.emit(ev.Committed(exit="success", exit_node="answer", text=run.engine.answer, usage=ev.Usage(61, 42, 1)))


async def fails(run: ScriptedRun) -> None:
    """A run whose model fails in the middle of its answer, three times; its breaker opens."""
    run.begin()
    await run.node("start")
    run.edge("start", "router")
    await run.node("router")
    run.edge("router", "math")
    run.emit(ev.NodeStarted(path="math", visit=1, message=2))
    run.remember("math", tokens=1790)
    run.emit(
        ev.ContextPruned(
            selection=f"math {MODEL}", reason="over 80 % of the window", tokens_before=1790, tokens_after=1228,
            window=2048,
            removed=("history 402 What is the derivative of x squared?", "history 160 The derivative is 2x."),
        )
    )  # fmt: skip
    error = ErrorInfo(
        ErrorClass.PROTOCOL, "stream_cut", "The model server's answer broke off.", "Look at its log.", "math"
    )
    for attempt in range(1, 4):
        run.emit(
            ev.ModelStarted(
                path="math", visit=1, step=1, attempt=attempt, model=MODEL, endpoint="embedded", request_hash="0"
            )
        )
        text = "To add two and two, we"
        run.emit(ev.ModelDelta(path="math", visit=1, step=1, attempt=attempt, offset=0, text=text, tokens=7))
        await run.engine.pace.sleep(0.6)
        run.emit(
            ev.AttemptFailed(
                path="math", visit=1, step=1, attempt=attempt, model=MODEL, error=error,
                retry_in_ms=200 if attempt < 3 else None, partial=text,
            )
        )  # fmt: skip
    run.engine.breaker(
        ev.BreakerSnapshot(
            f"embedded {MODEL}", "endpoint", "open", failures=3, until_ms=run.engine.now_ms() + 60_000,
            last_error="The model server's answer broke off.", recent="........x.....xx.xxx",
        ),
        "closed",
    )  # fmt: skip
    run.emit(ev.NodeFinished(path="math", visit=1, outcome="failed", error=error, duration_ms=1900))
    run.emit(ev.RollingBack(reason="failed", error=error))
    run.emit(ev.RolledBack(reason="failed", error=error))


class ScriptedLibrary:
    """Fetches models that are there at once, or as soon as the engine's pace goes on; `failure` is raised instead."""

    def __init__(self, engine: ScriptedEngine) -> None:
        self.engine = engine
        self.failure: EngineError | None = None
        self.closed: list[str] = []
        """Pulls that were ended before their end."""

    async def pull(self, model: str) -> AsyncGenerator[PullProgress, None]:
        yield PullProgress("connecting")
        if self.failure is not None:
            raise self.failure
        yield PullProgress("fetching", 420_000_000, 1_000_000_000)
        try:
            await self.engine.pace.wait_here()
        except asyncio.CancelledError:
            self.closed.append(model)
            raise
        self.engine.installed.append(ModelInfo(model, size_bytes=1_000_000_000, parameters_b=1.5, window=4096))
        yield PullProgress("done", 1_000_000_000, 1_000_000_000)

    async def delete(self, model: str) -> None:
        if self.failure is not None:
            raise self.failure
        self.engine.installed = [info for info in self.engine.installed if info.name != model]


class ScriptedEngine(ScriptedMemory):
    """The face of the engine that the cockpit uses."""

    def __init__(self, script: Script = answers, *, scale: float = 0.0, answer: str = ANSWER) -> None:
        super().__init__()
        self.script = script
        self.answer = answer
        self.pace = Pace(scale)
        self.bus = EventBus()
        self.data_dir: Path | None = Path("scripted")
        self.read_only = False
        self.store_problem = ""
        self.notices: list[str] = []
        self.recovered: Sequence[TransactionRow] = ()
        self.resumed: Sequence[ScriptedRun] = ()
        self.left: Sequence[TransactionRow] = ()
        self.rows: list[ScriptedRun] = []
        self.revisions: list[tuple[RevisionRow, GraphSpec]] = []
        self.log: list[ev.Event] = []
        self.all_breakers: dict[str, ev.BreakerSnapshot] = {}
        self.backend_error: EngineError | None = None
        self.installed = [ModelInfo(MODEL, parameters_b=0.135, window=2048)]
        self.config = EngineConfig()
        self.library = ScriptedLibrary(self)
        self.pruned: set[str] = set()
        """Transactions that a fork cannot find any more."""
        self.closed = False
        self.gseq = 0
        self.views_read = 0
        self.approver: Approver | None = None
        self.taught: list[CorrectionRow] = []
        """Corrections that count, the newest first."""
        self.sampled = Samples()
        """What the health screen is told."""
        self.asked: list[ApprovalRow] = []
        """Requests for approval, the newest first."""
        self.recalls: tuple[ev.Recalled, ...] = ()
        """What every run is told from long-term memory."""
        self.replaced: list[str] = []
        """Of each run, in order: the transaction whose turn its own takes the place of."""
        self.warmed: list[str] = []
        """Graphs whose models were to be loaded, in order."""

    @asynccontextmanager
    async def open(self) -> AsyncIterator[ScriptedEngine]:
        try:
            yield self
        finally:
            for run in self.rows:
                if run.task is not None and not run.task.done():
                    run.task.cancel()
                    await asyncio.wait([run.task])
            self.bus.close()
            self.closed = True

    def publish(self, tx: str | None, seq: int, t_ms: int, body: ev.Body) -> None:
        self.gseq += 1
        event = ev.Event(self.gseq, tx, seq, t_ms, self.now_ms(), body)
        self.log.append(event)
        self.bus.publish(event)

    def breaker(self, snapshot: ev.BreakerSnapshot, previous: ev.BreakerStateName) -> None:
        self.all_breakers[snapshot.key] = snapshot
        self.publish(None, 0, 0, ev.BreakerChanged(snapshot, previous))

    def start(
        self,
        graph: GraphSpec,
        question: str,
        *,
        session: str | None = None,
        inputs: Any = None,
        approver: Approver | None = None,
        priority: Priority = "graph",
        replaces: str = "",
    ) -> ScriptedRun:
        del priority  # nothing queues here
        self.replaced.append(replaces)
        self.approver = approver
        if len(question) > 500_000:
            raise EngineError(
                ErrorClass.INVALID_REQUEST,
                "question_too_long",
                "The question is too long.",
                remedy="Ask a shorter one.",
            )
        run = ScriptedRun(self, graph, question, session)
        run.replaces = replaces
        self.rows.append(run)
        run.task = asyncio.create_task(run.play())
        return run

    async def fork(
        self,
        reference: str,
        *,
        at: int | None = None,
        question: str | None = None,
        graph: GraphSpec | None = None,
        model: str | None = None,
        session: str | None = None,
        approver: Approver | None = None,
        replace: bool = False,
    ) -> ScriptedRun:
        """Plays `self.script` again, as a run that begins with what it takes over."""
        row = await self.transaction(reference)
        parent = next(run for run in self.rows if run.transaction == row.tx)
        fork = make_fork([event for event in self.log if event.tx == parent.transaction], parent.number, at)
        spec = graph or parent.graph
        check_fork(fork, spec)
        asked = parent.question if question is None else question
        replaces = parent.transaction if replace else ""
        run = self.start(spec, asked, session=session, approver=approver, replaces=replaces)
        run.fork, run.model = fork, model
        return run

    async def view(self, tx: str, upto: int | None = None) -> View:
        self.views_read += 1
        return fold(event for event in await self.events(tx) if upto is None or event.seq <= upto)

    async def events(self, tx: str) -> list[ev.Event]:
        mine = [event for event in self.log if event.tx == tx]
        if not mine:
            raise EngineError(ErrorClass.NOT_FOUND, "not_found", f"There is no transaction {tx}.")
        return [e for e in self.log if mine[0].gseq <= e.gseq <= mine[-1].gseq and e.tx in (tx, None)]

    async def export(self, tx: str) -> AsyncIterator[bytes]:
        name = f"{int(tx.removeprefix('tx-')):032x}"  # files name transactions as the real engine does
        for line in export_kept(name, await self.events(tx)):
            yield line

    async def transactions(
        self, limit: int = 100, session: str | None = None, *, before: int | None = None
    ) -> list[TransactionRow]:
        rows = [await self._row(run) for run in reversed(self.rows) if before is None or run.number < before]
        return rows[:limit]

    async def samples(self, last: int = 100, graph: str | None = None) -> Samples:
        return self.sampled

    async def approvals(self, limit: int = 50) -> list[ApprovalRow]:
        return self.asked[:limit]

    async def tools(self) -> list[ToolFacts]:
        return tool_facts(ToolRegistry(), ApprovalPolicy(), workspace=False)

    async def engine_events(self, limit: int = 500) -> list[ev.Event]:
        return [event for event in self.log if event.tx is None][-limit:]

    async def transaction(self, ref: str) -> TransactionRow:
        return next(row for row in await self.transactions() if ref.lstrip("#") in (str(row.number), row.tx))

    async def _row(self, run: ScriptedRun) -> TransactionRow:
        view = await self.view(run.transaction)
        fork = run.fork
        parent = None if fork is None else ParentRow(fork.parent, fork.number, fork.seq, fork.parent not in self.pruned)
        return TransactionRow(
            number=run.number, tx=run.transaction, status=view.status, session=run.session, graph_id=run.graph.id,
            question=run.question, answer=view.answer, exit=view.exit, reason=view.reason, error="", backend="embedded",
            started_ms=view.started_wall_ms, duration_ms=view.t_ms, events=view.events, usage=view.usage,
            parent=parent,
        )  # fmt: skip

    async def graph_history(self, graph_id: str | None = None) -> list[RevisionRow]:
        return [row for row, _ in self.revisions if graph_id in (None, row.graph_id)]

    async def graph_revision(self, reference: str) -> GraphSpec:
        found = [graph for row, graph in self.revisions if row.hash.startswith(reference)]
        if not found:
            raise EngineError(ErrorClass.NOT_FOUND, "revision_not_found", f"{reference!r} is no revision.")
        return found[0]

    async def prepare(self, graph: GraphSpec) -> dict[str, str]:
        if self.backend_error is not None:
            raise self.backend_error
        return {"@general": MODEL}

    def warm(self, graph: GraphSpec) -> None:
        self.warmed.append(graph.id)

    async def backend(self) -> Any:

        class Kind:
            kind = "embedded"
            endpoint = "embedded"

        return Kind()

    async def models(self) -> list[ModelInfo]:
        if self.backend_error is not None:
            raise self.backend_error
        return self.installed

    async def use(self, model: str | None, role: str | None = None) -> None:
        self.config = chosen(self.config, self.installed, model, role)

    async def roles(self) -> Mapping[str, Resolution | EngineError]:
        return roles_of(self.config, self.installed)

    async def teach(
        self,
        graph: GraphSpec,
        question: str,
        routes: Sequence[str],
        *,
        router: str | None = None,
        transaction: str = "",
    ) -> CorrectionRow:
        found = router_at(graph, router)
        labels = check_labels(found, routes)
        number, now = len(self.taught) + 1, self.now_ms()
        row = CorrectionRow(number, found.graph_id, found.node, question, labels, transaction, None, now, None)
        self.taught = [row, *(each for each in self.taught if each.question != question)]
        return row

    async def corrections(self, graph: GraphSpec | None = None) -> list[CorrectionRow]:
        return list(self.taught)

    async def unteach(self, correction: int) -> None:
        self.taught = [row for row in self.taught if row.id != correction]

    def breakers(self) -> tuple[ev.BreakerSnapshot, ...]:
        return tuple(self.all_breakers.values())

    def force_breaker(self, key: str, mode: Literal["open", "closed", "disabled", "auto"]) -> None:
        states: dict[str, ev.BreakerStateName] = {"open": "forced_open", "disabled": "disabled"}
        now = self.all_breakers[key]
        changed = dataclasses.replace(now, state=states.get(mode, "closed"), failures=0, until_ms=None)
        self.breaker(changed, now.state)
