"""The base of the line-drawn panes: a scroll view over lines of (text, tone), with a cache of finished strips."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.color import Color
from rich.segment import Segment, Segments
from rich.style import Style
from textual.cache import LRUCache
from textual.css.styles import RenderStyles
from textual.dom import DOMNode
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.scrollbar import ScrollBarRender
from textual.strip import Strip
from textual.theme import Theme

from tinyllm_tui.tones import tone_css
from tinyllm_tui.words import Line

_TERMINALS = Color.default()


class ThinScrollBar(ScrollBarRender):
    """A scroll bar that is a line where it lies: a full row would look like a part of what is drawn above it."""

    THUMB: ClassVar[str] = "━"

    @classmethod
    def render_bar(
        cls, size: int = 25, virtual_size: float = 50, window_size: float = 20, position: float = 0,
        thickness: int = 1, vertical: bool = True,
        back_color: Color = _TERMINALS, bar_color: Color = _TERMINALS,
    ) -> Segments:  # fmt: skip
        bar = super().render_bar(
            size, virtual_size, window_size, position, thickness, vertical, back_color, bar_color
        )  # fmt: skip
        return bar if vertical else Segments([cls._thin(each, back_color, bar_color) for each in bar.segments])

    @classmethod
    def _thin(cls, segment: Segment, back: Color, bar: Color) -> Segment:
        if segment.style is None or segment.style.meta.get("@mouse.down") != "grab":
            return segment
        return Segment(cls.THUMB, Style(color=bar, bgcolor=back, meta=segment.style.meta))


class PlainScrollBar(ThinScrollBar):
    """A scroll bar of whole cells, for terminals without Unicode."""

    THUMB = "="
    VERTICAL_BARS: ClassVar[list[str]] = [" "] * 8


class LineView(ScrollView, can_focus=True):
    """Draws lines; a subclass may make them one by one by overriding `count` and `line_at`."""

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    LineView {
        background: transparent;
        scrollbar-size: 1 1;
        scrollbar-gutter: auto;
        overflow-x: hidden;
        @TONES
    }
    """.replace("@TONES", tone_css())

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self._lines: Sequence[Line] = ()
        self._again: Callable[[], None] | None = None
        self._strips: LRUCache[Line, Strip] = LRUCache(512)
        self._tones: set[str] = set()
        """Component classes of the tones that were drawn with, in the present look."""
        self._theme: Theme | None = None
        self.ground = Style.null()
        """What lines are filled up with, in the present paint."""

    def set_lines(self, lines: Sequence[Line]) -> None:
        """Show `lines`; nothing is drawn when they are the ones already shown."""
        if lines == self._lines:
            return
        self._lines = lines
        self._resized()
        self.refresh()

    def make_lines(self, make: Callable[[int], Sequence[Line]]) -> None:
        """Show what `make` makes of the width there is; made again when the width changes."""

        def again() -> None:
            self.set_lines(make(self.scrollable_content_region.width))

        self._again = again
        again()

    def count(self) -> int:
        return len(self._lines)

    def line_at(self, y: int) -> Line:
        return self._lines[y]

    def _resized(self) -> None:
        """Take over how many lines there are.

        Assigning `virtual_size` would arrange the whole screen anew with every line that is added; what depends on it
        is the scrolling of this view alone (a scroll bar that appears or goes still asks for a layout by itself).
        """
        size = Size(self.scrollable_content_region.width, self.count())
        if size == self.virtual_size:
            return
        self.set_reactive(ScrollView.virtual_size, size)
        self._scroll_update(size)
        if self._anchored and not self._anchor_released:
            self.scroll_end(animate=False, immediate=True)

    def watch_show_vertical_scrollbar(self) -> None:
        """The scroll bar takes a column of what is drawn."""
        if self._again is not None:
            self.call_after_refresh(self._again)

    def on_resize(self) -> None:
        if self._again is not None:
            self._again()
        self._resized()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._strips.clear()
        for tone in self._tones:
            self._component_styles.pop(tone, None)
        self._tones.clear()
        if self._theme is not self.app.current_theme:
            self._theme = self.app.current_theme
            self.refresh()

    def get_component_styles(self, *names: str) -> RenderStyles:
        """Those of tones are found out when something is drawn with them: there are many, and a view uses few."""
        for name in names:
            if name not in self._component_styles and name.startswith("tone--"):
                tone = DOMNode(classes=name)
                tone._attach(self)  # noqa: SLF001 - as Textual makes the nodes of component classes
                self.app.stylesheet.apply(tone)
                self._component_styles[name] = tone.styles
                self._tones.add(name)
        return super().get_component_styles(*names)

    def render_lines(self, crop: Region) -> list[Strip]:
        self.ground = self.rich_style  # it is made anew whenever it is asked for: once a paint, not once a line
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        x, top = self.scroll_offset
        width, number, style = self.size.width, top + y, self.ground
        if number >= self.count():
            return Strip.blank(width, style)
        return self.strip(self.line_at(number)).crop_extend(x, x + width, style)

    def strip(self, line: Line) -> Strip:
        """The finished form of a line."""
        strip = self._strips.get(line)
        if strip is None:
            strip = Strip([Segment(text, self.get_component_rich_style(f"tone--{tone}")) for text, tone in line])
            self._strips[line] = strip
        return strip
