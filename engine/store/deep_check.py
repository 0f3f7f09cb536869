"""The deep check of a database: the file itself, the checksum of every event, their order, and what is projected."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

from engine.events import TERMINAL, Begin, decode
from engine.store.backup import open_for_reading
from engine.store.checksum import intact
from engine.store.creation import write_schema
from engine.store.projection_check import ProjectionCheck
from engine.store.readers import readers
from engine.store.schema import APPLICATION_ID, PRAGMAS, VERSION
from engine.store.sqlite_errors import SQLITE_ERRORS, words

SHOWN = 5
"""Problems of one kind that are named; the others are counted."""
_INTEGRITY_LINES = 20
_ENDS = frozenset(body.KIND for body in TERMINAL)

ProblemKind = Literal["file", "event", "order", "projection"]


@dataclass(slots=True)
class DeepReport:
    """What a deep check found."""

    path: Path
    problems: dict[ProblemKind, list[str]] = field(default_factory=dict)
    """The first ones of each kind, a sentence each."""
    counts: dict[ProblemKind, int] = field(default_factory=dict)
    """How many there are of each kind."""
    schema: int = 0
    transactions: int = 0
    events: int = 0
    counted: bool = False
    """Whether all transactions and events could be read, so that their numbers are known."""
    unreadable: int = 0
    """Events of a newer program: intact, and not known here."""
    file_bytes: int = 0
    free_bytes: int = 0
    """Bytes of the file's pages that are not in use."""
    log_bytes: int = 0
    """Size of the write-ahead log."""
    long_readers: tuple[int, ...] | None = ()
    """Ids of other processes that were reading all the while; None where that cannot be known."""
    seconds: float = 0.0

    @property
    def sound(self) -> bool:
        return not self.counts

    def add(self, kind: ProblemKind, text: str) -> None:
        self.counts[kind] = self.counts.get(kind, 0) + 1
        shown = self.problems.setdefault(kind, [])
        if len(shown) < SHOWN:
            shown.append(text)


def examine(path: Path) -> DeepReport:
    """Check a database as it is at this moment; it is only read, and may be in use. Blocks, for as long as it is large.

    Raises:
        OSError: the file cannot be opened.
    """
    began = time.monotonic()
    report = DeepReport(path, file_bytes=path.stat().st_size)
    log = path.with_name(path.name + "-wal")
    report.log_bytes = log.stat().st_size if log.exists() else 0
    if report.file_bytes == 0:
        report.add("file", "The file is empty.")
        return report
    reading = readers(path)
    try:
        with contextlib.closing(open_for_reading(path)) as connection:
            _examine(connection, report)
    except SQLITE_ERRORS as exc:
        report.add("file", f"It cannot be read any further: {words(exc)}.")
    still = readers(path)
    report.long_readers = None if reading is None or still is None else tuple(sorted(reading & still))
    report.seconds = time.monotonic() - began
    return report


def _examine(connection: sqlite3.Connection, report: DeepReport) -> None:
    connection.text_factory = partial(str, encoding="utf-8", errors="replace")
    for pragma in PRAGMAS:
        if "journal" not in pragma:
            connection.execute(pragma)
    connection.execute("PRAGMA cell_size_check = ON")
    connection.execute("BEGIN")  # one moment for everything that is compared
    (page,) = connection.execute("PRAGMA page_size").fetchone()
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    report.free_bytes = page * free
    if not _is_ours(connection, report):
        return
    for (line,) in connection.execute(f"PRAGMA integrity_check({_INTEGRITY_LINES})"):
        if line != "ok":
            report.add("file", f"{line}.")
    for table, row, parent, _ in connection.execute("PRAGMA foreign_key_check"):
        report.add("file", f"Row {row} of {table} refers to a row of {parent} that is not there.")
    if report.schema <= VERSION:
        _examine_events(connection, report)


def _is_ours(connection: sqlite3.Connection, report: DeepReport) -> bool:
    """Whether it is a database of this program whose tables can be checked."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (report.schema,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID or report.schema < 1:
        report.add("file", "It is no database of this program.")
        return False
    if report.schema <= VERSION and _tables(connection) != _expected_tables(report.schema):
        report.add("file", f"Its tables are not those of schema {report.schema}.")
        return False
    return True


def _tables(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
    sql = "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite!_%' ESCAPE '!'"
    return sorted(connection.execute(sql).fetchall(), key=repr)


def _expected_tables(version: int) -> list[tuple[Any, ...]]:
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        write_schema(connection, version)
        return _tables(connection)


@dataclass(slots=True)
class _Progress:
    """How far the events of one transaction have been read."""

    seq: int = 0
    ended: bool = False


def _examine_events(connection: sqlite3.Connection, report: DeepReport) -> None:
    """Every event: its checksum, its place, and what is projected from it."""
    (report.transactions,) = connection.execute("SELECT count(*) FROM transactions").fetchone()
    projection = ProjectionCheck(connection, report.schema, partial(report.add, "projection"))
    seen: dict[str | None, _Progress] = {}
    for row in _rows(connection):
        report.events += 1
        gseq, tx, seq, t_ms, _, kind, version, body, _ = row
        if not intact(*row):
            report.add("event", f"Event {gseq} is not as it was written.")
            seen.setdefault(tx, _Progress()).seq += 1  # it stands where one belongs, whatever it says
            continue
        if _readable(report, gseq, kind, version, body):
            projection.event(gseq, tx, seq, t_ms, row[4], kind, json.loads(body))
        if tx is not None:
            _follow(report, seen.setdefault(tx, _Progress()), gseq, tx, seq, kind)
    for number, tx, status in connection.execute("SELECT number, tx, status FROM transactions ORDER BY number"):
        progress = seen.pop(tx, None)
        if progress is None:
            report.add("order", f"Transaction #{number} has no events.")
        elif progress.ended != (status != "executing"):
            has = "has an end" if progress.ended else "has no end"
            report.add("order", f"Transaction #{number} is {status}, but {has}.")
    for tx in seen.keys() - {None}:
        report.add("order", f"There are events of {tx}, which is no transaction.")
    report.counted = True
    projection.finish()


def _rows(connection: sqlite3.Connection) -> Iterator[tuple[Any, ...]]:
    sql = "SELECT gseq, tx, seq, t_ms, wall_ms, kind, v, body, crc FROM events NOT INDEXED ORDER BY gseq"
    yield from connection.execute(sql)


def _readable(report: DeepReport, gseq: int, kind: str, version: int, body: str) -> bool:
    try:
        decode(kind, version, body)
    except ValueError as exc:
        if "newer" in str(exc) or "reads up to" in str(exc):
            report.unreadable += 1
        else:
            report.add("event", f"Event {gseq} does not have the form of {kind}.")
        return False
    return True


def _follow(report: DeepReport, progress: _Progress, gseq: int, tx: str, seq: int, kind: str) -> None:
    """Events of a transaction follow each other without gaps, from its begin to its only end."""
    if progress.ended:
        report.add("order", f"Event {gseq} comes after the end of {tx}.")
    elif seq != progress.seq + 1:
        report.add("order", f"Event {gseq} is number {seq} of {tx}, where {progress.seq + 1} belongs.")
    if (kind == Begin.KIND) != (seq == 1):
        report.add("order", f"Event {gseq} of {tx} is number {seq}, and {kind} cannot be there.")
    progress.seq = seq
    progress.ended = progress.ended or kind in _ENDS
