"""A copy of the database beside it, made before its schema changes."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import aiosqlite

from engine.store.files import force_to_disk, make_private, unused


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
        return await asyncio.to_thread(_finish, part, path.with_name(f"{path.name}.schema-{version}"))
    finally:
        part.unlink(missing_ok=True)


def _finish(part: Path, wanted: Path) -> Path:
    """Give the finished copy its name; an earlier backup is kept."""
    force_to_disk(part)
    backup = unused(wanted)
    part.rename(backup)
    force_to_disk(backup.parent)
    return backup
