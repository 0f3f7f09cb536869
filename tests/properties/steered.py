"""An engine whose runs do what a test says, one answer at a time, and whose process can end between any two writes.

The store is a real file and the tools change real files. A crash is made in this process: from a chosen moment on
nothing more reaches the database or the workspace, then every task is ended and the files are closed as they are. What
the engine had in memory is lost, as with `kill -9`; what `kill -9` itself leaves is the business of `tests.faults`.
"""

from __future__ import annotations

import asyncio
import pickle
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from engine import events as ev
from engine.config import EngineConfig
from engine.message import Message
from engine.models.protocol import ChatRequest, Chunk, Done
from engine.nodes.context import NodeContext, Outcome
from engine.nodes.model import ModelNode
from engine.run.engine import Engine
from engine.run.run import Run
from engine.run.transaction import Transaction
from engine.store.database import INSERT, Database
from engine.store.log import EventLog, _rows
from engine.tools.file_changes import FileDeleteTool, FileMoveTool, FileWriteTool
from tests.approvers import Person, yes
from tests.graphs import make_graph, node
from tests.scripted_backend import ScriptedBackend, system_of, text_of, tool_model

PATIENCE_S = 30.0
"""Only a machine that found a hang waits so long."""
TOOLS = ["file_write", "file_move", "file_delete"]
MAX_RETRIES = 2
CALLS = 12
"""Tool calls in one visit at most."""


def single() -> Any:
    """A model that calls tools until it answers: with the name of a file, which a tool then writes before the model is
    asked again (a checkpoint); or with a word, at which a gate ends the run or sends the model back (a rewind)."""
    model = {"tools_enabled": True, "tool_ids": TOOLS, "max_tool_rounds": 20}
    write = {"path": "content", "content": "content"}
    words = [{"expression": f'content == "{word}"', "target": target} for word, target in ENDS.items()]
    return make_graph(
        [
            node("start", "entry"),
            node("work", "model", system_prompt="work", **model),
            node("onward", "tool", tool_id="file_write", input_mapping=write),
            node("decide", "gate", conditions=words, default_target="work", max_retries=MAX_RETRIES),
            *(node("end", "exit"), node("failed", "exit", status="error")),
        ],
        [
            *(("start", "work"), ("onward", "work")),
            *(("work", "onward", '"txt" in content'), ("work", "decide", 'not ("txt" in content)')),
            *(("decide", "work"), ("decide", "end"), ("decide", "failed")),
        ],
    )


ENDS = {"done": "end", "bad": "failed"}
PLACES = {"single": ("work",), "pair": ("left", "right")}
"""Kind of run -> its models."""


def pair() -> Any:
    """Two such models side by side."""
    model = {"tools_enabled": True, "tool_ids": TOOLS, "max_tool_rounds": 20}
    return make_graph(
        [
            node("start", "entry"),
            node("fan", "fanout", targets=["left", "right"]),
            *(node(each, "model", system_prompt=each, **model) for each in ("left", "right")),
            *(node("both", "join"), node("end", "exit")),
        ],
        [("start", "fan"), ("left", "both"), ("right", "both"), ("both", "end")],
    )


class Steered(ScriptedBackend):
    """Every request waits until the test answers it."""

    def __init__(self) -> None:
        super().__init__(models=[tool_model()])
        self.waiting: dict[tuple[str, str], asyncio.Future[Chunk]] = {}
        """(name in the question, model node) -> its answer."""

    async def chat(self, request: ChatRequest) -> AsyncIterator[Chunk]:
        key = (re.findall(r"run-\d+", text_of(request))[-1], system_of(request).split()[0])
        assert key not in self.waiting, "the same visit asks twice"
        answer = self.waiting[key] = asyncio.get_running_loop().create_future()
        try:
            yield await answer
        finally:
            if self.waiting.get(key) is answer:
                del self.waiting[key]
        yield Chunk(done=Done("stop", 10, 1))

    def answer(self, name: str, place: str, chunk: Chunk) -> None:
        self.waiting.pop((name, place)).set_result(chunk)


@dataclass
class Blade:
    """Ends a process at a point that is always the same: after so many events, effects and undos (each has a point
    before it and one after it) and changes of the store."""

    left: int | None = None
    """How many points may still be passed; None: all."""
    keeps: bool = True
    """Whether all events up to there reach the disk, or only those for which somebody had waited."""
    fallen: bool = False
    cut: int = 0
    """Number of the last event before it fell."""

    def point(self, latest: int) -> None:
        if self.left is not None and not self.fallen:
            self.left -= 1
            if self.left < 0:
                self.fallen, self.cut = True, latest

    async def passing(self, latest: int) -> None:
        """Whoever comes here after it fell waits forever."""
        self.point(latest)
        if self.fallen:
            await asyncio.get_running_loop().create_future()


class World:
    """One data folder, one workspace, and the engines that live on them one after the other.

    The writer of the log is as lazy as it may be: it writes what somebody waits for. So it depends on nothing but the
    rules what a crash leaves, and Hypothesis can find the same crash again.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.workspace = folder / "workspace"
        self.workspace.mkdir()
        self.backend = Steered()
        self.blade = Blade()
        self.engine: Engine | None = None
        self.live: dict[str, Transaction] = {}
        """Transactions of the engine that is open."""
        self.states: dict[str, dict[int, bytes]] = {}
        """Transaction -> sequence number -> the executor's own state after that event."""
        self._databases: list[Database] = []
        self._newest: Engine | None = None
        """The engine that is open, or was opened last."""
        self._writing = False
        self._patch = pytest.MonkeyPatch()
        self._install()

    def _install(self) -> None:
        """Let everything that reaches the disk pass under the blade, and watch what executors decide from."""
        world, emit, made, write = self, Transaction.emit, Database.__init__, Database.write

        def emitted(tx: Transaction, body: ev.Body) -> ev.Event:
            event = emit(tx, body)
            world.live[tx.tx] = tx
            world.states.setdefault(tx.tx, {})[event.seq] = pickle.dumps(tx.state)
            if not isinstance(body, ev.ModelDelta):  # how many there are of them depends on the time
                world.blade.point(event.gseq)
            return event

        def opened(database: Database, *given: Any) -> None:
            made(database, *given)
            world._databases.append(database)

        async def written(database: Database, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
            if sql is not INSERT:
                await world.blade.passing(world._latest())
            return await write(database, sql, parameters)

        def under(method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
            async def passing(*given: Any) -> Any:
                await world.blade.passing(world._latest())
                result = await method(*given)
                await world.blade.passing(world._latest())
                return result

            return passing

        self.backend.install(self._patch)
        self._patch.setattr(Transaction, "emit", emitted)
        self._patch.setattr(Database, "__init__", opened)
        self._patch.setattr(Database, "write", written)
        self._patch.setattr(EventLog, "_write_all", lambda log, database: world._write_all(log, database))
        for tool in (FileWriteTool, FileMoveTool, FileDeleteTool):
            self._patch.setattr(tool, "run", under(tool.run))
            self._patch.setattr(tool, "undo", under(tool.undo))
        self._install_variables()

    def _install_variables(self) -> None:
        """Let models note their answers in the run's variables, which no node that is shipped sets."""
        run = ModelNode.run

        async def noting(node: ModelNode, ctx: NodeContext, message: Message) -> Outcome:
            outcome = await run(node, ctx, message)
            return replace(outcome, variables={ctx.path: outcome.content})

        self._patch.setattr(ModelNode, "run", noting)

    # -- the lazy writer ---------------------------------------------------------------------------------------------

    def _latest(self) -> int:
        return 0 if self._newest is None else self._newest._log._next - 1

    async def _write_all(self, log: EventLog, database: Database) -> bool:
        """In the place of the log's own."""
        while not self.blade.fallen:
            everything = log._closing or log._strict
            if not await self._write(
                log, database, self._latest() if everything else max((gseq for gseq, _ in log._waiters), default=0)
            ):
                break
        if not log._queue:
            log._wake.clear()
        return True

    async def _write(self, log: EventLog, database: Database, upto: int) -> bool:
        """Write events up to a number, and those of their block; whether there were any."""
        group = [each for each in log._queue if each[0].gseq <= upto]
        while group and group[-1][0].gseq in log._joined:
            group.append(log._queue[len(group)])
        if group:
            self._writing = True
            await database.insert_events(_rows(group))
            self._writing = False
            for event, _ in group:
                log._queue.popleft()
                log._joined.discard(event.gseq)
                log._would_leave.pop(event.gseq, None)
            log._written(group[-1][0].gseq)
        return bool(group)

    # -- engines -----------------------------------------------------------------------------------------------------

    async def open(self, config: dict[str, Any], blade: Blade) -> bool:
        """Start the next engine; false when its process ended before it was open."""
        self.blade, self.live = blade, {}
        settings = EngineConfig(workspace=self.workspace, run_timeout_s=86400, max_steps=5000, **config)
        engine = self._newest = Engine(settings, self.folder / "data", Person(yes))

        async def start() -> None:
            await engine.start_up()
            blade.left = None

        starting = asyncio.create_task(start())
        if await self.unless_killed(starting.done):
            await starting
            self.engine = engine
            return True
        await self.kill()
        return False

    async def unless_killed(self, condition: Callable[[], bool]) -> bool:
        """Wait until something is so; false when the process ended before."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                if self.blade.fallen:
                    return False
                await asyncio.sleep(0.0005)
        return not self.blade.fallen

    async def kill(self) -> None:
        """End the engine as the system ends a process: nothing of what it had in mind is done any more."""
        assert self._newest is not None
        if not self.blade.fallen:
            self.blade.fallen, self.blade.cut = True, self._latest()
        while self._writing:  # noqa: ASYNC110 - what somebody waited for before
            await asyncio.sleep(0.0005)
        for database in self._databases:
            while database._tasks:  # their threads end by themselves
                await asyncio.wait(database._tasks)
        while tasks := asyncio.all_tasks() - {asyncio.current_task()}:  # type: ignore[operator]
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        for database in self._databases:
            log = self._newest._log
            if self.blade.keeps or log._strict:
                await self._write(log, database, self.blade.cut)
            await database._writer.close()
            database._ownership.release()
        self._databases.clear()
        self.engine = None

    async def close(self) -> None:
        """End the engine as a person does."""
        assert self.engine is not None
        await self.engine.shut_down()
        self.engine = None
        self._databases.clear()

    def remove(self) -> None:
        self._patch.undo()

    # -- what is there -----------------------------------------------------------------------------------------------

    def rests(self, name: str, run: Run) -> bool:
        """Whether a run has ended, or waits for answers everywhere."""
        if run.done:
            return True
        tx = self.live.get(run.transaction)
        frontier = tx.state.frontier if tx is not None else {}
        return bool(frontier) and all((name, place) in self.backend.waiting for place, _ in frontier)

    def files(self) -> dict[str, str]:
        return {path.name: path.read_text() for path in self.workspace.iterdir()}

    def copies(self) -> set[str]:
        """Runs that have undo copies."""
        undo = self.folder / "data" / "undo"
        return {path.name for path in undo.iterdir()} if undo.exists() else set()
