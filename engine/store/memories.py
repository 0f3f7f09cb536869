"""Long-term memories in the store: notes, facts and summaries with where they come from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from engine.errors import EngineError, ErrorClass
from engine.message import replace_surrogates
from engine.store import words
from engine.store.database import Database
from engine.store.rare_words import find_any
from engine.store.rows import MemoryRow
from engine.store.schema import MEMORIES_SINCE
from engine.store.words import MEMORIES, WordHit

MemoryKind = Literal["note", "fact", "summary"]
KINDS: tuple[MemoryKind, ...] = ("note", "fact", "summary")

MOST_CHARACTERS = 4000
"""Of one memory: it is to fit into a prompt."""

_SELECT = """
SELECT m.id, m.kind, m.content, m.tx, t.number, m.session, m.pinned, m.created_ms, m.edited_ms, m.used_ms, m.uses
FROM memories m LEFT JOIN transactions t ON t.tx = m.tx
"""
_INSERT = """
INSERT INTO memories (kind, content, tx, session, created_ms, edited_ms, used_ms)
SELECT ?1, ?2, ?3, ?4, ?5, ?5, ?5
WHERE ?3 = '' OR EXISTS (SELECT 1 FROM transactions WHERE tx = ?3 AND status = 'committed')
ON CONFLICT (kind, content) DO UPDATE SET edited_ms = max(edited_ms, excluded.edited_ms)
RETURNING id
"""
_OVER = """
SELECT id FROM memories WHERE pinned = 0 AND id <> ?1 ORDER BY used_ms, id
LIMIT max((SELECT count(*) FROM memories) - ?2, 0)
"""
_EDIT = """
UPDATE OR IGNORE memories SET content = ?1, edited_ms = ?2, indexed = 0 WHERE id = ?3 RETURNING id
"""
_USED = """
UPDATE memories SET uses = uses + 1, used_ms = max(used_ms, ?1) WHERE id IN (SELECT value FROM json_each(?2))
"""


@dataclass(frozen=True, slots=True)
class Memory:
    """A memory that is to be stored."""

    kind: MemoryKind
    text: str
    tx: str = ""
    """The transaction that it comes from; empty where a person wrote it."""
    session: str = ""


async def memories(database: Database, *, limit: int = 100, before: int | None = None) -> list[MemoryRow]:
    """The memories, the newest first; a store of an older program has none.

    Args:
        database: the store.
        limit: at most so many.
        before: only those with a lower id, to go on from the last one of an earlier answer.

    Raises:
        StoreError: the database cannot be read.
    """
    if database.schema < MEMORIES_SINCE:
        return []
    rows = await database.fetch(
        f"{_SELECT} WHERE ?1 IS NULL OR m.id < ?1 ORDER BY m.id DESC LIMIT ?2",
        (before, limit),
    )
    return [_memory(row) for row in rows]


async def by_id(database: Database, ids: Iterable[int]) -> dict[int, MemoryRow]:
    """Those of these memories that are there.

    Raises:
        StoreError: the database cannot be read.
    """
    if database.schema < MEMORIES_SINCE:
        return {}
    rows = await database.fetch(
        f"{_SELECT} WHERE m.id IN (SELECT value FROM json_each(?))",  # noqa: S608 - a constant
        (json.dumps(list(ids)),),
    )
    found = [_memory(row) for row in rows]
    return {row.id: row for row in found}


def _memory(row: Any) -> MemoryRow:
    number, kind, text, tx, run, session, pinned, *rest = row
    return MemoryRow(number, kind, text, tx, run, session, bool(pinned), *rest)


async def search(database: Database, text: str, *, limit: int) -> list[tuple[MemoryRow, WordHit]]:
    """The memories that have every word of a text, the best first.

    Args:
        database: the store.
        text: whatever a person or a model wrote; nothing in it has a meaning of its own.
        limit: at most so many.

    Raises:
        StoreError: the database cannot be read, or does not take up what is new.
    """
    return await _of_hits(database, await words.find(database, MEMORIES, text, limit=limit))


async def search_any(
    database: Database, forms: Sequence[Sequence[str]], *, limit: int
) -> list[tuple[MemoryRow, WordHit]]:
    """The memories that have one of some words, the best first: see `engine.store.rare_words`.

    Args:
        database: the store.
        forms: of each word, those that it may have.
        limit: at most so many.

    Raises:
        StoreError: the database cannot be read, or does not take up what is new.
    """
    return await _of_hits(database, await find_any(database, MEMORIES, forms, limit=limit))


async def _of_hits(database: Database, hits: Sequence[WordHit]) -> list[tuple[MemoryRow, WordHit]]:
    rows = await by_id(database, (hit.id for hit in hits)) if hits else {}
    return [(rows[hit.id], hit) for hit in hits if hit.id in rows]


async def any_there(database: Database) -> bool:
    """Whether there is a memory at all.

    Raises:
        StoreError: the database cannot be read.
    """
    return bool(await memories(database, limit=1))


async def session_recalls(database: Database, session: str | None) -> bool:
    """Whether memory is switched on for a session; it is where there is none.

    Raises:
        StoreError: the database cannot be read.
    """
    if session is None or database.schema < MEMORIES_SINCE:
        return True
    return not list(await database.fetch("SELECT 1 FROM sessions WHERE id = ? AND memory = 0", (session,)))


async def add(database: Database, new: Memory, wall_ms: int, *, most: int) -> int:
    """Store a memory; where there is one of the same kind and text, that one stays.

    The least recently used ones that are not pinned go where there would be more than `most`.

    Args:
        database: the store.
        new: the memory.
        wall_ms: Unix time in milliseconds.
        most: memories that are kept.

    Returns:
        Its id.

    Raises:
        EngineError: invalid_request: the text is empty or too long, its transaction is not committed, or nothing can go
            because all are pinned.
        StoreError: the database is open for reading only, or does not take it.
    """
    if database.read_only:
        raise database.refusal("nothing can be remembered")
    text = checked(new.text)
    await _check_room(database, most)
    ids = await database.write(_INSERT, (new.kind, text, new.tx, new.session, wall_ms))
    if not ids:
        raise EngineError(
            ErrorClass.INVALID_REQUEST,
            "transaction_not_committed",
            f"The transaction {new.tx[:40]!r} is not committed, so nothing of it is remembered.",
            remedy="Name one that `tinyllm-tui tx list` shows as committed, or none.",
        )
    number = int(ids[0][0])
    over = [old for (old,) in await database.fetch(_OVER, (number, most))]
    if over:
        await _delete(database, over)
    return number


def checked(text: str) -> str:
    """A text as it is stored.

    Raises:
        EngineError: invalid_request: it is empty, or too long.
    """
    text = replace_surrogates(text).strip()
    if not text:
        raise EngineError(ErrorClass.INVALID_REQUEST, "memory_empty", "The text is empty.", remedy="Give a text.")
    if len(text) > MOST_CHARACTERS:
        raise EngineError(
            ErrorClass.INVALID_REQUEST,
            "memory_too_long",
            f"The text has {len(text):,} characters; a memory has at most {MOST_CHARACTERS:,}.",
            remedy="Shorten it, or store it in parts.",
        )
    return text


async def _check_room(database: Database, most: int) -> None:
    ((pinned,),) = await database.fetch("SELECT count(*) FROM memories WHERE pinned = 1")
    if pinned >= most:
        raise EngineError(
            ErrorClass.INVALID_REQUEST,
            "memory_full",
            f"All of the {most:,} memories that are kept are pinned.",
            remedy="Unpin or forget some, or raise memory.max_items.",
        )


async def edit(database: Database, number: int, text: str, wall_ms: int) -> None:
    """Give a memory another text.

    Raises:
        EngineError: not_found; invalid_request: the text is empty, too long, or that of another memory of its kind.
        StoreError: the database is open for reading only, or does not take it.
    """
    if database.read_only:
        raise database.refusal("no memory can be edited")
    if not await database.write(_EDIT, (checked(text), wall_ms, number)):
        if not await by_id(database, [number]):
            raise not_found(number)
        raise EngineError(
            ErrorClass.INVALID_REQUEST,
            "memory_known",
            "Another memory has this text already.",
            remedy=f"Forget one of the two: tinyllm-tui memory forget {number}",
        )


async def pin(database: Database, number: int, pinned: bool) -> None:
    """Let a memory stay as it is, however long it is not used, or let it fade again.

    Raises:
        EngineError: not_found.
        StoreError: the database is open for reading only, or does not take it.
    """
    if database.read_only:
        raise database.refusal("no memory can be pinned")
    if not await database.write("UPDATE memories SET pinned = ? WHERE id = ? RETURNING id", (pinned, number)):
        raise not_found(number)


async def forget(database: Database, number: int) -> None:
    """Delete a memory with its words.

    Raises:
        EngineError: not_found.
        StoreError: the database is open for reading only, or does not take it.
    """
    if database.read_only:
        raise database.refusal("no memory can be forgotten")
    if not await _delete(database, [number]):
        raise not_found(number)


async def _delete(database: Database, ids: Sequence[int]) -> int:
    """Delete memories, their words first; how many there were."""
    async with database.indexing:
        await words.remove(database, MEMORIES, ids)
        gone = await database.write(
            "DELETE FROM memories WHERE id IN (SELECT value FROM json_each(?)) RETURNING id", (json.dumps(list(ids)),)
        )
    return len(gone)


async def mark_used(database: Database, ids: Sequence[int], wall_ms: int) -> None:
    """Count one use more of each.

    Raises:
        StoreError: the database is open for reading only, or does not take it.
    """
    if database.read_only:
        raise database.refusal("no use of a memory is counted")
    await database.write(_USED, (wall_ms, json.dumps(list(ids))))


def not_found(number: int) -> EngineError:
    """The error that there is no such memory."""
    return EngineError(
        ErrorClass.NOT_FOUND,
        "memory_not_found",
        f"There is no memory {number}.",
        remedy="`tinyllm-tui memory list` lists them.",
    )
