"""One transaction on one line of a list."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from rich.cells import cell_len

from tinyllm_tui.row_words import INTERRUPTED, outcome_words, parent_words, status_words
from tinyllm_tui.sanitize import one_line
from tinyllm_tui.words import Glyphs, Line, Span, Tone, cut, duration, filled

if TYPE_CHECKING:
    from engine.store.rows import TransactionRow

_QUESTION = 15
"""Columns that are kept for the question before there are words on where it comes from."""


def transaction_line(
    row: TransactionRow, width: int, signs: Glyphs, *, marked: bool = False, bookmarks: int = 0
) -> Line:
    """Number, status, time, duration, graph, bookmarks, where it comes from, question.

    Args:
        row: the transaction.
        width: columns.
        signs: the characters to draw with.
        marked: whether it is the one to compare with another.
        bookmarks: how many places in it are marked.
    """
    sign, tone = _sign(row, signs)
    when = (
        datetime.fromtimestamp(row.started_ms / 1000).astimezone().strftime("%d %b %H:%M" if width >= 70 else "%H:%M")
    )
    name = one_line(row.graph_id.removeprefix("graph."))
    graph = filled(name, 14, signs.ellipsis) + " " if width >= 100 else ""
    parts: list[Span] = [
        (f"#{row.number:<4}", "primary"),
        (signs.marks["differs"] if marked else " ", "accent"),
        (f"{sign} ", tone),
        (_outcome(row, width, signs), tone),
        (f"{when} ", "dim"),
        (f"{duration(row.duration_ms):>7}  ", "dim"),
        (graph, "dim"),
    ]
    room = width - sum(cell_len(text) for text, _ in parts)
    origin = f"{signs.marks['bookmark']} {bookmarks} {signs.dot} " if bookmarks else ""
    origin += _origin(row, width if room >= _QUESTION + 25 else 0, signs)
    parts.append((cut(origin, room, signs.ellipsis), "accent"))
    parts.append((cut(one_line(row.question), room - cell_len(origin), signs.ellipsis), "text"))
    return tuple(part for part in parts if part[0])


def _outcome(row: TransactionRow, width: int, signs: Glyphs) -> str:
    """How a run ended; where there is little room, its status or its sign alone."""
    if width < 60:
        return ""
    words, room = (status_words(row), 11) if width < 70 else (outcome_words(row), 19 if width < 100 else 24)
    return filled(one_line(words), room, signs.ellipsis) + " "


def _sign(row: TransactionRow, signs: Glyphs) -> tuple[str, Tone]:
    """(sign, tone) of how a run ended."""
    if row.status == "committed":
        return (signs.marks["warn"], "warn") if row.exit == "fallback" else (signs.nodes["ok"], "ok")
    if row.status in ("rolled_back", "damaged"):
        return signs.nodes["failed"], "error"
    if row.status == INTERRUPTED:
        return signs.marks["resumed"], "warn"
    return signs.nodes["running"], "accent"


def _origin(row: TransactionRow, width: int, signs: Glyphs) -> str:
    """That a run was imported, and of which it is a fork; in a few columns where there are no more."""
    imported = signs.marks["imported"] if row.origin else ""
    fork = f"{signs.marks['fork']} #{row.parent.number}" if row.parent is not None else ""
    if width >= 60:
        imported = f"{imported} {row.origin}" if imported else ""
        words = parent_words(row.parent, imported=bool(row.origin))
        fork = f"{signs.marks['fork']} {words}" if words else ""
    return "".join(f"{each} {signs.dot} " for each in (imported, fork) if each)
