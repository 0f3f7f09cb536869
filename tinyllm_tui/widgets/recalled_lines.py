"""What a run was told from long-term memory, as lines: which memory, of what kind, how well it fits, and its source."""

from __future__ import annotations

from collections.abc import Iterator

from rich.cells import cell_len

from engine.events import Recalled
from engine.view import View
from tinyllm_tui.sanitize import one_line
from tinyllm_tui.words import UNICODE, Glyphs, Line, cut

_NARROW = 60
"""Columns below which a memory's text has a row of its own."""


def source_words(item: Recalled) -> str:
    """Where a recalled memory comes from."""
    if item.number:
        return f"of #{item.number}"
    return "of a run" if item.tx else "by hand"


def rows_each(width: int) -> int:
    """Rows that each memory takes in `width` columns."""
    return 1 if width >= _NARROW else 2


def recalled_lines(view: View, width: int, signs: Glyphs = UNICODE) -> Iterator[Line]:
    """Lines for each recalled memory, the best first, in at most `width` columns; none where there are none."""
    for item in view.recalled:
        facts = f"{signs.marks['recalled']} recalled {item.id} {signs.dot} {item.kind} {source_words(item)}"
        text = one_line(item.text, 400)
        if rows_each(width) == 1:
            facts += f" {signs.dot} "
            yield ((facts, "dim"), (cut(text, width - cell_len(facts), signs.ellipsis), "text"))
        else:
            yield ((cut(facts, width, signs.ellipsis), "dim"),)
            yield ((cut(f"  {text}", width, signs.ellipsis), "text"),)


def recalled_trace(item: Recalled) -> str:
    """The same for a trace on the command line, with its score."""
    return (
        f"recalled {item.id} ({item.kind}, {source_words(item)}, {item.score:.2f} by {item.how}): {one_line(item.text)}"
    )
