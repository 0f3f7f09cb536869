"""A line of switches that are on or off: each has a number, a mark and a word, and can be clicked."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from textual.events import Click
from textual.message import Message

from tinyllm_tui.widgets.lines import LineView
from tinyllm_tui.words import Glyphs, Line, Span


class Toggles(LineView, can_focus=False):
    """One line; where not all switches fit a mark says so, and the keys of the others work all the same.

    Args:
        signs: how the mark is drawn.
    """

    DEFAULT_CSS = "Toggles { height: 1; padding: 0 1; }"

    class Chosen(Message):
        """A click on a switch."""

        def __init__(self, index: int) -> None:
            super().__init__()
            self.index = index

    def __init__(self, signs: Glyphs, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._signs = signs
        self._places: list[tuple[int, int]] = []
        """First column of each switch, and the one after its last."""

    def show(self, switches: Sequence[tuple[str, bool]], after: str = "") -> None:
        """Show (word, whether it is on) of each, and a word behind them."""
        self.make_lines(lambda width: [self._line(switches, after, width)])

    def _line(self, switches: Sequence[tuple[str, bool]], after: str, width: int) -> Line:
        spans: list[Span] = []
        self._places, used = [], 0
        for number, (word, on) in enumerate(switches, 1):
            text = f"{number} [{'x' if on else ' '}] {word}"
            if used + cell_len(text) > width:
                spans[-1:] = [(f" {self._signs.ellipsis}"[: width - used + 2], "dim")]
                return tuple(spans)
            self._places.append((used, used + cell_len(text)))
            spans += [(text, "strong" if on else "dim"), ("  ", "text")]
            used += cell_len(text) + 2
        if after and used + cell_len(after) <= width:
            spans.append((after, "faint"))
        return tuple(spans)

    def on_click(self, event: Click) -> None:
        x = event.get_content_offset_capture(self).x
        for index, (first, end) in enumerate(self._places):
            if first <= x < end:
                self.post_message(self.Chosen(index))
