"""The quick check of a database: its pages, and the text of its list of transactions, for a bounded time."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from pathlib import Path

from engine.store.backup import open_for_reading
from engine.store.sqlite_errors import SQLITE_ERRORS, is_damage, words

_STEPS = 10_000
"""Instructions of SQLite between two looks at the clock."""
_LISTED = "SELECT number, tx, status, graph_id, question, answer, reason, error, backend FROM transactions"


def quick_check(path: Path, seconds: float) -> str:
    """Look for damage in a database, which is only read and may be in use. Blocks.

    Args:
        path: its file.
        seconds: after which the check ends, however much of a large file it has seen.

    Returns:
        The first damage that was found, as a sentence; empty where there was none.

    Raises:
        sqlite3.Error: it cannot be read, for a reason other than damage.
        OSError: the same, said by the system.
    """
    if not path.stat().st_size:
        return "The file is empty."
    deadline = time.monotonic() + seconds
    try:
        with contextlib.closing(open_for_reading(path)) as connection:
            connection.text_factory = bytes
            connection.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
            for row in connection.execute(_LISTED):
                if not all(_is_text(value) for value in row if isinstance(value, bytes)):
                    return f"What is listed of transaction #{row[0]} is no text any more."
            for (line,) in connection.execute("PRAGMA quick_check(1)"):
                if line != b"ok":
                    return f"{line.decode('utf-8', 'replace')}."
    except SQLITE_ERRORS as exc:
        if getattr(exc, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
            return ""
        if not is_damage(exc):
            raise
        return f"It cannot be read any further: {words(exc)}."
    return ""


def _is_text(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True
