"""What stands for exchanges that are not mounted: as high as they are, with their words until they are."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from rich.segment import Segment
from textual.cache import LRUCache
from textual.strip import Strip
from textual.widget import Widget

from tinyllm_tui.sanitize import one_line, sanitize
from tinyllm_tui.widgets.chat.draft import draft_lines
from tinyllm_tui.widgets.chat.items import Item, TurnItem
from tinyllm_tui.widgets.chat.window import tops
from tinyllm_tui.words import Glyphs, plain

_DRAWN = 8_000
"""Characters of an answer that are drawn."""


def rows_of(item: Item, width: int, signs: Glyphs) -> list[str]:
    """A question and its answer as plain rows: about what its exchange will show."""
    if not isinstance(item, TurnItem):
        return []
    answer = draft_lines(sanitize(item.turn.answer[:_DRAWN]), max(width - 6, 16), signs.bullet)
    question = one_line(item.turn.question[:_DRAWN], max(width - 6, 16))
    return [f" {signs.bar} {question}", "", *(f"   {plain(row)}" for row in answer)]


class Spacer(Widget):
    """Draws the words of the exchanges that it stands for, one by one as they come into view."""

    DEFAULT_CSS = "Spacer { height: 0; width: 1fr; color: $text-dim; }"
    ALLOW_SELECT = False

    def __init__(self, signs: Glyphs) -> None:
        super().__init__()
        self._signs = signs
        self._items: Sequence[Item] = ()
        self._tops = [0]
        self._rows: LRUCache[tuple[int, int], list[str]] = LRUCache(32)

    def stand_for(self, items: Sequence[Item]) -> None:
        """Stand for these, which are not mounted."""
        self._items, self._tops = items, tops([item.rows for item in items])
        self._rows.clear()
        self.styles.height = self._tops[-1]

    def render_line(self, y: int) -> Strip:
        width, style = self.size.width, self.rich_style
        n = bisect_right(self._tops, y) - 1
        if not 0 <= n < len(self._items):
            return Strip.blank(width, style)
        rows = self._rows.get((n, width))
        if rows is None:
            rows = self._rows[(n, width)] = rows_of(self._items[n], width, self._signs)
        row = y - self._tops[n]
        last = row == self._tops[n + 1] - self._tops[n] - 1
        words = rows[row] if row < len(rows) and not last else ""
        return Strip([Segment(words, style)]).adjust_cell_length(width, style)
