"""The timeline pane: a lane for each node above the list of what happened, and what a person can do with them."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.message import Message

from tinyllm_tui.keymap import bindings
from tinyllm_tui.lanes import Lane, lane_name
from tinyllm_tui.lanes_drawing import marker_at
from tinyllm_tui.sanitize import one_line
from tinyllm_tui.widgets.selection import NodeSelected
from tinyllm_tui.widgets.timeline_entries import timeline_line
from tinyllm_tui.widgets.timeline_lines import Shown, TimelineLines

__all__ = ["TimelinePane", "timeline_line"]

_NEXT: dict[Shown, Shown] = {"both": "lanes", "lanes": "list", "list": "both"}
_PAN, _PAGE = 0.125, 0.9
"""By which share of what is shown one key moves."""
_FILTER = 120
"""Characters of a filter."""


class TimelinePane(TimelineLines):
    """The timeline; its list follows the end unless the person scrolled up or selected something."""

    BINDINGS: ClassVar[list[BindingType]] = list(bindings("timeline"))

    class SeekTo(Message):
        """A person points at a moment of a replay; `at` is in milliseconds of the transaction."""

        def __init__(self, at: float) -> None:
            super().__init__()
            self.at = at

    class NodeOpened(Message):
        """A person wants to see what a node did."""

        def __init__(self, path: str) -> None:
            super().__init__()
            self.path = path

    # -- selecting ---------------------------------------------------------------------------------------------------

    def select_node(self, path: str) -> None:
        """Select a node from outside: its lane, and the latest entry of it."""
        lane = self._lanes.drawn.lane_of(path)
        if lane is None or not path:
            self._node = self._entry = None
        elif lane.name != self._node or self._entry is None:
            self._node, self._entry = lane.name, None
            self._lanes.held = True
            self._lanes.bring(lane.name, self._head.rows)
            self.reveal(path)
        self.refresh()
        self.refresh_bindings()

    def reveal(self, node: str) -> None:
        """Scroll to the latest entry of `node`."""
        for position in range(self._filter.count(self._limit) - 1, -1, -1):
            if lane_name(self._timeline[self._filter.index(position)].node) == lane_name(node):
                self._bring_entry(position)
                return

    def _bring_entry(self, position: int) -> None:
        """Show a place of the list, in its middle where it is not shown already."""
        room = self.size.height - self._head.height
        self.release_anchor()
        if not self.scroll_offset.y <= position < self.scroll_offset.y + room:
            self.scroll_to(y=max(position - room // 2, 0), animate=False)

    def _select_entry(self, index: int) -> None:
        entry = self._timeline[index]
        self._entry = index
        self._node = lane_name(entry.node) if self._lanes.drawn.lane_of(entry.node) else None
        position = self._filter.position(index)
        if position is not None and index < self._limit:
            self._bring_entry(position)
        self._zoom.reveal(entry.t_ms, self.window, self._end, running=self._lanes.drawn.running)
        self._tell()

    def _select_lane(self, lane: Lane) -> None:
        self._node, self._entry = lane.name, None
        if lane.name:
            self.reveal(lane.path)
        self._tell()

    def _tell(self) -> None:
        self._lanes.held = True
        if self._node is not None:
            self._lanes.bring(self._node, self._head.rows)
        self.refresh()
        self.refresh_bindings()
        if self.selected:
            self.post_message(NodeSelected(self.selected, self))

    # -- keys --------------------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that would do nothing here mean what they mean in other panes."""
        if action == "open_node":
            return bool(self.selected)
        if action == "clear_filter":
            return self._typing or bool(self._filter.words)
        return super().check_action(action, parameters)

    def action_move(self, step: int) -> None:
        """Select the next entry, or lane where only lanes are shown; after the last entry the list follows again."""
        if self.shown == "lanes":
            self.action_lane(step)
            return
        count = self._filter.count(self._limit)
        if not count:
            return
        here = None if self._entry is None else self._filter.position(self._entry)
        if here is None:
            first = count - 1 if self._anchored and not self._anchor_released else min(self.scroll_offset.y, count - 1)
            self._select_entry(self._filter.index(first))
        elif here + step >= count:
            self._entry = None
            self.anchor()
            self.refresh()
        else:
            self._select_entry(self._filter.index(max(here + step, 0)))

    def action_lane(self, step: int) -> None:
        """Select the next lane, or the one before."""
        lanes = self._lanes.names()
        if not lanes:
            return
        here = lanes.index(self._node) if self._node in lanes else (-1 if step > 0 else len(lanes))
        name = lanes[min(max(here + step, 0), len(lanes) - 1)]
        self._select_lane(next(lane for lane, _ in self._lanes.rows if lane.name == name))

    def action_open_node(self) -> None:
        """What the selected node did."""
        self.post_message(self.NodeOpened(self.selected))

    def action_zoom(self, direction: int) -> None:
        """Show half of the stretch of time (1), twice as much (-1) or all of it (0)."""
        if direction == 0:
            self._zoom.fit()
        else:
            window = self.window
            middle = window.start_ms + window.span_ms / 2
            entry = self.entry
            at = (
                entry.t_ms
                if entry is not None
                else self._now_ms
                if self._replay or self._lanes.drawn.running
                else middle
            )
            self._zoom_at(direction, at if 0 <= window.column(at) < window.cells else middle)
        self.refresh()

    def _zoom_at(self, direction: int, at_ms: float) -> None:
        self._zoom.change(direction, at_ms, self.window, self._end, running=self._lanes.drawn.running)
        self.refresh()

    def action_pan(self, direction: int, page: bool = False) -> None:
        """Move the stretch of time that is shown."""
        share = direction * (_PAGE if page else _PAN)
        self._zoom.pan(share, self.window, self._end, running=self._lanes.drawn.running)
        self.refresh()

    def action_layout(self) -> None:
        """Show the lanes alone, the list alone, or both."""
        self._chosen = _NEXT[self._chosen]
        if self._chosen == "both" and self.shown == "list":
            self._chosen = "lanes"  # where there is no room for both, two keys would do nothing that is seen
        self._reshaped()

    def _reshaped(self) -> None:
        """The rows that stand still, or the entries of the list, are others."""
        self._arrange()
        self._resized()
        self.refresh()
        self.refresh_bindings()

    # -- the filter --------------------------------------------------------------------------------------------------

    def action_filter(self) -> None:
        """Begin to write what is looked for."""
        self._typing = True
        self._reshaped()

    def action_clear_filter(self) -> None:
        """Show everything again."""
        self._typing = False
        self._look_for("")

    def _look_for(self, words: str) -> None:
        self._filter.search(words[:_FILTER])
        self._filter.update(self._timeline)
        if self._entry is not None and self._filter.position(self._entry) is None:
            self._entry = None
        if self._entry is None:
            self.anchor()
        self._reshaped()

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """While a filter is written, characters are its own."""
        del key
        return self._typing and character is not None and character.isprintable()

    def on_key(self, event: events.Key) -> None:
        if not self._typing:
            self._begin_at_once(event)
            return
        if event.is_printable and event.character is not None:
            self._look_for(self._filter.words + event.character)
        elif event.key == "backspace":
            self._look_for(self._filter.words[:-1])
        elif event.key == "ctrl+u":
            self._look_for("")
        elif event.key == "enter":
            self._typing = False
            self._reshaped()
        else:
            return
        event.stop()
        event.prevent_default()

    def _begin_at_once(self, event: events.Key) -> None:
        """Begin a filter before the next key is looked at: an action runs later, and quick typing would go astray."""
        active = self.screen.active_bindings.get(event.key)
        if active is not None and active.node is self and active.binding.action == "filter":
            self.action_filter()
            event.stop()
            event.prevent_default()

    def on_paste(self, event: events.Paste) -> None:
        if self._typing:
            event.stop()
            self._look_for(self._filter.words + one_line(event.text, _FILTER))

    def on_blur(self) -> None:
        self._typing = False
        self._reshaped()

    # -- the mouse ---------------------------------------------------------------------------------------------------

    def on_click(self, event: events.Click) -> None:
        head = self._head
        number = self._lanes.top + event.y - 1
        if event.y >= head.height:
            position = self.scroll_offset.y + event.y - head.height
            if position < self._filter.count(self._limit):
                self._select_entry(self._filter.index(position))
            return
        if event.y == 0 and head.rows:
            self._seek(event.x)
        elif 0 < event.y <= head.rows and number < len(self._lanes.rows):
            self._click_lane(*self._lanes.rows[number], event.x)

    def _click_lane(self, lane: Lane, row: int, x: int) -> None:
        marker = marker_at(lane, row, x - self._label, self.window, self._filter.among)
        if marker is not None:
            self._select_entry(marker.index)
        else:
            self._select_lane(lane)
        self._seek(x)

    def _seek(self, x: int) -> None:
        """Move the playhead of a replay to a column; to the moment after what stands in it."""
        window = self.window
        column = x - self._label
        if self._replay and 0 <= column < window.cells:
            last = column == window.cells - 1
            at = window.start_ms + (column + 1) * window.span_ms / window.cells
            self._pointed = self._entry is not None
            self.post_message(self.SeekTo(float(self._lanes.drawn.end_ms) if last and self._zoom.fits else at))

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._wheel(event, -1)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._wheel(event, 1)

    def _wheel(self, event: events.MouseScrollUp | events.MouseScrollDown, step: int) -> None:
        """Over the lanes the wheel moves those, with ctrl it zooms, with shift it pans; over the list it scrolls."""
        head = self._head
        if event.ctrl:
            column = min(max(event.x - self._label, 0), self.window.cells - 1)
            self._zoom_at(-step, self.window.time(column))
        elif event.shift:
            self.action_pan(step)
        elif event.y < head.height and len(self._lanes.rows) > head.rows:
            self._lanes.held = True
            self._lanes.top = min(max(self._lanes.top + step, 0), len(self._lanes.rows) - head.rows)
            self.refresh()
        else:
            return
        event.stop()
        event.prevent_default()
