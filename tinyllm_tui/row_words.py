"""How one transaction of a list is put into words: the same on the command line and in the cockpit."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.store.rows import ParentRow, TransactionRow
from tinyllm_tui.sanitize import one_line

INTERRUPTED = "interrupted"
"""The status of a run whose program has ended, and which waits to be gone on with."""


def as_it_is(row: TransactionRow, left: Iterable[TransactionRow]) -> TransactionRow:
    """The row; `interrupted` where it is one of those that wait for another start."""
    return dataclasses.replace(row, status=INTERRUPTED) if row.tx in {each.tx for each in left} else row


def status_words(row: TransactionRow) -> str:
    """The status in the words that `--json` has: committed, rolled back, executing, interrupted or damaged."""
    return row.status.replace("_", " ")


def outcome_words(row: TransactionRow) -> str:
    """The status, and with which exit or why; a plain success needs no more words."""
    more = (row.exit if row.exit != "success" else "") if row.status == "committed" else row.reason
    return f"{status_words(row)}, {one_line(more, 200).replace('_', ' ')}" if more else status_words(row)


def parent_words(parent: ParentRow | None, *, imported: bool = False) -> str:
    """Of which run it is a fork; empty where of none.

    Args:
        parent: that run.
        imported: the fork came from a file, so that a parent that is not here never was.
    """
    if parent is None:
        return ""
    gone = "" if parent.kept else " (not here)" if imported else " (pruned)"
    return f"fork of #{parent.number}{gone} at step {parent.step}"


def origin_words(row: TransactionRow) -> str:
    """Where a run comes from: that it was imported, and of which it is a fork; empty for one that began here."""
    words = (row.origin, parent_words(row.parent, imported=bool(row.origin)))
    return ", ".join(each for each in words if each)
