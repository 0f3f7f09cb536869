"""Sessions in the store: what was said in them, one after the other, and finding it again.

A committed run leaves its question and its answer in its session (see `engine.store.schema`); one that was rolled back
leaves nothing there. A session that is deleted takes what was said in it along; the transactions stay as they were, and
still name the session they ran in.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from engine.errors import EngineError, ErrorClass
from engine.store.database import Database
from engine.store.rows import MessageRow, SessionHit, SessionRow
from engine.store.schema import MEMORIES_SINCE
from engine.store.words import MESSAGES, find, remove, snippet

_COUNT = "(SELECT count(*) FROM messages m WHERE m.session = s.id)"
_EXECUTING = "EXISTS (SELECT 1 FROM transactions WHERE session = ?1 AND status = 'executing')"
_HISTORY = """
SELECT m.role, m.content, m.tx, t.number, m.created_ms FROM messages m LEFT JOIN transactions t ON t.tx = m.tx
WHERE m.session = ? ORDER BY m.id DESC LIMIT ?
"""
_HITS = """
SELECT m.id, m.session, s.name, m.role, m.tx, t.number, m.content, m.created_ms
FROM messages m JOIN sessions s ON s.id = m.session LEFT JOIN transactions t ON t.tx = m.tx
WHERE m.id IN (SELECT value FROM json_each(?))
"""

_FACTORS = """
SELECT json_extract(body, '$.selection'), json_extract(body, '$.factor') FROM events
WHERE tx = (SELECT tx FROM messages WHERE session = ? ORDER BY id DESC LIMIT 1)
AND kind = 'context_measured' AND json_extract(body, '$.reported') IS NOT NULL ORDER BY seq
"""


async def sessions(database: Database) -> list[SessionRow]:
    """The sessions, latest use first."""
    return await _rows(database, "ORDER BY s.updated_ms DESC, s.id", [])


async def session(database: Database, session: str) -> SessionRow | None:
    """The session with this id."""
    rows = await _rows(database, "WHERE s.id = ?", [session])
    return rows[0] if rows else None


async def _rows(database: Database, rest: str, parameters: Sequence[Any]) -> list[SessionRow]:
    memory = "s.memory" if database.schema >= MEMORIES_SINCE else "1"
    sql = f"SELECT s.id, s.name, s.created_ms, s.updated_ms, {_COUNT}, {memory} FROM sessions s {rest}"  # noqa: S608 - constants
    found = await database.fetch(sql, parameters)
    return [
        SessionRow(id_, name, created, updated, count, bool(on)) for id_, name, created, updated, count, on in found
    ]


async def create_session(database: Database, row: SessionRow) -> None:
    """Add an empty session.

    Raises:
        StoreError: the database does not take it.
    """
    await database.write(
        "INSERT INTO sessions (id, name, created_ms, updated_ms, memory) VALUES (?, ?, ?, ?, ?)",
        (row.id, row.name, row.created_ms, row.updated_ms, int(row.memory)),
    )


async def rename_session(database: Database, session: str, name: str) -> bool:
    """Give a session another name; false where there is none with this id.

    Raises:
        StoreError: the database is open for reading only, or does not take it.
    """
    if database.read_only:
        raise database.refusal("no session can be renamed")
    return bool(await database.write("UPDATE sessions SET name = ? WHERE id = ? RETURNING id", (name, session)))


async def set_session_memory(database: Database, session: str, on: bool) -> bool:
    """Say whether runs of a session use long-term memory; false where there is none with this id.

    Raises:
        StoreError: the database is open for reading only, or does not take it.
    """
    if database.read_only:
        raise database.refusal("a session's memory cannot be turned on or off")
    return bool(await database.write("UPDATE sessions SET memory = ? WHERE id = ? RETURNING id", (int(on), session)))


async def delete_session(database: Database, session: str) -> bool:
    """Remove a session with what was said in it, also from the words that are searched. Its transactions stay.

    A crash in between leaves it whole, and it can be deleted again.

    Returns:
        False where there is none with this id.

    Raises:
        EngineError: invalid_request, while a run of it goes on or waits to be gone on with.
        StoreError: the database is open for reading only, or does not take it.
    """
    if database.read_only:
        raise database.refusal("no session can be deleted")
    ((executing,),) = await database.fetch(f"SELECT {_EXECUTING}", (session,))
    if executing:
        raise session_busy()
    async with database.indexing:
        said = await database.fetch("SELECT id FROM messages WHERE session = ?", (session,))
        await remove(database, MESSAGES, [number for (number,) in said])
        gone = await database.write(
            f"DELETE FROM sessions WHERE id = ?1 AND NOT {_EXECUTING} RETURNING id",  # noqa: S608 - constants
            (session,),
        )
    if not gone and await session_exists(database, session):  # a run began meanwhile
        raise session_busy()
    return bool(gone)


async def session_exists(database: Database, session: str) -> bool:
    """Whether there is one with this id."""
    return bool(list(await database.fetch("SELECT 1 FROM sessions WHERE id = ?", [session])))


async def session_messages(database: Database, session: str, *, limit: int = 10_000) -> list[tuple[str, str, str]]:
    """(role, content, transaction) of a session's latest messages, oldest first."""
    rows = await database.fetch(
        "SELECT role, content, tx FROM messages WHERE session = ? ORDER BY id DESC LIMIT ?", [session, limit]
    )
    return [(role, content, tx) for role, content, tx in rows][::-1]


async def session_factors(database: Database, session: str) -> dict[str, float]:
    """Model -> by how much its counts of tokens exceeded the estimates at the end of the session's latest committed
    run; at least 1."""
    rows = await database.fetch(_FACTORS, [session])
    latest = {str(selection): float(factor) for selection, factor in rows}
    factors: dict[str, float] = {}
    for selection, factor in latest.items():
        model = selection.partition(" ")[2]
        factors[model] = max(factor, factors.get(model, 1.0))
    return factors


async def session_history(database: Database, session: str, *, limit: int | None = None) -> list[MessageRow]:
    """The latest messages of a session, oldest first; without a limit all of them."""
    rows = await database.fetch(_HISTORY, [session, -1 if limit is None else limit])
    return [MessageRow(*row) for row in rows][::-1]


async def search_sessions(database: Database, text: str, *, limit: int) -> list[SessionHit]:
    """The messages that have every word of a text, the best first.

    Raises:
        StoreError: the database cannot be read, or does not take up what is new.
    """
    hits = await find(database, MESSAGES, text, limit=limit)
    rows = {row[0]: row[1:] for row in await database.fetch(_HITS, [json.dumps([hit.id for hit in hits])])}
    found = []
    for session_id, name, role, tx, number, content, created_ms in (rows[hit.id] for hit in hits if hit.id in rows):
        cut = snippet(text, content)
        found.append(SessionHit(session_id, name, role, tx, number, content, cut, created_ms))
    return found


def session_busy() -> EngineError:
    """The error that a session cannot be deleted yet."""
    return EngineError(
        ErrorClass.INVALID_REQUEST,
        "session_busy",
        "A run of this session goes on, so it cannot be deleted.",
        remedy="Wait for its end, or cancel it; one that was interrupted ends in the cockpit.",
    )
