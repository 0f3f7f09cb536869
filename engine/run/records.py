"""Records: what an engine knows of past and present runs: transactions, events, revisions."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable

from engine import events as ev
from engine.bus import EventBus
from engine.errors import EngineError, ErrorClass
from engine.graph.recorded import recorded_graph
from engine.graph.spec import GraphSpec
from engine.run.run import Run
from engine.store import queries, retention
from engine.store.approvals import ApprovalRow, read_approvals
from engine.store.database import Database
from engine.store.log import EventLog, span
from engine.store.retention import Limits, PruneReport
from engine.store.rows import RevisionRow, TransactionRow
from engine.store.samples import Samples, read_samples
from engine.view import View, fold


class Records:
    """The reading half of an engine; where there is no store, what its log keeps in memory."""

    def __init__(self) -> None:
        self.bus = EventBus()
        self._database: Database | None = None
        self._log = EventLog(self.bus, None)
        self._next_number = 1
        self._runs: dict[Run, str | None] = {}
        """Runs that go on -> their sessions."""

    @property
    def _recording(self) -> Database | None:
        """The database, where runs are recorded in it."""
        return None if self._database is None or self._database.read_only else self._database

    @property
    def read_only(self) -> bool:
        """Whether a database is open that this engine must not write; runs then live in memory only."""
        return self._database is not None and self._database.read_only

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
        pending = self._log.pending()  # taken first: what is written meanwhile is found in the store
        stored = await queries.events(self._database, tx, after=after)
        if stored and isinstance(stored[-1].body, ev.TERMINAL):
            return stored
        last = stored[-1].gseq if stored else after
        return stored + span(pending, tx, after=last, began=last > 0)

    async def view(self, tx: str, upto: int | None = None) -> View:
        """What the panes show of a transaction, folded from the store; `upto` is the `seq` of the last event."""
        events = await self.events(tx)
        if upto is not None:
            last = next((i for i, e in enumerate(events) if e.tx is not None and e.seq > upto), len(events))
            events = events[:last]
        return fold(events)

    async def transactions(
        self, limit: int = 100, session: str | None = None, *, before: int | None = None
    ) -> list[TransactionRow]:
        """The recorded transactions, newest first; `before`: only those with a lower number."""
        if self._database is None:
            return []
        return await queries.transactions(self._database, limit=limit, session=session, before=before)

    async def samples(self, last: int = 100, graph: str | None = None) -> Samples:
        """Samples of the latest finished runs that began here, for `engine.store.figures`.

        Args:
            last: how many runs at most.
            graph: only runs of this graph, by its id.

        Raises:
            StoreError: the database cannot be read.
        """
        return Samples() if self._database is None else await read_samples(self._database, last, graph)

    async def approvals(self, limit: int = 50) -> list[ApprovalRow]:
        """What was asked of a person lately, and what they answered, newest first.

        Raises:
            StoreError: the database cannot be read.
        """
        return [] if self._database is None else await read_approvals(self._database, limit)

    async def engine_events(self, limit: int = 500) -> list[ev.Event]:
        """The latest recorded events of the engine stream, oldest first; none that cannot be read.

        Raises:
            StoreError: the database cannot be read.
        """
        return [] if self._database is None else await queries.engine_events(self._database, limit)

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

    async def prune(
        self,
        *,
        keep: int | None = None,
        older_than_s: float | None = None,
        max_bytes: int | None = None,
        dry_run: bool = False,
    ) -> PruneReport:
        """Remove old finished transactions; a run that goes on and what a kept one needs are never touched.

        Args:
            keep: keep the newest so many.
            older_than_s: remove those that ended longer ago, in seconds.
            max_bytes: remove the oldest until the store has this size.
            dry_run: only say what would go.

        Raises:
            EngineError: invalid_request, when no limit is given, or there is no store.
            StoreError: the database is open for reading only, or does not take it.
        """
        if self._database is None:
            raise no_store()
        return await retention.prune(self._database, Limits(keep, older_than_s, max_bytes), dry_run=dry_run)

    async def export(self, tx: str) -> AsyncIterator[bytes]:
        """The lines of a file from which a finished transaction can be imported elsewhere.

        It holds everything that was recorded: questions, answers, prompts, what tools were given and gave back.

        Args:
            tx: the transaction's id.

        Raises:
            EngineError: not_found; or invalid_request while it still goes on.
            StoreError: the database cannot be read, or an event is damaged.
        """
        from engine.store.export_run import export_kept, export_stored

        kept = self._log.kept(tx)
        if kept or self._database is None:
            for line in export_kept(tx, kept):
                yield line
            return
        async for line in export_stored(self._database, tx):
            yield line

    async def import_run(self, lines: AsyncIterable[bytes] | Iterable[bytes]) -> TransactionRow:
        """Add a transaction that was exported elsewhere; it is there as a whole, or not at all.

        Args:
            lines: of the file, each with its end; `engine.store.run_file.lines_of` reads them safely.

        Raises:
            EngineError: invalid_request, for a file that is not as it was written, a run that is here already, while a
                run goes on, or where there is no store.
            StoreError: the database is open for reading only, or does not take it.
        """
        from engine.store.import_run import import_lines

        if self._database is None:
            raise no_store()
        if self._recording is None:
            raise self._database.refusal("nothing can be imported")
        return await import_lines(self._recording, lines, self._reserve, self._take_number)

    def _reserve(self, count: int) -> int:
        """Numbers for imported events."""
        if self._runs:
            raise EngineError(
                ErrorClass.INVALID_REQUEST,
                "run_in_progress",
                "Nothing can be imported while a run goes on.",
                remedy="Wait for its end, or cancel it.",
            )
        return self._log.reserve(count)

    def _take_number(self) -> int:
        number = self._next_number
        self._next_number += 1
        return number

    async def graph_history(self, graph_id: str | None = None) -> list[RevisionRow]:
        """The revisions of graphs that have run here, of one graph (`graph.quick`) or of all, used last first.

        Raises:
            StoreError: the database cannot be read, or keeps no revisions yet.
        """
        return [] if self._database is None else await queries.revisions(self._database, graph_id)

    async def graph_revision(self, reference: str) -> GraphSpec:
        """A graph as it was when it ran.

        Args:
            reference: unique beginning of a revision's hash, of 4 digits at least; or `#42`, for the graph of that
                transaction.

        Raises:
            EngineError: not_found, or it is a graph that this version of the program cannot read.
            StoreError: the database cannot be read, or keeps no revisions yet.
        """
        if self._database is None:
            raise EngineError(
                ErrorClass.NOT_FOUND, "revision_not_found", "There is no store.", remedy="Open one with --data-dir."
            )
        return recorded_graph(await queries.revision_document(self._database, reference), reference)


def no_store() -> EngineError:
    """The error that what needs a store was asked of an engine without one."""
    return EngineError(ErrorClass.INVALID_REQUEST, "no_store", "There is no store.", remedy="Open one with --data-dir.")
