"""What reading a SQLite file can raise."""

from __future__ import annotations

import sqlite3

SQLITE_ERRORS = (sqlite3.Error, UnicodeDecodeError)
"""Python's module raises the second one where the message itself holds damaged text of the file."""


def is_damage(exc: BaseException) -> bool:
    """Whether the file is damaged, or no database at all."""
    if isinstance(exc, UnicodeDecodeError):
        return True
    code = getattr(exc, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def words(exc: BaseException) -> str:
    """What was said, for a person."""
    return "its tables cannot be read" if isinstance(exc, UnicodeDecodeError) else str(exc)
