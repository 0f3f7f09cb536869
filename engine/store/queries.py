"""Reading the store: transactions, events, breakers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from dataclasses import replace
from typing import Any

from pydantic import TypeAdapter

from engine.errors import EngineError, ErrorClass
from engine.events import TERMINAL, BreakerSnapshot, Event, Usage, decode
from engine.store.checksum import intact
from engine.store.database import Database, StoreError
from engine.store.rows import ParentRow, RevisionRow, TransactionRow
from engine.store.schema import ORIGIN_SINCE, REVISIONS_SINCE

_COLUMNS = """
number, tx, status, session, graph_id, question, answer, exit, reason, error, backend, started_ms, duration_ms,
events, usage
"""
_TEXTS = ("tx", "status", "graph_id", "question", "answer", "reason", "error", "backend")
_NUMBERS = ("number", "started_ms", "duration_ms", "events")
_FORK = """
(SELECT CASE WHEN json_valid(b.body) THEN json_array(
    json_extract(b.body, '$.fork.parent'), json_extract(b.body, '$.fork.number'), json_extract(b.body, '$.fork.seq'),
    (SELECT p.number FROM transactions p WHERE p.tx = json_extract(b.body, '$.fork.parent'))
) END FROM events b WHERE b.gseq = transactions.first_gseq AND instr(b.body, '"fork":{') > 0)
"""
"""[parent, its number, its step, the number that it has here] of a fork; a search spares the others their parsing."""
SPAN = """
FROM events NOT INDEXED WHERE (tx = ?1 OR tx IS NULL)
AND gseq >= (SELECT first_gseq FROM transactions WHERE tx = ?1)
AND gseq <= (SELECT coalesce(last_gseq, 9000000000000000000) FROM transactions WHERE tx = ?1) AND gseq > ?2
"""
"""A transaction's events and those of the engine inside its span, by the table itself: an index may be damaged."""
EVENT_COLUMNS = "gseq, tx, seq, t_ms, wall_ms, kind, v, body, crc"
_EVENTS_OF_TX = f"SELECT {EVENT_COLUMNS} {SPAN} ORDER BY gseq"
_ENGINE_EVENTS = f"SELECT {EVENT_COLUMNS} FROM events WHERE tx IS NULL ORDER BY gseq DESC LIMIT ?"  # noqa: S608
_REVISION = "SELECT hash, graph_id, version, name, first_seen_ms, last_used_ms, runs FROM graph_revisions"
_HISTORY = "tinyllm-tui graph history"
HASH_PREFIX = re.compile(r"[0-9a-fA-F]{4,64}")
"""What may be the beginning of a revision's hash."""
ID_DIGITS = 6
"""Digits from which on they may be the beginning of an id: fewer are meant as a number."""
_USAGE = TypeAdapter(Usage)
_BREAKER = TypeAdapter(BreakerSnapshot)
_ENDS = frozenset(body.KIND for body in TERMINAL)
_DECODE_AT_ONCE = 400
"""Rows decoded between two turns of the event loop."""


def _select(database: Database) -> str:
    """The query for transactions; an older program that owns the database keeps no origin."""
    origin = "origin" if database.schema >= ORIGIN_SINCE else "''"
    return f"SELECT {_COLUMNS}, {origin}, {_FORK} FROM transactions"  # noqa: S608 - built of column names


def _transaction(row: Any) -> TransactionRow:
    """A row of the list. It has no checksum of its own: one that cannot be is shown with the status `damaged`."""
    *fields, usage_text, origin, fork = row
    usage, whole = Usage(), True
    try:
        usage = _USAGE.validate_json(usage_text)
    except ValueError:
        whole = False
    found = TransactionRow(*(*fields, usage, origin, _parent(fork)))
    mended: dict[str, Any] = {name: "" for name in _TEXTS if not isinstance(getattr(found, name), str)}
    mended |= {name: 0 for name in _NUMBERS if not isinstance(getattr(found, name), int)}
    if whole and not mended:
        return found
    return replace(found, **(mended | {"status": "damaged"}))


def _parent(fork: str | None) -> ParentRow | None:
    """Of what `_FORK` gives; none for what cannot be."""
    match json.loads(fork) if fork else None:
        case [str(tx), int(number), int(step), here]:
            return ParentRow(tx, here if isinstance(here, int) else number, step, isinstance(here, int))
    return None


async def transactions(
    database: Database, *, limit: int, session: str | None = None, before: int | None = None
) -> list[TransactionRow]:
    """The newest transactions first; `before`: only those with a lower number."""
    conditions = {"session = ?": session, "number < ?": before}
    given = {condition: value for condition, value in conditions.items() if value is not None}
    where = f"WHERE {' AND '.join(given)}" if given else ""
    rows = await database.fetch(f"{_select(database)} {where} ORDER BY number DESC LIMIT ?", [*given.values(), limit])
    return await _marked(database, [_transaction(row) for row in rows])


async def _marked(database: Database, rows: list[TransactionRow]) -> list[TransactionRow]:
    """The rows; `damaged` where a text is not UTF-8 any more and was read with U+FFFD in its place.

    A person may have written that character too, so that the bytes decide.
    """
    suspect = [row.number for row in rows if any("\ufffd" in getattr(row, name) for name in _TEXTS)]
    if not suspect:
        return rows
    casts = ", ".join(f"CAST({name} AS BLOB)" for name in _TEXTS)
    sql = f"SELECT number, {casts} FROM transactions WHERE number IN (SELECT value FROM json_each(?))"  # noqa: S608 - column names
    found = await database.fetch(sql, [json.dumps(suspect)])
    damaged = {number for number, *texts in found if not all(_is_utf8(text) for text in texts)}
    return [replace(row, status="damaged") if row.number in damaged else row for row in rows]


def _is_utf8(text: bytes | None) -> bool:
    try:
        (text or b"").decode()
    except UnicodeDecodeError:
        return False
    return True


async def unfinished(database: Database) -> list[TransactionRow]:
    """Transactions that neither committed nor rolled back."""
    rows = await database.fetch(f"{_select(database)} WHERE status = 'executing' ORDER BY number")
    return [_transaction(row) for row in rows]


async def transaction(database: Database, reference: str) -> TransactionRow:
    """The transaction with this number (`42` or `#42`), id, or unique beginning of an id.

    Raises:
        EngineError: not_found, or the beginning fits several.
    """
    text = reference.strip().removeprefix("#")
    rows: list[Any] = []
    if text.isdecimal() and len(text) < 12:
        rows = list(await database.fetch(f"{_select(database)} WHERE number = ?", [int(text)]))
    if not rows and text and (not text.isdecimal() or len(text) >= ID_DIGITS):
        escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        rows = list(await database.fetch(f"{_select(database)} WHERE tx LIKE ? ESCAPE '\\' LIMIT 2", [escaped + "%"]))
    if len(rows) == 1:
        return (await _marked(database, [_transaction(rows[0])]))[0]
    what = "fits several transactions" if rows else "is no transaction"
    raise EngineError(
        ErrorClass.NOT_FOUND,
        "transaction_not_found",
        f"{reference!r} {what}.",
        remedy="`tinyllm-tui tx list` shows the numbers.",
    )


async def revisions(database: Database, graph_id: str | None = None) -> list[RevisionRow]:
    """The revisions of graphs that have run, of one graph or of all, the one used last first.

    Raises:
        StoreError: an older version of the program owns the database and keeps no revisions in it.
    """
    _check_revisions(database)
    where, parameters = ("WHERE graph_id = ?", [graph_id]) if graph_id is not None else ("", [])
    rows = await database.fetch(f"{_REVISION} {where} ORDER BY last_used_ms DESC, rowid DESC", parameters)
    return [RevisionRow(*row) for row in rows]


async def revision_document(database: Database, reference: str) -> dict[str, Any]:
    """The specification of one revision as JSON, as it stood in the `begin` events of its runs.

    Args:
        database: the store.
        reference: unique beginning of its hash, of 4 digits at least; or `#42`, for the graph of that transaction.

    Raises:
        EngineError: not_found, or the beginning fits several revisions.
        StoreError: an older version of the program owns the database and keeps no revisions in it.
    """
    _check_revisions(database)
    wanted = reference.strip()
    if wanted.startswith("#"):
        number = (await transaction(database, wanted)).number
        rows = await database.fetch(
            "SELECT spec FROM graph_revisions WHERE hash = (SELECT graph_hash FROM transactions WHERE number = ?)",
            [number],
        )
    elif HASH_PREFIX.fullmatch(wanted):
        first = wanted.lower()
        rows = await database.fetch(
            "SELECT spec FROM graph_revisions WHERE hash >= ? AND hash < ? LIMIT 2", [first, first + "g"]
        )
    else:
        rows = []
    found = list(rows)
    if len(found) != 1:
        raise _no_revision(reference, several=len(found) > 1)
    document: dict[str, Any] = json.loads(found[0][0])
    return document


def _check_revisions(database: Database) -> None:
    if database.schema < REVISIONS_SINCE:
        raise StoreError(
            "no_revisions",
            "An older version of this program has the database open, and keeps no revisions of graphs in it.",
            "Close the other program, then try again.",
        )


def _no_revision(reference: str, *, several: bool) -> EngineError:
    what = "fits several revisions" if several else "is no revision of a graph that has run"
    return EngineError(
        ErrorClass.NOT_FOUND,
        "revision_not_found",
        f"{reference!r} {what}.",
        remedy=f"Give more digits; `{_HISTORY}` shows them." if several else f"`{_HISTORY}` shows the revisions.",
    )


async def last_position(database: Database, tx: str) -> tuple[int, int]:
    """(seq, t_ms) of the last event of a transaction."""
    rows = list(await database.fetch("SELECT seq, t_ms FROM events WHERE tx = ? ORDER BY seq DESC LIMIT 1", [tx]))
    return (rows[0][0], rows[0][1]) if rows else (0, 0)


async def events(database: Database, tx: str, *, after: int = 0) -> list[Event]:
    """The events of a transaction and those of the engine stream inside its span, in order; only those after `after`.

    Raises:
        StoreError: a row is damaged, or one is missing.
    """
    ended = await _has_ended(database, tx)  # asked first: it may end while its events are read
    rows = await database.fetch(_EVENTS_OF_TX, [tx, after])
    order = EventOrder(tx, begun=after > 0)
    decoded: list[Event] = []
    for index, row in enumerate(rows, 1):
        order.check(row)
        decoded.append(_event(row))
        if index % _DECODE_AT_ONCE == 0:
            await asyncio.sleep(0)
    if decoded and ended and not order.ended:
        raise incomplete(tx)
    return decoded


async def engine_events(database: Database, limit: int) -> list[Event]:
    """The latest events of the engine stream, oldest first; those that cannot be read are left out."""
    found = []
    for row in reversed(list(await database.fetch(_ENGINE_EVENTS, [limit]))):
        with contextlib.suppress(StoreError):
            found.append(_event(row))
    return found


class EventOrder:
    """Checks the rows of a transaction as they are read: none altered, none missing between its begin and its end."""

    def __init__(self, tx: str, *, begun: bool = False) -> None:
        self._tx = tx
        self._seq: int | None = None if begun else 0
        self.ended = False

    def check(self, row: Any) -> None:
        """The next row of `events`, with all its columns.

        Raises:
            StoreError: it is not as it was written, or not the next one.
        """
        gseq, tx, seq, _, _, kind, *_ = row
        if not intact(*row):
            raise StoreError(
                "event_damaged",
                f"Event {gseq} of the database is damaged.",
                "Run `tinyllm-tui doctor --deep`; the other transactions can still be opened.",
            )
        follows = self._seq is None or seq == self._seq + 1
        if self.ended or (tx is None and self._seq == 0) or (tx is not None and not follows):
            raise incomplete(self._tx)
        if tx is not None:
            self._seq = seq
            self.ended = kind in _ENDS


def incomplete(tx: str) -> StoreError:
    """The error that events of a transaction are missing."""
    return StoreError(
        "events_missing",
        f"Events of the transaction {tx} are missing: the database is damaged.",
        "Run `tinyllm-tui doctor --deep`; the other transactions can still be opened.",
    )


async def _has_ended(database: Database, tx: str) -> bool:
    rows = await database.fetch("SELECT last_gseq IS NOT NULL FROM transactions WHERE tx = ?", (tx,))
    return any(ended for (ended,) in rows)


def _event(row: Any) -> Event:
    gseq, tx, seq, t_ms, wall_ms, kind, version, body, _ = row
    try:
        return Event(gseq, tx, seq, t_ms, wall_ms, decode(kind, version, body))
    except ValueError as exc:
        raise StoreError("event_unreadable", f"Event {gseq} cannot be read ({exc}).", "Update the program.") from exc


async def next_numbers(database: Database) -> tuple[int, int]:
    """(next gseq, next transaction number)."""
    rows = list(
        await database.fetch(
            """SELECT (SELECT coalesce(max(gseq), 0) + 1 FROM events),
                      (SELECT coalesce(max(number), 0) + 1 FROM transactions)"""
        )
    )
    return rows[0][0], rows[0][1]


async def breakers(database: Database) -> list[BreakerSnapshot]:
    """The breakers' last states; one that cannot be read begins anew."""
    found = []
    for (body,) in await database.fetch("SELECT body FROM breakers ORDER BY key"):
        with contextlib.suppress(ValueError):
            found.append(_BREAKER.validate_json(body))
    return found
