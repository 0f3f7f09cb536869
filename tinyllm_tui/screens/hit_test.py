"""A screen whose hit test misses widgets that are on their way out.

While Markdown is replaced, the compositor still knows blocks that are no longer in the tree; a mouse press on one of
them is fatal in Textual 8.2. Such a press misses: it falls on the screen behind.
"""

from __future__ import annotations

from textual.geometry import Offset, Region
from textual.screen import Screen
from textual.widget import Widget

from tinyllm_tui.screens.lean_compositor import LeanCompositor
from tinyllm_tui.screens.leaving import LeftOnce


def _gone(widget: Widget) -> bool:
    return not isinstance(widget, Screen) and (widget.parent is None or not widget.is_attached)


class SafeScreen(LeftOnce[None]):
    """Base of all our screens."""

    def __init__(self, name: str | None = None, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(name, id, classes)
        self._compositor = LeanCompositor()

    def reach(self, widget: Widget) -> None:
        """Give the focus to a widget, wherever it is."""
        widget.focus()

    def get_widget_at(self, x: int, y: int) -> tuple[Widget, Region]:
        widget, region = super().get_widget_at(x, y)
        if _gone(widget):
            return self, self.region
        return widget, region

    def get_widget_and_offset_at(self, x: int, y: int) -> tuple[Widget | None, Offset | None]:
        widget, offset = super().get_widget_and_offset_at(x, y)
        if widget is not None and _gone(widget):
            return None, None
        return widget, offset
