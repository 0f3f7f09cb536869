"""A new database file: private, and whole from the moment at which it has its name."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from engine.store.files import PARTS, force_to_disk, make_private
from engine.store.schema import APPLICATION_ID, MIGRATIONS, VERSION


def create(path: Path) -> None:
    """Make an empty database of the present schema.

    A crash leaves either no file of that name or a whole one, so that one which is there and empty has lost something.

    Raises:
        OSError: the file cannot be made.
        sqlite3.Error: it cannot be written.
    """
    part = path.with_name(f"{path.name}.new")
    for ending in (*PARTS[1:], "-journal"):
        part.with_name(part.name + ending).unlink(missing_ok=True)
    make_private(part, empty=True)
    connection = sqlite3.connect(part, isolation_level=None)
    try:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # takes effect only before the first table
        write_schema(connection, VERSION)
    finally:
        connection.close()
    force_to_disk(part)
    part.rename(path)
    force_to_disk(path.parent)


def write_schema(connection: sqlite3.Connection, version: int) -> None:
    """Bring an empty database to a version of the schema, one transaction for each step."""
    for number in range(1, version + 1):
        connection.executescript(migration_script(number))


def migration_script(number: int) -> str:
    """What brings a database from version `number` - 1 to `number`, as one transaction."""
    return (
        f"BEGIN IMMEDIATE; PRAGMA application_id = {APPLICATION_ID};"
        f"{MIGRATIONS[number - 1]} PRAGMA user_version = {number}; COMMIT;"
    )
