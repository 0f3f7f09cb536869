"""Exporting one run from the store, a few rows at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from importlib.metadata import PackageNotFoundError, version

from engine.errors import EngineError, ErrorClass
from engine.events import TERMINAL, Event, encode
from engine.store import queries
from engine.store.database import Database
from engine.store.queries import EVENT_COLUMNS, SPAN
from engine.store.run_file import Header, Record, RunFileWriter

_ROWS = 500
_PAGE = f"SELECT {EVENT_COLUMNS} {SPAN} ORDER BY gseq LIMIT ?3"
_COUNT = f"SELECT count(*) {SPAN}"


async def export_stored(database: Database, tx: str) -> AsyncIterator[bytes]:
    """The lines of a finished transaction's file, with the engine's events in its span; see `run_file`.

    Args:
        database: the store; it may be open for reading only.
        tx: the transaction's id.

    Raises:
        EngineError: not_found; or invalid_request while it still goes on.
        StoreError: an event is damaged or missing.
    """
    row = await queries.transaction(database, tx)
    if row.status not in _ENDED:
        raise _unfinished(f"#{row.number}")
    ((count,),) = await database.fetch(_COUNT, (tx, 0))
    writer = RunFileWriter(Header(tx, count, engine_version()))
    yield writer.first()
    order = queries.EventOrder(tx)
    last = 0
    while rows := list(await database.fetch(_PAGE, (tx, last, _ROWS))):
        for stored in rows:
            order.check(stored)
            last, _, seq, t_ms, wall_ms, kind, v, body, _ = stored
            yield writer.event(Record(seq, t_ms, wall_ms, kind, v, body))
    if not order.ended:
        raise queries.incomplete(tx)
    yield writer.last()


def export_kept(tx: str, events: Iterable[Event]) -> list[bytes]:
    """The same for a transaction that is kept in memory only.

    Raises:
        EngineError: not_found; or invalid_request while it still goes on.
    """
    found = list(events)
    if not found:
        raise EngineError(
            ErrorClass.NOT_FOUND, "transaction_not_found", f"{tx!r} is no transaction.", remedy="Give the id of one."
        )
    if not isinstance(found[-1].body, TERMINAL):
        raise _unfinished(tx)
    writer = RunFileWriter(Header(tx, len(found), engine_version()))
    records = [Record(e.seq, e.t_ms, e.wall_ms, e.kind, e.body.V, encode(e.body)) for e in found]
    return [writer.first(), *(writer.event(record) for record in records), writer.last()]


_ENDED = frozenset(body.KIND for body in TERMINAL)


def _unfinished(name: str) -> EngineError:
    return EngineError(
        ErrorClass.INVALID_REQUEST,
        "transaction_unfinished",
        f"The run {name} still goes on.",
        remedy="Export it when it has ended.",
    )


def engine_version() -> str:
    """The program's version; empty where it is not installed."""
    try:
        return version("tinyllm-tui")
    except PackageNotFoundError:
        return ""
