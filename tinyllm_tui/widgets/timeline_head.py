"""The rows of the timeline that stand still: the scale, the lanes, and the rule between them and the list."""

from __future__ import annotations

from dataclasses import dataclass

from rich.cells import cell_len

from tinyllm_tui.lanes import Window
from tinyllm_tui.sanitize import one_line
from tinyllm_tui.words import Glyphs, Line, Span, cut, duration

LEAST_LINES = 8
"""Lines that a pane must have to show lanes above the list."""


@dataclass(frozen=True, slots=True)
class Head:
    """How the rows that stand still are shared."""

    scale: int
    rows: int
    """Rows of lanes."""
    rule: int

    @property
    def height(self) -> int:
        return self.scale + self.rows + self.rule

    @staticmethod
    def of(shown: str, height: int, rows: int, *, filtered: bool) -> Head:
        """What a pane of `height` lines has of `rows` rows of lanes: half of it, or all where there is no list."""
        if shown == "list":
            return Head(0, 0, 1 if filtered else 0)
        if shown == "lanes":
            return Head(1, max(height - 2, 0), 1)
        return Head(1, min(rows, max(height // 2 - 1, 1)), 1)


def rule_line(
    width: int,
    signs: Glyphs,
    *,
    words: str,
    typing: bool,
    found: tuple[int, int],
    lanes: tuple[int, int],
    window: Window | None,
) -> Line:
    """The rule: on its left what is looked for and how much of it there is, on its right which part is shown.

    Args:
        width: columns.
        signs: the characters to draw with.
        words: what is looked for.
        typing: whether it is being written.
        found: entries that have it, and all.
        lanes: the last row of lanes that is shown, and how many there are.
        window: the stretch of time that is shown; None for all of it.
    """
    bar = "─" if signs.bar == "│" else "-"
    right = []
    if lanes[1] > lanes[0] > 0:
        right.append(f"{lanes[1]} lanes")
    if window is not None:
        right.append(f"{duration(window.start_ms)} to {duration(window.start_ms + window.span_ms)}, 0 fits")
    end = f" {', '.join(right)} " if right else ""
    spans: list[Span] = [(bar, "faint")]
    if words or typing:
        shown = one_line(words, 200) + ("_" if typing else "")
        count = f" {found[0]} of {found[1]}, esc clears "
        room = max(width - cell_len(count) - cell_len(end) - 4, width // 3)
        spans += [(" /", "title"), (cut(shown, room, signs.ellipsis), "strong"), (count, "dim")]
    used = sum(cell_len(text) for text, _ in spans)
    end = cut(end, max(width - used, 0), signs.ellipsis)
    spans += [(bar * max(width - used - cell_len(end) - 1, 0), "faint"), (end, "dim"), (bar, "faint")]
    return tuple(spans)
