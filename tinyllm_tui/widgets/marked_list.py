"""An option list that marks the selected row with a sign, so that it is not told by colour alone."""

from __future__ import annotations

from rich.segment import Segment
from textual.strip import Strip
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from tinyllm_tui.words import Glyphs


class MarkedList(OptionList):
    """Rows of which the selected one begins with a sign; outside text in them is never markup.

    Args:
        options: the rows.
        signs: what the selected one is marked with.
        id: of the widget.
    """

    DEFAULT_CSS = """
    MarkedList.-textual-compact > .option-list--option { padding: 0 0 0 2; }
    """
    MARK = 2
    """Columns before each row, of which the first is for the sign."""

    def __init__(self, *options: Option, signs: Glyphs, id: str | None = None) -> None:  # noqa: A002
        super().__init__(*options, id=id, markup=False, compact=True)
        self._signs = signs

    def render_line(self, y: int) -> Strip:
        strip = super().render_line(y)
        line = self.scroll_offset.y + y
        lines = self._lines
        if self.highlighted is None or line >= len(lines) or lines[line] != (self.highlighted, 0):
            return strip
        style = next((segment.style for segment in strip), None)
        return Strip([Segment(self._signs.prompt, style), *strip.crop(1)], strip.cell_length)
