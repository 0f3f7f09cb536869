"""Engine: the public face. It owns the store, the bus, the breakers, the backend and the runs."""

from __future__ import annotations

import asyncio
import json
import os
import time
import uuid
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, overload

from engine import events as ev
from engine.config import BackendName, EngineConfig, Priority
from engine.errors import EngineError, ErrorClass
from engine.graph.recorded import recorded_graph
from engine.graph.routers import router_at
from engine.graph.spec import GraphSpec
from engine.graph.validation import Names
from engine.health.registry import BreakerRegistry
from engine.message import replace_surrogates
from engine.nodes.json_values import plain_json
from engine.nodes.route_evaluation import RoutingFigures, evaluate
from engine.routing.examples import Example
from engine.run.answering import Answering
from engine.run.driver import Asked, Driver
from engine.run.fork import check_fork, make_fork
from engine.run.model_library import chosen
from engine.run.plan import Plan, make_plan
from engine.run.recalling import Recaller
from engine.run.recovery import Interrupted, forget_copies_of_ended, interrupted
from engine.run.result import Result
from engine.run.route_report import alone, examples_in, explain, ready_embedder
from engine.run.run import CLOSED, Run
from engine.run.structured import M, ask_for, structured_graph
from engine.store import queries, retention
from engine.store.database import Database, StoreError
from engine.store.log import EventLog
from engine.store.retention import Limits
from engine.store.rows import TransactionRow
from engine.tools.facts import ToolFacts, tool_facts
from engine.tools.policy import Approver
from engine.tools.protocol import Tool, ToolContext
from engine.tools.registry import ToolRegistry
from engine.tools.workspace import Workspace

UNDO = "undo"
"""Folder of undo copies in the data folder."""
_PLANS = 64
"""Compiled graphs that are kept."""


class Engine(Answering):
    """Use `engine.open` to make one. All methods belong to the event loop that opened it."""

    def __init__(
        self, config: EngineConfig, data_dir: Path | None, approver: Approver | None = None, tools: Iterable[Tool] = ()
    ) -> None:
        super().__init__(config, data_dir)
        self._tools = ToolRegistry(tools)
        self._approver = approver
        self.recovered: tuple[TransactionRow, ...] = ()
        """Transactions found unfinished at start-up that were rolled back."""
        self.resumed: tuple[Run, ...] = ()
        """Runs found unfinished at start-up that go on."""
        self.left: tuple[TransactionRow, ...] = ()
        """Transactions found unfinished at start-up that another start can go on with."""
        self._workspace = None if config.workspace is None else Workspace(config.workspace)
        self._tool_slots = asyncio.Semaphore((os.cpu_count() or 1) + 2)
        """Tool calls at the same time, of all runs."""
        self._plans: dict[str, Plan] = {}
        self._last_plan: tuple[GraphSpec | None, Plan | None] = (None, None)
        self._writer: asyncio.Task[None] | None = None

    # -- life --------------------------------------------------------------------------------------------------------

    async def start_up(self) -> None:
        """Open the store and take over what an earlier process left; no backend is looked for yet.

        Raises:
            StoreError: the data folder cannot be used.
        """
        if self.data_dir is not None:
            await self._open_store(self.data_dir)
        self._writer = asyncio.create_task(self._log.write_forever(), name="event log writer")
        if self._recording is not None:
            self._breakers.restore(await queries.breakers(self._recording))
            await self._recover(self._recording)
            self._spawn(self._enforce_retention(self._recording), "retention")

    async def _recover(self, database: Database) -> None:
        """Take over the runs that an earlier process left unfinished."""
        now = time.time_ns() // 1_000_000
        going_on, self.recovered = await interrupted(database, self._log, self.config, self._tools_of, wall_ms=now)
        if self.data_dir is not None:
            await forget_copies_of_ended(database, self.data_dir / UNDO, self._tools_of)
        if self.config.recovery == "leave":
            self.left = tuple(found.row for found in going_on)
        else:
            self.resumed = tuple(self._resume(found) for found in going_on)

    def _resume(self, found: Interrupted) -> Run:
        events = found.events
        run = Run(found.row.tx, found.row.number, self.bus, self._events_after, events)
        self._launch(run, self._driver(found.row.tx).resume(run, found, self._approver), found.row.session)
        return run

    async def _open_store(self, folder: Path) -> None:
        self._database = await Database.open(folder)
        self.notices.extend(self._database.notices)
        if self._database.read_only:
            return
        next_gseq, self._next_number = await queries.next_numbers(self._database)
        self._log = EventLog(self.bus, self._database, next_gseq=next_gseq, durability=self.config.durability)

    async def shut_down(self) -> None:
        """Roll back what runs, write what is queued, end the backend. Nothing is left when it returns."""
        runs = list(self._runs)
        for run in runs:
            run.stop("interrupted", CLOSED)
        await asyncio.gather(*(run.result() for run in runs), return_exceptions=True)
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self._connection.aclose()
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

    async def _enforce_retention(self, database: Database) -> None:
        try:
            limits = Limits(keep=self.config.keep_transactions, max_bytes=self.config.max_size_mb * 2**20)
            await retention.prune(database, limits)
        except StoreError as exc:
            self.notices.append(f"Old transactions could not be removed: {exc}")

    @property
    def names(self) -> Names:
        """What graphs may refer to, for `engine.load_graph`: with the tools that this engine was given."""
        return Names(tools=self._tools.own())

    async def tools(self) -> list[ToolFacts]:
        """Every tool that graphs may name, with what it may do."""
        policy = ToolContext(None, None, self._tools).policy
        return await asyncio.to_thread(tool_facts, self._tools, policy, workspace=self._workspace is not None)

    @property
    def store_problem(self) -> str:
        """Why the store does not write now, with the remedy; empty while it does. Runs wait for it."""
        error = self._log.error
        return "" if error is None else str(error)

    # -- runs --------------------------------------------------------------------------------------------------------

    def start(
        self,
        graph: GraphSpec,
        question: str,
        *,
        session: str | None = None,
        inputs: Mapping[str, Any] | None = None,
        approver: Approver | None = None,
        priority: Priority = "graph",
        replaces: str = "",
    ) -> Run:
        """Begin to answer a question; returns at once.

        Args:
            graph: a validated graph.
            question: the person's text.
            session: id of the session whose earlier turns the models see, and to which this one is added on commit.
            inputs: further JSON fields for the entry node.
            approver: who can ask a person where the graph or a tool needs a yes; None: nobody can, which means no.
            priority: whose model calls go first: `interactive` where a person waits, `graph` for runs in the
                background, `evaluation` for those that make room for any other.
            replaces: id of a transaction of the session whose turn this one's takes the place of on commit; its models
                do not see that turn.

        Raises:
            ConfigurationError: a condition of the graph does not parse.
            EngineError: invalid_request, when `inputs` is no JSON.
        """
        plan = self._plan(graph)
        given = _json_fields(inputs or {})
        text = replace_surrogates(question)
        return self._begin(Asked(plan, text, session, given, approver, priority=priority, replaces=replaces))

    @overload
    async def structured(
        self, question: str, form: type[M], *, model: str = ..., session: str | None = ..., **config: Any
    ) -> M: ...
    @overload
    async def structured(
        self, question: str, form: Mapping[str, Any], *, model: str = ..., session: str | None = ..., **config: Any
    ) -> Any: ...
    async def structured(
        self, question: str, form: Any, *, model: str = "@general", session: str | None = None, **config: Any
    ) -> Any:
        """Ask a model a question whose answer is a value: a transaction like any other.

        Args:
            question: the question, with the text that it is about.
            form: a pydantic model, of which an instance comes back, or a JSON Schema, for a JSON value that fulfils it.
            model: a role such as `@general`, or the name of a model.
            session: as for `start`.
            config: further fields of the model node, such as `system_prompt` and `max_tokens`.

        Raises:
            EngineError: the schema cannot be used, the model failed, or gave no such value when it was asked once more.
        """
        graph = structured_graph(form, model, **config)
        return await ask_for(lambda asked: self.start(graph, asked, session=session), question, form)

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
    ) -> Run:
        """Begin a new transaction that goes on from a step of another one; the other one stays as it is.

        What tools changed outside the program is not forked.

        Args:
            reference: the parent, as `transaction` takes it.
            at: sequence number of the last event that is shared; default: the last from which a run can go on, and with
                another question, graph or model the first, for all that follows was made of the parent's.
            question: instead of the parent's.
            graph: another graph, or another revision of the same; it needs the nodes that are under way there.
            model: one model for every role, instead of what the settings say.
            session: to which the turn is added on commit.
            approver: who can ask a person.
            replace: the turn takes the place of the parent's in the session (where that was rolled back, of the turn
                that it was to take the place of), on commit; the parent stays in the log.

        Raises:
            EngineError: not_found, for the parent or the model; invalid_request: there is no such step, or the graph
                does not fit.
        """
        row = await self.transaction(reference)
        events = [event for event in await self.events(row.tx) if event.tx is not None]
        begin = events[0].body if events else None
        if not isinstance(begin, ev.Begin):
            raise EngineError(ErrorClass.NOT_FOUND, "no_events", f"The events of #{row.number} are gone.")
        asked_anew = question is not None and replace_surrogates(question) != begin.question
        another = asked_anew or model is not None or (graph is not None and graph.content_hash() != begin.graph_hash)
        fork = make_fork(events, row.number, 1 if at is None and another else at)
        spec = graph or recorded_graph(begin.graph, f"#{row.number}")
        check_fork(fork, spec)
        if model is not None:
            chosen(self.config, await self.models(), model, None)  # raises: better now than in a run that fails
        asked = Asked(
            self._plan(spec),
            begin.question if question is None else replace_surrogates(question),
            session,
            begin.inputs,
            approver,
            fork,
            begin.history,
            None if asked_anew else begin.recalled,
            model,
            "interactive",
            begin.history_left_out,
            (row.tx if row.status == "committed" else begin.replaces) if replace else "",
        )
        return self._begin(asked)

    # -- routes ------------------------------------------------------------------------------------------------------

    async def explain_route(self, graph: GraphSpec, question: str, *, router: str | None = None) -> ev.RouteDecided:
        """What a router would say of a question, by all its stages and with what it was taught; nothing is recorded.

        Args:
            graph: a validated graph.
            question: the person's text.
            router: its id or path; it can be left out where there is only one.

        Raises:
            EngineError: not_found, for the router; or there is no backend, or the router fails.
        """
        found = router_at(graph, router)
        only = alone(found, graph)
        await ready_embedder(found, only, examples_in(await self._taught(only)), self._connection)
        return await explain(found, graph, replace_surrogates(question), self._unrecorded)

    async def evaluate_routes(
        self, graph: GraphSpec, questions: Sequence[Example], *, router: str | None = None, words: bool = False
    ) -> RoutingFigures:
        """How often a router is right, with what it was taught; no model is asked besides for embeddings.

        Args:
            graph: a validated graph.
            questions: with the labels that they should get; at least one.
            router: its id or path; it can be left out where there is only one.
            words: by words alone, as where no model makes embeddings.

        Raises:
            EngineError: not_found, for the router; or there is no backend.
        """
        found = router_at(graph, router)
        only = alone(found, graph)
        taught = examples_in(await self._taught(only))
        embedder = None if words else await ready_embedder(found, only, taught, self._connection)
        return await evaluate(found.config, questions, embedder, corrections=taught)

    def _unrecorded(self, log: EventLog, breakers: BreakerRegistry) -> Driver:
        """What drives a run of which nothing is kept."""
        tools = ToolContext(None, None, self._tools, slots=self._tool_slots)
        nothing = Recaller(lambda: self.config.memory, lambda: None)
        return Driver(
            log,
            self._connection,
            breakers,
            self.config,
            self.session_messages,
            self._taught,
            nothing,
            tools,
            self.session_factors,
        )

    def _begin(self, asked: Asked) -> Run:
        tx = uuid.uuid4().hex
        number = 0 if self.read_only else self._take_number()
        run = Run(tx, number, self.bus, self._events_after)
        self._launch(run, self._driver(tx).drive(run, asked), asked.session)
        return run

    def _driver(self, tx: str) -> Driver:
        tools = self._tools_of(tx)
        return Driver(
            self._log,
            self._connection,
            self._breakers,
            self.config,
            self.session_messages,
            self._taught,
            self._recalling,
            tools,
            self.session_factors,
        )

    def _tools_of(self, tx: str) -> ToolContext:
        """What the tools of a run may use. Without a store nothing could be taken back after a crash, so that they
        change nothing."""
        undo = self.data_dir / UNDO / tx if self._recording is not None and self.data_dir is not None else None
        return ToolContext(self._workspace, undo, self._tools, slots=self._tool_slots)

    def _launch(self, run: Run, drive: Coroutine[Any, Any, Result], session: str | None) -> None:
        """Let a run go on as a task that the engine owns."""
        self._runs[run] = session
        task = asyncio.create_task(self._finish(drive, session), name=f"run {run.transaction}")
        task.add_done_callback(lambda _task: self._runs.pop(run, None))
        run.attach(task)

    async def _finish(self, drive: Coroutine[Any, Any, Result], session: str | None) -> Result:
        """Await a run; where nothing is recorded, its turn joins the session in memory."""
        result = await drive
        if session is not None and session in self._in_memory and result.status == "committed":
            begin = next(each.body for each in self._log.kept(result.transaction) if isinstance(each.body, ev.Begin))
            self._keep_turn(session, begin, result.text, result.transaction)
        return result

    def _plan(self, graph: GraphSpec) -> Plan:
        last, plan = self._last_plan
        if last is graph:  # to hash a graph takes longer than to run a small one
            assert plan is not None  # noqa: S101 - kept together
            return plan
        key = graph.content_hash()
        plan = self._plans.get(key)
        if plan is None:
            plan = make_plan(graph)
            while len(self._plans) >= _PLANS:
                self._plans.pop(next(iter(self._plans)))
            self._plans[key] = plan
        self._last_plan = (graph, plan)
        return plan


@asynccontextmanager
async def open(  # noqa: A001 - `engine.open` is the name of the face
    data_dir: Path | str | None = None,
    *,
    config: EngineConfig | None = None,
    backend: BackendName | None = None,
    approver: Approver | None = None,
    tools: Iterable[Tool] = (),
) -> AsyncIterator[Engine]:
    """Open an engine; on leaving, what still runs is rolled back and everything is closed.

    Args:
        data_dir: folder of the database; None keeps nothing on disk.
        config: settings; the defaults otherwise.
        backend: overrides the backend of `config`.
        approver: who can ask a person in runs that go on after an interruption; None means that the answer is no.
        tools: further tools, which graphs name by their ids (see `engine.tools.protocol`); whoever opens the folder
            again gives them again, so that runs which were interrupted go on, and their effects can be taken back.

    Raises:
        ConfigurationError: the id of a tool is taken.
        StoreError: the data folder cannot be used.
    """
    settings = config or EngineConfig()
    if backend is not None:
        settings = settings.model_copy(update={"backend": backend})
    engine = Engine(settings, None if data_dir is None else Path(data_dir), approver, tools)
    try:
        await engine.start_up()
        yield engine
    finally:
        await engine.shut_down()


def _json_fields(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The input fields as they come back from the log.

    Raises:
        EngineError: invalid_request, when they are no JSON.
    """
    try:
        fields: dict[str, Any] = plain_json(json.loads(json.dumps(dict(inputs), allow_nan=False)))
    except (TypeError, ValueError, RecursionError) as exc:
        raise EngineError(
            ErrorClass.INVALID_REQUEST,
            "inputs_not_json",
            f"The input fields are no JSON ({str(exc)[:200]}).",
            remedy="Give texts, finite numbers, true, false, null, lists and mappings only.",
        ) from exc
    return fields
