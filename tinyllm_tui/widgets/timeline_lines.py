"""What the timeline pane draws: lanes that stand still in its first rows, and the list that scrolls below them."""

from __future__ import annotations

from bisect import bisect_right
from typing import ClassVar, Literal

from rich.cells import cell_len
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip

from engine.view import TimelineEntry, View
from tinyllm_tui.lanes import RUN, Window, lane_name
from tinyllm_tui.lanes_drawing import Look, scale_line
from tinyllm_tui.widgets.lines import LineView
from tinyllm_tui.widgets.timeline_entries import EntryFilter, timeline_line
from tinyllm_tui.widgets.timeline_head import LEAST_LINES, Head, rule_line
from tinyllm_tui.widgets.timeline_lanes import LaneRows
from tinyllm_tui.widgets.timeline_zoom import Zoom
from tinyllm_tui.words import UNICODE, Glyphs, Line

Shown = Literal["both", "lanes", "list"]
EMPTY: Line = (("Every step of a run, as it happens.", "faint"),)
NOTHING: Line = (("Nothing that happened has these words.", "faint"),)


class TimelineLines(LineView):
    """The timeline as it is drawn; its list follows the end unless the person scrolled up or selected something."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"timeline--cursor"}
    DEFAULT_CSS = """
    TimelineLines {
        & > .timeline--cursor { background: $block-cursor-background; text-style: $block-cursor-text-style; }
    }
    """

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._view = View()
        """All that is known of the run; in a replay, to its end."""
        self._happened = self._view
        """What happened so far."""
        self._timeline: list[TimelineEntry] = self._view.timeline
        self._lanes = LaneRows()
        self._filter = EntryFilter()
        self._typing = False
        self._zoom = Zoom()
        self._chosen: Shown = "both"
        self._signs = UNICODE
        self._now_ms = 0.0
        self._replay = False
        self._limit = 0
        """Entries that have happened; a replay knows those to come too."""
        self._entry: int | None = None
        """Index of the selected entry."""
        self._node: str | None = None
        """Name of the selected lane."""
        self._pointed = False
        """Whether the playhead is about to move to the selected entry."""

    def on_mount(self) -> None:
        self.anchor()

    # -- what is shown -----------------------------------------------------------------------------------------------

    @property
    def selected(self) -> str:
        """Path of the selected node; empty where none is."""
        if self._entry is not None and self._timeline[self._entry].node in self._view.nodes:
            return self._timeline[self._entry].node
        lane = self._lanes.drawn.lane_of(self._node) if self._node else None
        return lane.path if lane is not None else ""

    @property
    def entry(self) -> TimelineEntry | None:
        """The selected entry."""
        return self._timeline[self._entry] if self._entry is not None else None

    @property
    def filtered(self) -> str:
        """The words that are looked for."""
        return self._filter.words

    def show(self, view: View, signs: Glyphs, now_ms: float | None = None, whole: View | None = None) -> None:
        """Show `view` at a moment.

        Args:
            view: what happened so far.
            signs: the characters to draw with.
            now_ms: the moment, in the transaction's time; default: that of the latest event.
            whole: of a replay, the view at its end; what is yet to come is drawn faint.
        """
        drawn = view if whole is None else whole
        now_ms = float(view.t_ms) if now_ms is None else now_ms
        if drawn.tx != self._view.tx:
            self._forget()
        replay, before = whole is not None, (self._limit, self._now_ms)
        changed = self._lanes.drawn.update(drawn) or self._timeline is not drawn.timeline or signs is not self._signs
        self._happened = view
        self._view, self._timeline, self._signs, self._replay = drawn, drawn.timeline, signs, replay
        self._limit = bisect_right(drawn.timeline, view.gseq, key=_gseq) if replay else len(drawn.timeline)
        self._now_ms = now_ms if replay or self._lanes.drawn.running else float(self._lanes.drawn.end_ms)
        if self._entry is not None and self._entry >= len(self._timeline):
            self._entry = None
        if replay and self._limit != before[0]:
            self._playhead_moved()
        if changed:
            self._filter.update(self._timeline)
            self._arrange()
        if changed or before[0] != self._limit:
            self._resized()
            self.refresh()
        elif before[1] != self._now_ms:  # bars that go on are longer
            self.refresh(Region(0, 0, self.size.width, self._head.height))

    def _playhead_moved(self) -> None:
        """The list follows the playhead, unless it was a click on an entry's marker that moved it."""
        if not self._pointed:
            self._entry = None
            self._lanes.held = False
            self.anchor()
            self._arrange()
        self._pointed = False

    def _forget(self) -> None:
        """Another transaction is shown."""
        self.anchor()
        self._entry = self._node = None
        self._lanes.forget()
        self._zoom.fit()

    def _arrange(self) -> None:
        """Which rows of lanes there are, and which of them are shown."""
        self._lanes.choose(self._timeline, self._filter)
        self._lanes.bring(self._node if self._lanes.held else self._latest(), self._head.rows)

    def _latest(self) -> str:
        """Name of the lane in which something happened last."""
        if not self._replay:
            return self._lanes.drawn.recent
        nodes = (self._timeline[index].node for index in range(self._limit - 1, -1, -1))
        return lane_name(next((node for node in nodes if node), RUN))

    @property
    def shown(self) -> Shown:
        """What there is room for of what the person chose."""
        return "list" if self._chosen == "both" and self.size.height < LEAST_LINES else self._chosen

    @property
    def _head(self) -> Head:
        """The rows that stand still."""
        if not self._timeline:
            return Head(0, 0, 0)
        return Head.of(
            self.shown, self.size.height, len(self._lanes.rows), filtered=self._typing or bool(self._filter.words)
        )

    @property
    def window(self) -> Window:
        """The stretch of time that the lanes show."""
        cells = self.size.width - self._label - (1 if self.show_vertical_scrollbar else 0)
        return self._zoom.window(self._end, cells, running=self._lanes.drawn.running)

    @property
    def _end(self) -> float:
        return max(float(self._lanes.drawn.end_ms), 0.0 if self._replay else self._now_ms)

    @property
    def _label(self) -> int:
        return self._lanes.label(self.size.width)

    # -- drawing -----------------------------------------------------------------------------------------------------

    def on_resize(self) -> None:
        self._arrange()
        super().on_resize()
        self.refresh()  # what was drawn at the new size had the rows of the old one

    def count(self) -> int:
        if not self._timeline:
            return 1
        head = self._head
        if self.shown == "lanes":
            return head.height
        return head.height + max(self._filter.count(self._limit), 1)

    def render_line(self, y: int) -> Strip:
        head = self._head
        width = self.size.width
        if y < head.height:
            return self.strip(self._head_line(y, head)).crop_extend(0, width, self.ground)
        position = self.scroll_offset.y + y - head.height
        strip = super().render_line(y)
        if self._entry is not None and self._filter.position(self._entry) == position:
            look = self.get_component_rich_style("timeline--cursor")
            return strip.apply_style(Style(bgcolor=look.bgcolor, underline=look.underline or None))
        return strip

    def line_at(self, y: int) -> Line:
        if not self._timeline:
            return EMPTY
        position = y - self._head.height
        if position >= self._filter.count(self._limit):
            return NOTHING if self._filter.active and not position else ()
        index = self._filter.index(position)
        before = self._timeline[self._filter.index(position - 1)] if position else None
        width = self.scrollable_content_region.width
        lane = min(max((cell_len(path) for path in self._view.nodes), default=6), 14, max(width // 5, 6))
        return timeline_line(self._timeline[index], before, width, lane, self._signs, selected=index == self._entry)

    def _head_line(self, y: int, head: Head) -> Line:
        width = self.size.width - (1 if self.show_vertical_scrollbar else 0)
        if y == head.height - 1 and head.rule:
            return self._rule(width)
        look = self._look()
        if y == 0:
            return scale_line(look)
        return self._lanes.line(y - 1, look, self._happened, self._filter)

    def _look(self) -> Look:
        playhead = self._now_ms if self._replay else None
        return Look(self.window, self._label, self._signs, self._now_ms, playhead, self._node)

    def _rule(self, width: int) -> Line:
        found = self._filter.count(self._limit)
        lanes = (self._lanes.top + self._head.rows, len(self._lanes.rows))
        window = None if self._zoom.fits else self.window
        return rule_line(
            width, self._signs, words=self._filter.words, typing=self._typing, found=(found, self._limit), lanes=lanes,
            window=window,
        )  # fmt: skip


def _gseq(entry: TimelineEntry) -> int:
    return entry.gseq
