"""What the cockpit needs of the engine, as protocols; the scripted engine of the tests fulfils them too."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from engine.bus import EventBus
    from engine.config import Priority
    from engine.errors import EngineError
    from engine.events import BreakerSnapshot, Event
    from engine.graph.spec import GraphSpec
    from engine.models.catalogue import Resolution
    from engine.models.protocol import ModelBackend, ModelInfo, PullProgress
    from engine.run.result import Result
    from engine.store.approvals import ApprovalRow
    from engine.store.memories import MemoryKind
    from engine.store.rows import (
        CorrectionRow,
        MemoryRow,
        MessageRow,
        RevisionRow,
        SessionHit,
        SessionRow,
        TransactionRow,
    )
    from engine.store.samples import Samples
    from engine.tools.facts import ToolFacts
    from engine.tools.policy import Approver
    from engine.view import View


class CockpitRun(Protocol):
    """A run that was started, or goes on after an interruption."""

    @property
    def transaction(self) -> str: ...
    @property
    def number(self) -> int: ...

    async def result(self) -> Result:
        """Wait for the end; does not raise for runs that failed."""
        ...

    def cancel(self) -> None: ...


class CockpitLibrary(Protocol):
    """Fetches and removes models. It raises `EngineError` and nothing else."""

    def pull(self, model: str) -> AsyncGenerator[PullProgress, None]: ...

    async def delete(self, model: str) -> None: ...


class CockpitEngine(Protocol):
    """The open engine. Every coroutine raises `EngineError` and nothing else."""

    @property
    def bus(self) -> EventBus: ...
    @property
    def data_dir(self) -> Path | None: ...
    @property
    def read_only(self) -> bool: ...
    @property
    def notices(self) -> Sequence[str]:
        """Sentences for the person about what opening found."""
        ...

    @property
    def store_problem(self) -> str:
        """Why the store does not write now; empty while it does."""
        ...

    @property
    def recovered(self) -> Sequence[TransactionRow]:
        """Transactions that were found unfinished, and rolled back."""
        ...

    @property
    def resumed(self) -> Sequence[CockpitRun]:
        """Runs that were found unfinished, and go on; the oldest first."""
        ...

    @property
    def left(self) -> Sequence[TransactionRow]:
        """Transactions that were found unfinished, and wait for another start."""
        ...

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
    ) -> CockpitRun: ...

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
    ) -> CockpitRun:
        """Begin a run that goes on from a step of another one; it publishes nothing before the next await."""
        ...

    async def view(self, tx: str, upto: int | None = None) -> View: ...

    async def events(self, tx: str) -> list[Event]: ...

    def export(self, tx: str) -> AsyncIterator[bytes]:
        """The lines of a finished transaction's file."""
        ...

    async def transactions(
        self, limit: int = 100, session: str | None = None, *, before: int | None = None
    ) -> list[TransactionRow]: ...

    async def samples(self, last: int = 100, graph: str | None = None) -> Samples: ...

    async def approvals(self, limit: int = 50) -> list[ApprovalRow]: ...

    async def engine_events(self, limit: int = 500) -> list[Event]: ...

    async def tools(self) -> list[ToolFacts]: ...

    async def transaction(self, ref: str) -> TransactionRow: ...

    async def graph_history(self, graph_id: str | None = None) -> list[RevisionRow]: ...

    async def graph_revision(self, reference: str) -> GraphSpec: ...

    async def sessions(self) -> list[SessionRow]:
        """The sessions, latest use first."""
        ...

    async def session(self, reference: str) -> SessionRow:
        """One session by id, exact name, or unique beginning of an id."""
        ...

    async def create_session(self, name: str = "") -> SessionRow: ...

    async def summarise_session(self, session: str) -> MemoryRow: ...

    async def rename_session(self, session: str, name: str) -> SessionRow: ...

    async def set_session_memory(self, session: str, on: bool) -> SessionRow: ...

    async def delete_session(self, session: str) -> None: ...

    async def session_history(self, session: str, *, limit: int | None = None) -> list[MessageRow]:
        """What was said in a session, oldest first; with a limit, the latest messages of it."""
        ...

    async def search_sessions(self, text: str, limit: int = 20) -> list[SessionHit]:
        """The messages of all sessions that have every word of a text, the best first."""
        ...

    async def export_session(self, session: str, format: Literal["markdown", "json"] = "markdown") -> str: ...  # noqa: A002

    async def remember(
        self, text: str, kind: MemoryKind = "note", *, transaction: str = "", session: str = ""
    ) -> MemoryRow: ...

    async def memory(self, number: int) -> MemoryRow: ...

    async def memories(self, limit: int = 100, *, before: int | None = None) -> list[MemoryRow]:
        """The memories, the newest first; `before`: only those with a lower id."""
        ...

    async def search_memories(self, text: str, limit: int = 20) -> list[MemoryRow]:
        """The memories that have every word of a text, the best first."""
        ...

    async def edit_memory(self, number: int, text: str) -> MemoryRow: ...

    async def pin_memory(self, number: int, pinned: bool = True) -> None: ...

    async def forget_memory(self, number: int) -> None: ...

    async def prepare(self, graph: GraphSpec) -> dict[str, str]:
        """Start what the graph needs; reference in the graph -> the model that answers it."""
        ...

    def warm(self, graph: GraphSpec) -> None: ...

    async def backend(self) -> ModelBackend: ...

    async def models(self) -> list[ModelInfo]: ...

    @property
    def library(self) -> CockpitLibrary: ...

    async def use(self, model: str | None, role: str | None = None) -> None:
        """Choose which model answers from the next run on; None for the model: automatic, for the role: every one."""
        ...

    async def roles(self) -> Mapping[str, Resolution | EngineError]:
        """Role -> the model that answers for it, or why none does."""
        ...

    async def teach(
        self,
        graph: GraphSpec,
        question: str,
        routes: Sequence[str],
        *,
        router: str | None = None,
        transaction: str = "",
    ) -> CorrectionRow:
        """Say which routes are right for a question, from the next one on."""
        ...

    async def corrections(self, graph: GraphSpec | None = None) -> list[CorrectionRow]: ...

    async def unteach(self, correction: int) -> None:
        """Take a correction back."""
        ...

    def breakers(self) -> tuple[BreakerSnapshot, ...]: ...

    def force_breaker(self, key: str, mode: Literal["open", "closed", "disabled", "auto"]) -> None:
        """Set a breaker by hand; says so in an event."""
        ...


OpenEngine = Callable[[], AbstractAsyncContextManager[CockpitEngine]]
LoadGraph = Callable[[str], "GraphSpec"]
