"""The lanes of the timeline pane: which rows there are, which of them are shown, and each row as a line."""

from __future__ import annotations

from collections.abc import Sequence

from engine.view import TimelineEntry, View
from tinyllm_tui.lanes import RUN, Lane, Lanes, lane_name
from tinyllm_tui.lanes_drawing import Look, label_width, lane_lines, lane_state
from tinyllm_tui.widgets.timeline_entries import EntryFilter
from tinyllm_tui.words import Line


class LaneRows:
    """The rows of lanes that a filter leaves, of which some are shown."""

    def __init__(self) -> None:
        self.drawn = Lanes()
        self.rows: list[tuple[Lane, int]] = []
        """(lane, its row)"""
        self.top = 0
        """The first row that is shown."""
        self.held = False
        """Whether the person chose which rows are shown; else they follow what happens."""
        self._cache: dict[str, tuple[object, list[Line]]] = {}

    def forget(self) -> None:
        """Another transaction is shown."""
        self.held = False
        self.top = 0
        self._cache.clear()

    def names(self) -> list[str]:
        """Names of the lanes that the filter leaves."""
        return list(dict.fromkeys(lane.name for lane, _ in self.rows))

    def label(self, width: int) -> int:
        """Columns of the names, with the space after them."""
        return label_width([lane for lane, _ in self.rows], width)

    def choose(self, timeline: Sequence[TimelineEntry], found: EntryFilter) -> None:
        """Take over which rows there are: those of lanes with entries that are looked for."""
        lanes = self.drawn.lanes
        if found.among is not None:
            named = {lane_name(timeline[index].node) for index in found.among}
            lanes = [lane for lane in lanes if _left(lane, named, found)]
        self.rows = [(lane, row) for lane in lanes for row in range(lane.rows)]

    def bring(self, name: str | None, room: int) -> None:
        """Show the rows of a lane, the first of them in any case, among `room` rows."""
        rows = [n for n, (lane, _) in enumerate(self.rows) if lane.name == name]
        if rows:
            self.top = min(max(self.top, rows[-1] - room + 1), rows[0])
        self.top = min(max(self.top, 0), max(len(self.rows) - room, 0))

    def line(self, number: int, look: Look, view: View, found: EntryFilter) -> Line:
        """The row `number` of those that are shown; empty below the last."""
        number += self.top
        if number >= len(self.rows):
            return ()
        lane, row = self.rows[number]
        return self._lines(lane, look, view, found)[row]

    def _lines(self, lane: Lane, look: Look, view: View, found: EntryFilter) -> list[Line]:
        """The rows of a lane; made again only where it, or how it is drawn, has changed."""
        node = view.nodes.get(lane.path)
        state = lane_state(None if node is None else node.shown, look.signs)
        now = look.now_ms if lane.open or lane.name == RUN else 0.0
        playhead = None if look.playhead_ms is None else look.window.column(look.playhead_ms)
        among = None if found.among is None else (found.words, len(found.among))
        selected = look.selected == lane.name
        key = (lane.revision, look.window, look.label, look.signs.bar, now, playhead, state, among, selected)
        cached = self._cache.get(lane.name)
        if cached is None or cached[0] != key:
            cached = self._cache[lane.name] = (key, lane_lines(lane, look, state, found.among))
        return cached[1]


def _left(lane: Lane, named: set[str], found: EntryFilter) -> bool:
    """Whether the filter leaves a lane: for its name, its entries or its markers."""
    if lane.name and (lane.name in named or found.names(lane.name)):
        return True
    return found.among is not None and any(marker.index in found.among for marker in lane.markers)
