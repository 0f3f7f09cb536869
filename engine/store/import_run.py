"""Importing a run that was exported elsewhere: all of it, or nothing.

It keeps its id and gets a number of this store and `gseq` numbers that follow each other, in the order that it had. It
belongs to no session, changes no breaker, and is marked: `origin` is `imported`.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable

from engine import events as ev
from engine.errors import EngineError, ErrorClass
from engine.graph.spec import hash_of
from engine.store import queries
from engine.store.checksum import checksum
from engine.store.database import INSERT_STAGED, Database
from engine.store.log import GROUP
from engine.store.rows import TransactionRow
from engine.store.run_file import Header, Record, RunFileError, RunFileReader
from engine.view import View, apply

_STAGE = "CREATE TEMP TABLE incoming (gseq INTEGER PRIMARY KEY, tx, seq, t_ms, wall_ms, kind, v, body, crc)"
_ADD = f"""
INSERT INTO temp.incoming
SELECT {", ".join(f"json_extract(value, '$[{column}]')" for column in range(9))} FROM json_each(?)
"""  # noqa: S608 - built of column numbers

Row = tuple[int, str | None, int, int, int, str, int, str, int]


async def import_lines(
    database: Database,
    lines: AsyncIterable[bytes] | Iterable[bytes],
    reserve: Callable[[int], int],
    number: Callable[[], int],
) -> TransactionRow:
    """Check every line, collect the events in a temporary table, and insert them in one statement at the end.

    Args:
        database: the store; it must not be open for reading only.
        lines: of a file that `export_stored` made, each with its end.
        reserve: gives the first of so many `gseq` numbers that follow each other. No run may go on then: an imported
            event of the engine in the span of a run would be taken for one of its own.
        number: gives the transaction's number; called when all is checked.

    Raises:
        RunFileError: the file is not as it was written, or is no run.
        EngineError: invalid_request, when the transaction is here already.
        StoreError: the store does not take it.
    """
    given = _each(lines)
    reader = RunFileReader()
    header = reader.header(await anext(given, b""))
    async with database.importing:
        await _check_new(database, header)
        try:
            await database.write("DROP TABLE IF EXISTS temp.incoming")  # of an import that was cancelled
            await database.write(_STAGE)
            begin = await _collect(database, _Incoming(header, reader, reserve(header.events)), given)
            await database.write(_ADD, (json.dumps([begin(number())], ensure_ascii=False),))
            await database.write(INSERT_STAGED)
        finally:
            await database.write("DROP TABLE IF EXISTS temp.incoming")
    return await queries.transaction(database, header.transaction)


async def _collect(database: Database, incoming: _Incoming, lines: AsyncIterator[bytes]) -> Callable[[int], Row]:
    """Put all events but the first into the temporary table; the first one waits for its number."""
    group: list[Row] = []
    async for line in lines:
        row = incoming.take(line)
        if row is not None:
            group.append(row)
        if len(group) == GROUP:
            await database.write(_ADD, (json.dumps(group, ensure_ascii=False),))
            group = []
    incoming.finish()
    await database.write(_ADD, (json.dumps(group, ensure_ascii=False),))
    return incoming.begin


class _Incoming:
    """The events of one file as rows of this store; what is wrong with them is found here."""

    def __init__(self, header: Header, reader: RunFileReader, first: int) -> None:
        self._header = header
        self._reader = reader
        self._next = first
        self._seq = 0
        self._begin: ev.Event | None = None
        self._ended = False
        self._view = View()

    def take(self, line: bytes) -> Row | None:
        """The row for one line; None for those that make none: the first event, and the last line.

        Raises:
            RunFileError: see `import_lines`.
        """
        record = self._reader.read(line)
        if record is None:
            return None
        tx = self._header.transaction if record.seq else None
        event = ev.Event(self._next, tx, record.seq, record.t_ms, record.wall_ms, self._body(record))
        self._next += 1
        self._check_order(event)
        try:
            apply(self._view, event)
        except Exception as exc:  # whatever a hostile event brings about, nothing of it is kept
            raise self._reader.wrong("is an event that cannot be shown") from exc
        if event.seq == 1:
            self._begin = event
            return None
        return _row(event)

    def begin(self, number: int) -> Row:
        """The row of the first event, with the number that the transaction has here."""
        assert self._begin is not None  # noqa: S101 - `finish` was called
        assert isinstance(self._begin.body, ev.Begin)  # noqa: S101 - see `_check_order`
        body = dataclasses.replace(self._begin.body, number=number, session=None)
        return _row(dataclasses.replace(self._begin, body=body))

    def finish(self) -> None:
        self._reader.finish()
        if not self._ended:
            raise RunFileError("The exported run has no end: its last event neither commits nor rolls back.")

    def _body(self, record: Record) -> ev.Body:
        try:
            body = ev.decode(record.kind, record.v, record.body)
            return ev.decode(body.KIND, body.V, ev.encode(body))  # what this program writes, it must read again
        except (ValueError, RecursionError) as exc:
            known = ev.BODIES.get(record.kind)
            newer = known is None or record.v > known.V
            why = str(exc) if newer else f"a {record.kind} does not have this form"
            raise self._reader.wrong(f"holds an event that cannot be read: {why}") from exc

    def _check_order(self, event: ev.Event) -> None:
        body = event.body
        bounds = isinstance(body, ev.Begin | ev.Committed | ev.RolledBack)
        if self._ended:
            raise self._reader.wrong("comes after the event that ends the run")
        if event.tx is None:
            if self._seq == 0 or bounds:
                raise self._reader.wrong("is an event of the engine where one of the run belongs")
            return
        self._seq += 1
        if event.seq != self._seq:
            raise self._reader.wrong(f"is event {event.seq} of the run where event {self._seq} belongs")
        if isinstance(body, ev.Begin) != (self._seq == 1):
            raise self._reader.wrong("begins the run in its middle" if self._seq > 1 else "does not begin the run")
        if isinstance(body, ev.Begin) and hash_of(body.graph) != body.graph_hash:
            raise self._reader.wrong("holds a graph that does not fit its hash")
        self._ended = isinstance(body, ev.TERMINAL)


def _row(event: ev.Event) -> Row:
    text = ev.encode(event.body)
    row = (event.gseq, event.tx, event.seq, event.t_ms, event.wall_ms, event.kind, event.body.V, text)
    return (*row, checksum(*row))


async def _check_new(database: Database, header: Header) -> None:
    rows = list(await database.fetch("SELECT number FROM transactions WHERE tx = ?", (header.transaction,)))
    if rows:
        number = rows[0][0]
        raise EngineError(
            ErrorClass.INVALID_REQUEST,
            "transaction_there",
            f"This run is here already, as #{number}.",
            remedy=f"`tinyllm-tui tx show {number}` shows it.",
        )


async def _each(lines: AsyncIterable[bytes] | Iterable[bytes]) -> AsyncIterator[bytes]:
    """The lines, with a turn of the event loop now and then."""
    if isinstance(lines, AsyncIterable):
        async for line in lines:
            yield line
        return
    for index, line in enumerate(lines, 1):
        yield line
        if index % 100 == 0:
            await asyncio.sleep(0)
