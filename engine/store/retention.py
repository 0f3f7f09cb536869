"""Retention: removing the oldest finished transactions, with nothing that a kept one needs.

What goes with a transaction are its events, and the engine's own events (breakers, backends) that lie in the span of no
kept one. What stays: every run that goes on; the latest transaction, from which numbers go on; sessions with all that
was said in them (a `begin` event holds the turns that its models saw, so no run needs them, but people do); and the
revisions of graphs.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

from engine.errors import EngineError, ErrorClass
from engine.store.database import Database

_ROW_BYTES = 64
"""About what an event takes beside its body."""
_BATCH_EVENTS = 2000
"""Events removed in one statement, so that runs which go on meanwhile can write in between."""
_VACUUM_PAGES = 1000
"""Pages given back to the file system in one statement."""

_FINISHED = """
SELECT number, tx, events, started_ms + duration_ms FROM transactions
WHERE status <> 'executing' AND number < (SELECT max(number) FROM transactions) ORDER BY number DESC
"""
_PAYLOAD = """
SELECT coalesce(sum(length(CAST(body AS BLOB)) + ?2), 0) FROM events WHERE tx = ?1
"""
_SPANS = "SELECT first_gseq, coalesce(last_gseq, 9000000000000000000) FROM transactions ORDER BY first_gseq"
_REMOVE = "DELETE FROM transactions WHERE number IN (SELECT value FROM json_each(?)) AND status <> 'executing'"
_REMOVE_BETWEEN = """
DELETE FROM events WHERE gseq IN (
    SELECT e.gseq FROM json_each(?) AS gap JOIN events AS e
    ON e.tx IS NULL AND e.gseq > json_extract(gap.value, '$[0]') AND e.gseq < json_extract(gap.value, '$[1]'))
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """What is kept; a finished transaction goes when any of the limits that are given says so."""

    keep: int | None = None
    """The newest so many finished ones."""
    older_than_s: float | None = None
    """Those that ended within so many seconds."""
    max_bytes: int | None = None
    """As many of the newest as fit into a store of so many bytes."""


@dataclass(frozen=True, slots=True)
class PruneReport:
    """What was removed, or with `dry_run` what would be."""

    numbers: tuple[int, ...]
    """Of the transactions, ascending."""
    events: int
    bytes_before: int
    """Bytes of the store that were in use."""
    bytes_freed: int
    """Bytes that are not in use any more; in a dry run about as many as would be."""
    file_freed: int
    """Bytes by which the database's file became smaller; the rest of the freed ones is used again."""
    dry_run: bool


@dataclass(frozen=True, slots=True)
class _Candidate:
    number: int
    tx: str
    events: int
    ended_ms: int


async def prune(
    database: Database, limits: Limits, *, dry_run: bool = False, wall_s: float | None = None
) -> PruneReport:
    """Remove what is beyond the limits. Runs may go on meanwhile.

    Args:
        database: the store.
        limits: at least one must be given.
        dry_run: only say what would go.
        wall_s: Unix time in seconds; now, where it is not given.

    Raises:
        EngineError: invalid_request, for limits that cannot be.
        StoreError: the database is open for reading only, or does not take it.
    """
    _check(limits)
    if database.read_only and not dry_run:
        raise database.refusal("nothing can be removed")
    used, size = await _sizes(database)
    now_ms = (time.time() if wall_s is None else wall_s) * 1000
    victims = await _victims(database, limits, used, now_ms)
    numbers = tuple(sorted(victim.number for victim in victims))
    events = sum(victim.events for victim in victims)
    if dry_run:
        scale = await _scale(database, used)
        freed = sum([await _payload(database, victim.tx) for victim in victims])
        return PruneReport(numbers, events, used, min(int(freed * scale), used), 0, dry_run=True)
    for batch in _batches(victims):
        await database.write(_REMOVE, (json.dumps(batch),))
    if victims:
        await _remove_between_spans(database)
        await _give_back(database)
    used_after, size_after = await _sizes(database)
    return PruneReport(numbers, events, used, max(used - used_after, 0), max(size - size_after, 0), dry_run=False)


def _check(limits: Limits) -> None:
    given = (limits.keep, limits.older_than_s, limits.max_bytes)
    if all(value is None for value in given) or any(value is not None and value < 0 for value in given):
        raise EngineError(
            ErrorClass.INVALID_REQUEST,
            "limits_invalid",
            "There is no limit to prune to, or one below zero.",
            remedy="Say how many transactions to keep, how old they may be, or how large the store may be.",
        )


async def _victims(database: Database, limits: Limits, used: int, now_ms: float) -> list[_Candidate]:
    """Finished transactions beyond the limits, oldest first."""
    rows = [_Candidate(*row) for row in await database.fetch(_FINISHED)]
    if not rows:
        return []
    kept = rows
    if limits.keep is not None:
        # the latest of all is no candidate: where it has ended, it is the first of those to keep
        ((latest_ended,),) = await database.fetch(
            "SELECT status <> 'executing' FROM transactions ORDER BY number DESC LIMIT 1"
        )
        kept = kept[: max(limits.keep - latest_ended, 0)]
    if limits.older_than_s is not None:
        oldest_ms = now_ms - limits.older_than_s * 1000
        kept = [row for row in kept if row.ended_ms >= oldest_ms]
    keeping = {row.number for row in kept}
    victims = [row for row in rows if row.number not in keeping][::-1]
    if limits.max_bytes is None or used <= limits.max_bytes:
        return victims
    return await _fit(database, limits.max_bytes, used, victims, kept[::-1])


async def _fit(
    database: Database, max_bytes: int, used: int, victims: list[_Candidate], kept: list[_Candidate]
) -> list[_Candidate]:
    """Add the oldest of those kept until the store should fit."""
    scale = await _scale(database, used)
    left = used - scale * sum([await _payload(database, victim.tx) for victim in victims])
    for row in kept:
        if left <= max_bytes:
            break
        victims.append(row)
        left -= scale * await _payload(database, row.tx)
    return victims


async def _payload(database: Database, tx: str) -> int:
    """About the bytes of a transaction's events, without what the file adds."""
    ((size,),) = await database.fetch(_PAYLOAD, (tx, _ROW_BYTES))
    return int(size)


async def _scale(database: Database, used: int) -> float:
    """Bytes of the file for each byte of payload, indices and half-empty pages included."""
    ((total,),) = await database.fetch(
        "SELECT coalesce(sum(length(CAST(body AS BLOB)) + ?), 0) FROM events", (_ROW_BYTES,)
    )
    # every table and every index has a page, be it empty
    ((empty,),) = await database.fetch("SELECT count(*) + 1 FROM sqlite_schema WHERE rootpage > 0")
    ((page,),) = await database.fetch("PRAGMA page_size")
    return max((used - int(empty) * int(page)) / max(int(total), 1), 1.0)


def _batches(victims: list[_Candidate]) -> list[list[int]]:
    batches: list[list[int]] = []
    room = 0
    for victim in victims:
        if victim.events > room or not batches:
            batches.append([])
            room = _BATCH_EVENTS
        batches[-1].append(victim.number)
        room -= victim.events
    return batches


async def _remove_between_spans(database: Database) -> None:
    """Remove the engine's events that belong to no transaction's span; those after the last one stay for now."""
    gaps: list[tuple[int, int]] = []
    reached = 0
    for first, last in await database.fetch(_SPANS):
        if first > reached + 1:
            gaps.append((reached, first))
        reached = max(reached, last)
    if gaps:
        await database.write(_REMOVE_BETWEEN, (json.dumps(gaps),))


async def _give_back(database: Database) -> None:
    """Shorten the file by its free pages, a few at a time; pages of a store that cannot do that are used again."""
    ((automatic,),) = await database.fetch("PRAGMA auto_vacuum")
    ((free,),) = await database.fetch("PRAGMA freelist_count")
    if automatic:
        for _ in range(0, free, _VACUUM_PAGES):
            await database.give_back(_VACUUM_PAGES)
    await database.write("PRAGMA wal_checkpoint(PASSIVE)")


async def _sizes(database: Database) -> tuple[int, int]:
    """(bytes in use, bytes of the file)."""
    ((pages,),) = await database.fetch("PRAGMA page_count")
    ((free,),) = await database.fetch("PRAGMA freelist_count")
    ((page,),) = await database.fetch("PRAGMA page_size")
    return (pages - free) * page, pages * page
