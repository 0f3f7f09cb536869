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
from engine.store import queries
from engine.store.checked_run import CheckedRun
from engine.store.checksum import checksum
from engine.store.database import INSERT_STAGED, Database
from engine.store.log import GROUP
from engine.store.rows import TransactionRow
from engine.store.run_file import Header, RunFileReader

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
    """The events of one file as rows of this store."""

    def __init__(self, header: Header, reader: RunFileReader, first: int) -> None:
        self._run = CheckedRun(header, reader, first)

    def take(self, line: bytes) -> Row | None:
        """The row for one line; None for those that make none: the first event, and the last line.

        Raises:
            RunFileError: see `import_lines`.
        """
        event = self._run.take(line)
        return None if event is None or event.seq == 1 else _row(event)

    def begin(self, number: int) -> Row:
        """The row of the first event, with the number that the transaction has here."""
        begin = self._run.begin
        assert isinstance(begin.body, ev.Begin)  # noqa: S101 - a checked run begins with it
        body = dataclasses.replace(begin.body, number=number, session=None)
        return _row(dataclasses.replace(begin, body=body))

    def finish(self) -> None:
        self._run.finish()


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
