"""Restoring a backup: checked first, the present database moved aside and never deleted."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from engine import events as ev
from engine.bus import EventBus
from engine.errors import ErrorClass, ErrorInfo
from engine.store import queries
from engine.store.backup import copy_database
from engine.store.database import FILE_NAME, Database, StoreError, store_error
from engine.store.deep_check import DeepReport, examine
from engine.store.files import PARTS, aside_name, force_to_disk
from engine.store.log import EventLog
from engine.store.ownership import Ownership
from engine.store.schema import VERSION
from engine.store.sqlite_errors import SQLITE_ERRORS, is_damage, words
from engine.view import fold

RESTORED = ErrorInfo(
    ErrorClass.CANCELLED,
    "restored",
    "The backup was made while this run was going on; what it did afterwards is not known.",
    "Look at what its tools may have done since, and ask again.",
)


@dataclass(frozen=True, slots=True)
class Restored:
    """A backup that is the database now."""

    report: DeepReport
    """Of the backup."""
    aside: Path | None
    """Where the database is that was there before; None where there was none."""
    ended: tuple[int, ...]
    """Numbers of runs that were going on when the backup was made."""


async def restore(folder: Path, file: Path) -> Restored:
    """Make a backup the database of a data folder.

    A run that was going on when the backup was made is marked as rolled back without undoing anything: it has ended
    since, and to resume it or to undo its effects would do so a second time.

    Raises:
        StoreError: another process owns the database, the file is no sound backup, or the disk refuses.
    """
    ownership = Ownership(folder)
    part = folder / f"{FILE_NAME}.restore-part"
    try:
        await asyncio.to_thread(folder.mkdir, mode=0o700, parents=True, exist_ok=True)
        if not await asyncio.to_thread(ownership.acquire):
            raise StoreError(
                "database_owned",
                f"The database belongs to {ownership.owner()}, so nothing can be restored now.",
                "Close the other program, then try again.",
            )
        report = await asyncio.to_thread(_checked_copy, file, part)
        ended = await _end_runs(part)
        aside = await asyncio.to_thread(_exchange, part / FILE_NAME, folder / FILE_NAME)
    except (OSError, *SQLITE_ERRORS) as exc:
        raise store_error(exc, folder / FILE_NAME) from exc
    finally:
        if ownership.held:
            await asyncio.to_thread(shutil.rmtree, part, ignore_errors=True)
        ownership.release()
    return Restored(report, aside, ended)


def _checked_copy(file: Path, part: Path) -> DeepReport:
    """Copy the backup into a folder of its own, and check the copy: nobody can change that one in between."""
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(mode=0o700)
    copy = part / FILE_NAME
    try:
        if not file.is_file() or not file.stat().st_size:
            raise _unusable(file, "there is no such file, or it is empty")
        copy_database(file, copy, in_use=False)
    except SQLITE_ERRORS as exc:
        if not is_damage(exc):
            raise
        raise _unusable(file, f"{words(exc)}.") from exc
    report = examine(copy)
    if not report.sound:
        raise _unusable(file, " ".join(text for texts in report.problems.values() for text in texts)[:500])
    if report.schema > VERSION:
        raise StoreError(
            "backup_newer", f"{file} was written by a newer version of this program.", "Update the program."
        )
    return report


def _unusable(file: Path, why: str) -> StoreError:
    return StoreError(
        "backup_unusable",
        f"{file} is no sound backup, so nothing was changed: {why}",
        "Name a file that `tinyllm-tui db backup` wrote.",
    )


async def _end_runs(folder: Path) -> tuple[int, ...]:
    """Bring the copy up to date, and mark the runs that were going on as rolled back."""
    database = await Database.open(folder)
    try:
        next_gseq, _ = await queries.next_numbers(database)
        log = EventLog(EventBus(), database, next_gseq=next_gseq)
        rows = await queries.unfinished(database)
        for row in rows:
            events = await queries.events(database, row.tx)
            seq, t_ms = await queries.last_position(database, row.tx)
            stream = log.stream(row.tx, seq=seq, t_ms=t_ms)
            log.append(ev.RollingBack("restored", RESTORED), stream)
            log.append(ev.RolledBack("restored", RESTORED, usage=fold(events).usage), stream)
        log.close()
        await log.write_forever()
        if log.error is not None:
            raise log.error
        return tuple(row.number for row in rows)
    finally:
        await database.close()


def _exchange(new: Path, path: Path) -> Path | None:
    """Put the new file in the place of the database; at every moment one of the two is there."""
    if not path.exists() and not any(path.with_name(path.name + ending).exists() for ending in PARTS[1:]):
        new.replace(path)
        force_to_disk(path.parent)
        return None
    with contextlib.suppress(*SQLITE_ERRORS), contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA busy_timeout = 5000")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # then the file alone is whole
    aside = aside_name(path, "before-restore")
    for ending in PARTS[1:]:
        part = path.with_name(path.name + ending)
        if part.exists():
            part.rename(aside.with_name(aside.name + ending))
    if path.exists():
        try:
            os.link(path, aside)
        except OSError:  # a file system without hard links
            path.rename(aside)
    new.replace(path)
    force_to_disk(path.parent)
    return aside
