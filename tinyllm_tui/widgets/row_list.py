"""A list of any number of rows: only those in sight are drawn, and one of them is selected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.style import Style
from textual.binding import BindingType
from textual.events import Click
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip

from tinyllm_tui.keymap import bindings
from tinyllm_tui.widgets.lines import LineView
from tinyllm_tui.words import Glyphs, Line

Draw = Callable[[int, int], Line]
"""(number of a row, columns) -> the row, drawn."""


class RowList(LineView):
    """Rows of one line each.

    Args:
        signs: what the selected row is marked with, so that this is not told by colour alone.
    """

    BINDINGS: ClassVar[list[BindingType]] = list(bindings("list", "rows"))
    COMPONENT_CLASSES: ClassVar[set[str]] = {"row--selected"}
    DEFAULT_CSS = """
    RowList { padding: 0 1; }
    RowList > .row--selected { background: $field-background; }
    RowList:focus > .row--selected { background: $primary 22%; }
    """

    class Opened(Message):
        """Enter on a row, or a click on the selected one."""

        def __init__(self, rows: RowList, row: int) -> None:
            super().__init__()
            self.rows = rows
            self.row = row

        @property
        def control(self) -> RowList:
            return self.rows

    class Moved(Message):
        """Another row is selected."""

        def __init__(self, rows: RowList, row: int) -> None:
            super().__init__()
            self.rows = rows
            self.row = row

        @property
        def control(self) -> RowList:
            return self.rows

    def __init__(self, signs: Glyphs, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._signs = signs
        self._draw: Draw = lambda _row, _width: ()
        self._choices: Sequence[int] = ()
        self._count = 0
        self._place = 0
        """Ordinal of the selected row among those that can be selected."""
        self._drawn: dict[tuple[int, int], Line] = {}

    @property
    def selected(self) -> int | None:
        """Number of the selected row; None where none can be."""
        return self._choices[self._place] if self._place < len(self._choices) else None

    def show(self, count: int, draw: Draw, *, choices: Sequence[int] | None = None) -> None:
        """Show rows; the selection stays where it was, as far as there are rows.

        Args:
            count: how many.
            draw: draws one of them; it is asked for those in sight.
            choices: numbers of those that can be selected, ascending; default: all.
        """
        self._count, self._draw = count, draw
        self._choices = range(count) if choices is None else choices
        self._place = max(min(self._place, len(self._choices) - 1), 0)
        self._drawn.clear()
        self._resized()
        self.refresh()

    def select(self, row: int) -> None:
        """Select a row, and bring it into sight; nothing for one that cannot be selected."""
        if row in self._choices:
            self._go(self._choices.index(row))

    def count(self) -> int:
        return self._count

    def line_at(self, y: int) -> Line:
        width = self.scrollable_content_region.width - 2
        found = self._drawn.get((y, width))
        if found is None:
            found = self._drawn[y, width] = self._draw(y, width)
        return ((f"{self._signs.prompt} " if y == self.selected else "  ", "accent"), *found)

    def render_line(self, y: int) -> Strip:
        strip = super().render_line(y)
        if self.scroll_offset.y + y != self.selected:
            return strip
        colour = self.get_component_rich_style("row--selected").bgcolor
        return strip.apply_style(Style(bgcolor=colour))

    def _go(self, place: int) -> None:
        place = max(min(place, len(self._choices) - 1), 0)
        if not self._choices:
            return
        moved, self._place = place != self._place, place
        row = self._choices[place]
        top = 0 if place == 0 else row  # what stands above the first comes into sight with it
        self.scroll_to_region(Region(0, top, 1, row - top + 1), animate=False)
        self.refresh()
        if moved:
            self.post_message(self.Moved(self, row))

    def action_cursor_up(self) -> None:
        self._go(self._place - 1)

    def action_cursor_down(self) -> None:
        self._go(self._place + 1)

    def action_page_up(self) -> None:
        self._go(self._place - max(self.size.height - 1, 1))

    def action_page_down(self) -> None:
        self._go(self._place + max(self.size.height - 1, 1))

    def action_first(self) -> None:
        self._go(0)

    def action_last(self) -> None:
        self._go(len(self._choices) - 1)

    def action_open(self) -> None:
        if self.selected is not None:
            self.post_message(self.Opened(self, self.selected))

    def on_click(self, event: Click) -> None:
        row = event.y + self.scroll_offset.y
        if row not in self._choices:
            return
        if row == self.selected:
            self.action_open()
        else:
            self._go(self._choices.index(row))
