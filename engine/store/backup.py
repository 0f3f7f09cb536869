"""Copies of the database: beside it before its schema changes, and wherever a person wants one."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from pathlib import Path

import aiosqlite

from engine.store.files import PARTS, force_to_disk, make_private, unused

_BUSY = "PRAGMA busy_timeout = 5000"


async def back_up(connection: aiosqlite.Connection, path: Path, version: int) -> Path:
    """Copy a database, with what its write-ahead log holds, page by page into one private file beside it.

    A file of the name that is returned is always whole and on the disk: it gets that name last.

    Args:
        connection: open on the database, with no transaction begun.
        path: the database's file.
        version: its schema version, for the name.

    Raises:
        sqlite3.Error: the database cannot be read, or the copy cannot be written.
        OSError: the same, said by the system.
    """
    part = path.with_name(f"{path.name}.backup-part")
    try:
        await asyncio.to_thread(make_private, part, empty=True)
        copy = sqlite3.connect(part, check_same_thread=False)  # the pages are written in the connection's thread
        try:
            await connection.backup(copy)
        finally:
            copy.close()
        return await asyncio.to_thread(_finish, part, unused(path.with_name(f"{path.name}.schema-{version}")))
    finally:
        part.unlink(missing_ok=True)


def copy_database(source: Path, target: Path, *, in_use: bool = True) -> None:
    """Copy a database, with what its write-ahead log holds, into one private file that needs no other beside it.

    The copy is of one moment, whoever writes meanwhile, and gets its name when it is whole and on the disk. Blocks.

    Args:
        source: the database's file; it is only read.
        target: the copy; a file of that name is replaced.
        in_use: whether somebody may write the source meanwhile; else no file is made beside it.

    Raises:
        sqlite3.Error: the source is no database that can be read, or the copy cannot be written.
        OSError: the same, said by the system.
    """
    part = target.with_name(f"{target.name}.part")
    try:
        make_private(part, empty=True)
        with (
            contextlib.closing(open_for_reading(source, in_use=in_use)) as original,
            contextlib.closing(sqlite3.connect(part, isolation_level=None)) as copy,
        ):
            original.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # a write-ahead log would be a second file
        _finish(part, target)
    finally:
        for ending in (*PARTS, "-journal"):
            part.with_name(part.name + ending).unlink(missing_ok=True)


def open_for_reading(source: Path, *, in_use: bool = True) -> sqlite3.Connection:
    """A connection that changes nothing in the database.

    While a database may be in use, SQLite needs an index of its write-ahead log beside it; where none can be made, and
    there is no log, the file alone is read.

    Raises:
        sqlite3.Error, UnicodeDecodeError: it cannot be read.
    """
    uri = source.absolute().as_uri()
    log = source.with_name(source.name + "-wal")
    alone = f"{uri}?immutable=1"
    if not in_use and not log.exists():
        return sqlite3.connect(alone, uri=True)
    connection = sqlite3.connect(f"{uri}?mode=ro", uri=True)
    try:
        connection.execute(_BUSY)
        connection.execute("SELECT count(*) FROM sqlite_schema")
    except sqlite3.OperationalError as exc:
        connection.close()
        if exc.sqlite_errorcode & 0xFF != sqlite3.SQLITE_CANTOPEN or (log.exists() and log.stat().st_size):
            raise
        return sqlite3.connect(alone, uri=True)
    except BaseException:
        connection.close()
        raise
    return connection


def _finish(part: Path, target: Path) -> Path:
    """Give the finished copy its name."""
    force_to_disk(part)
    part.replace(target)
    force_to_disk(target.parent)
    return target
