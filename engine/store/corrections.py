"""Corrections: questions for which a person marked the right route, in the store."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from engine.errors import EngineError, ErrorClass
from engine.store.database import Database
from engine.store.rows import CorrectionRow
from engine.store.schema import CORRECTIONS_SINCE

MOST = 200
"""Corrections of one graph that can count at the same time: a router learns from each of them."""
QUESTION_CHARACTERS = 1000
"""What is kept of a question; routers look at less."""
UNDONE_KEPT = 1000
"""Undone corrections that are still listed; the oldest ones go."""

_SELECT = """
SELECT c.id, c.graph_id, c.router, c.question, c.labels, c.tx, t.number, c.created_ms, c.undone_ms
FROM corrections c LEFT JOIN transactions t ON t.tx = c.tx
"""
_INSERT = """
INSERT INTO corrections (graph_id, router, question, labels, tx, created_ms)
SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
       json_extract(value, '$[3]'), json_extract(value, '$[4]'), json_extract(value, '$[5]')
FROM json_each(?) RETURNING id
"""
_UNDO = "UPDATE corrections SET undone_ms = max(?, created_ms) WHERE id = ? AND undone_ms IS NULL RETURNING id"
_FORGET = """
DELETE FROM corrections WHERE undone_ms IS NOT NULL
AND id NOT IN (SELECT id FROM corrections WHERE undone_ms IS NOT NULL ORDER BY undone_ms DESC, id DESC LIMIT ?)
"""


@dataclass(frozen=True, slots=True)
class Correction:
    """A correction that is to be stored."""

    graph_id: str
    router: str
    question: str
    labels: tuple[str, ...]
    tx: str = ""


async def corrections(
    database: Database, graph_ids: Iterable[str] | None = None, *, undone: bool = True
) -> list[CorrectionRow]:
    """The corrections of some graphs or of all, the newest first; a store of an older program has none.

    Args:
        database: the store.
        graph_ids: None for all.
        undone: whether those are among them that do not count any more.

    Raises:
        StoreError: the database cannot be read.
    """
    if database.schema < CORRECTIONS_SINCE:
        return []
    rows = await database.fetch(
        f"{_SELECT} WHERE (?1 IS NULL OR c.graph_id IN (SELECT value FROM json_each(?1)))"  # noqa: S608 - constants
        " AND (?2 OR c.undone_ms IS NULL) ORDER BY c.id DESC",
        [None if graph_ids is None else json.dumps(list(graph_ids)), undone],
    )
    found = []
    for row in rows:
        with contextlib.suppress(ValueError, TypeError):  # one that cannot be read is none
            found.append(_correction(row))
    return found


def _correction(row: Any) -> CorrectionRow:
    number, graph_id, router, question, labels, *rest = row
    names = json.loads(labels)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("labels")
    return CorrectionRow(number, graph_id, router, question, tuple(names), *rest)


async def add(database: Database, new: Sequence[Correction], wall_ms: int) -> list[int]:
    """Store corrections, all of them or none. One for a question that has one already takes its place.

    Args:
        database: the store.
        new: at most one for each question of a router.
        wall_ms: Unix time in milliseconds.

    Returns:
        Their ids, in order.

    Raises:
        EngineError: invalid_request, when a graph would have too many.
        StoreError: the database is open for reading only, or does not take them.
    """
    if database.read_only:
        raise database.refusal("nothing can be corrected")
    cut = [(c.graph_id, c.router, c.question[:QUESTION_CHARACTERS], json.dumps(c.labels), c.tx) for c in new]
    await _check_room(database, {row[:3] for row in cut})
    rows = json.dumps([(*row, wall_ms) for row in cut])
    ids = [int(number) for (number,) in await database.write(_INSERT, (rows,))]
    await database.write(_FORGET, (UNDONE_KEPT,))
    return sorted(ids)


async def _check_room(database: Database, new: set[tuple[str, str, str]]) -> None:
    standing = await corrections(database, {key[0] for key in new}, undone=False)
    keys = {(row.graph_id, row.router, row.question) for row in standing} | new
    for graph_id in sorted({key[0] for key in new}):
        if sum(key[0] == graph_id for key in keys) > MOST:
            raise EngineError(
                ErrorClass.INVALID_REQUEST,
                "too_many_corrections",
                f"The graph {graph_id} would have more than {MOST} corrections.",
                remedy="Undo some (`tinyllm-tui route taught`), or write them into the graph as `utterances`.",
            )


async def undo(database: Database, number: int, wall_ms: int) -> None:
    """Let a correction count no more.

    Raises:
        EngineError: not_found: there is none that counts.
        StoreError: the database is open for reading only, or does not take it.
    """
    if database.read_only:
        raise database.refusal("no correction can be undone")
    if not await database.write(_UNDO, (wall_ms, number)):
        raise EngineError(
            ErrorClass.NOT_FOUND,
            "correction_not_found",
            f"There is no correction {number} that counts.",
            remedy="`tinyllm-tui route taught` lists them.",
        )
    await database.write(_FORGET, (UNDONE_KEPT,))
