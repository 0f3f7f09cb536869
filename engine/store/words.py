"""Searching texts by their words: the FTS5 indexes of messages and memories, and how they are kept up.

A word index is a plain copy of its table's texts, whose rows have the same ids. No trigger keeps it up (see
`engine.store.schema`): a row that is not marked `indexed` is taken up right before the next search, by single
statements that may be repeated, so that a crash between them only means that they are done again.

A database that is open for reading only takes nothing up: rows that are not `indexed` are looked through themselves
(`LIKE`: case is ignored for ASCII letters only, and a word is found inside longer ones), so that what was said last is
found there as well; of an older schema, which has no index, all rows are. See https://www.sqlite.org/fts5.html for the
index itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from engine.message import replace_surrogates
from engine.store.database import Database
from engine.store.schema import MEMORIES_SINCE

MOST_WORDS = 64
"""Words of a search that count: SQLite limits the depth of what they make."""
MOST_CHARACTERS = 4000
"""Characters of a search that count."""
SNIPPET_CHARACTERS = 160
_BATCH = 500
"""Rows taken up in one statement, so that runs which go on can write in between."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_LETTERS = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class WordIndex:
    """A table with the columns `id`, `content` and `indexed`, and the FTS5 table of its words."""

    table: str
    index: str
    since: int
    """Schema version from which on there is the table; the index is there since `MEMORIES_SINCE`."""


MESSAGES = WordIndex("messages", "messages_words", 1)
MEMORIES = WordIndex("memories", "memories_words", MEMORIES_SINCE)


@dataclass(frozen=True, slots=True)
class WordHit:
    """A row in which the words were found."""

    id: int
    rank: float
    """BM25 as FTS5 counts it: the less, the better; 0.0 where the index was not used."""


def plain_words(text: str) -> list[str]:
    """The words of a person's text that letters or digits are in, each once, in their order."""
    plain = _CONTROL.sub(" ", replace_surrogates(text)[:MOST_CHARACTERS])
    return list(dict.fromkeys(word for word in plain.split() if _LETTERS.search(word)))[:MOST_WORDS]


def quoted(word: str) -> str:
    """An FTS5 query for a word; whatever else FTS5 has a meaning for, such as `NEAR` or `*`, has none."""
    return '"' + word.replace('"', '""') + '"'


def match_query(text: str) -> str:
    """An FTS5 query for every word of a text that a person or a model wrote.

    Returns:
        The query, or nothing for a text without words: FTS5 would call that an error.
    """
    return " AND ".join(map(quoted, plain_words(text)))


async def take_up(database: Database, index: WordIndex) -> None:
    """Bring the words of every row that is not `indexed` into the index. It may be repeated, and be interrupted.

    Args:
        database: one that this process owns.
        index: which.

    Raises:
        StoreError: the database does not take it.
    """
    after = -1
    async with database.indexing:
        while True:
            rows = await database.fetch(
                f"SELECT id FROM {index.table} WHERE indexed = 0 AND id > ? ORDER BY id LIMIT ?",  # noqa: S608 - names of tables
                (after, _BATCH),
            )
            ids = [number for (number,) in rows]
            if not ids:
                return
            await _take_up(database, index, ids)
            after = ids[-1]


async def _take_up(database: Database, index: WordIndex, ids: list[int]) -> None:
    """Two statements; a row that is edited between them is not marked, and taken up the next time."""
    which = (json.dumps(ids),)
    await database.write(
        f"INSERT OR REPLACE INTO {index.index} (rowid, content) SELECT id, content FROM {index.table} "  # noqa: S608 - names of tables
        "WHERE indexed = 0 AND id IN (SELECT value FROM json_each(?))",
        which,
    )
    await database.write(
        f"UPDATE {index.table} SET indexed = 1 WHERE indexed = 0 AND id IN (SELECT value FROM json_each(?)) "  # noqa: S608 - names of tables
        f"AND content = (SELECT w.content FROM {index.index} AS w WHERE w.rowid = {index.table}.id)",
        which,
    )


async def remove(database: Database, index: WordIndex, ids: Iterable[int]) -> None:
    """Take rows out of the index, as the first half of deleting them. The caller holds `database.indexing` until it
    has deleted them, so that no search takes them up again; after a crash in between, one does.

    Raises:
        StoreError: the database does not take it.
    """
    which = (json.dumps(list(ids)),)
    await database.write(
        f"UPDATE {index.table} SET indexed = 0 WHERE indexed = 1 AND id IN (SELECT value FROM json_each(?))",  # noqa: S608 - names of tables
        which,
    )
    await database.write(
        f"DELETE FROM {index.index} WHERE rowid IN (SELECT value FROM json_each(?))",  # noqa: S608 - names of tables
        which,
    )


async def find(database: Database, index: WordIndex, text: str, *, limit: int) -> list[WordHit]:
    """The rows that have every word of a text, the best first; before them, the newest first, what is not indexed.

    Args:
        database: the store; what it does not have indexed yet is taken up before, where this process owns it.
        index: what is searched.
        text: as a person or a model wrote it; none without a word.
        limit: at most so many.

    Raises:
        StoreError: the database cannot be read, or does not take up what is new.
    """
    query = match_query(text)
    if not query or database.schema < index.since:
        return []
    fresh = await unindexed(database, index, plain_words(text), limit=limit, every=True)
    if not has_index(database):
        return fresh
    rows = await database.fetch(
        f"SELECT rowid, rank FROM {index.index} WHERE {index.index} MATCH ? AND {unchanged(index)} "  # noqa: S608 - names of tables
        "ORDER BY rank LIMIT ?",
        (query, limit),
    )
    return [*fresh, *(WordHit(number, rank) for number, rank in rows)][:limit]


def has_index(database: Database) -> bool:
    """Whether there is a word index: one of an older schema is open for reading only, and has none."""
    return database.schema >= MEMORIES_SINCE


def unchanged(index: WordIndex) -> str:
    """The condition that a row of an index still has the words of its text."""
    return f"rowid NOT IN (SELECT id FROM {index.table} WHERE indexed = 0)"  # noqa: S608 - names of tables


async def unindexed(
    database: Database, index: WordIndex, words: Iterable[str], *, limit: int, every: bool
) -> list[WordHit]:
    """What is not in the index and has every word, or one of them, the newest first; none where it can be taken up.

    Args:
        database: the store; what it does not have indexed yet is taken up, where this process owns it.
        index: which.
        words: what is looked for.
        limit: at most so many.
        every: whether a row has to have all words.

    Raises:
        StoreError: the database cannot be read, or does not take up what is new.
    """
    if not database.read_only:
        await take_up(database, index)
        return []
    return await _find_plainly(database, index, words, limit=limit, every=every)


async def _find_plainly(
    database: Database, index: WordIndex, words: Iterable[str], *, limit: int, every: bool
) -> list[WordHit]:
    """The newest rows outside the index whose texts contain every word, or one of them."""
    pieces = list(dict.fromkeys(piece for word in words for piece in _LETTERS.findall(word)))[:MOST_WORDS]
    condition = (" AND " if every else " OR ").join(["content LIKE ? ESCAPE '\\'"] * len(pieces))
    outside = "indexed = 0 AND " if has_index(database) else ""
    rows = await database.fetch(
        f"SELECT id FROM {index.table} WHERE {outside}({condition}) ORDER BY id DESC LIMIT ?",  # noqa: S608 - names of tables
        [*(f"%{piece}%" for piece in pieces), limit],
    )
    return [WordHit(number, 0.0) for (number,) in rows]


def contains(text: str, content: str) -> bool:
    """Whether a text that is in no database has every word of a search, each perhaps inside a longer one."""
    pieces = [piece.casefold() for word in plain_words(text) for piece in _LETTERS.findall(word)]
    folded = content.casefold()
    return bool(pieces) and all(piece in folded for piece in pieces)


def snippet(text: str, content: str) -> str:
    """The part of `content`, about `SNIPPET_CHARACTERS` long, around the first word of a search that is in it.

    Args:
        text: what was searched.
        content: of a hit.

    Returns:
        One line, with `...` where something was left out; not made harmless for a terminal.
    """
    pieces = [piece for word in plain_words(text) for piece in _LETTERS.findall(word)]
    found = re.search("|".join(map(re.escape, pieces)), content, re.IGNORECASE) if pieces else None
    start = max((found.start() if found else 0) - SNIPPET_CHARACTERS // 4, 0)
    end = start + SNIPPET_CHARACTERS
    middle = " ".join(content[start:end].split())
    return ("..." if start else "") + middle + ("..." if end < len(content) else "")
