"""The timeline pane: what happened, line by line, made only where it is looked at."""

from __future__ import annotations

from collections.abc import Sequence

from engine.view import TimelineEntry, View
from tinyllm_tui.node_paths import short_path
from tinyllm_tui.sanitize import one_line
from tinyllm_tui.widgets.lines import LineView
from tinyllm_tui.words import MARK_TONES, UNICODE, Glyphs, Line, Tone, cut, duration

_COLOURED = frozenset({"error", "rollback", "commit", "breaker", "rewind", "resumed", "fork", "undone"})
"""Marks of entries whose words have their tone too."""
EMPTY: Line = (("Every step of a run, as it happens.", "faint"),)


def timeline_line(
    entry: TimelineEntry, before: TimelineEntry | None, width: int, lane: int, signs: Glyphs = UNICODE
) -> Line:
    """One entry: time, sign, node (named where it changes), words. `lane` is the width of the names' column."""
    same = before is not None and before.node == entry.node and bool(entry.node)
    mark = entry.mark
    tone = MARK_TONES.get(mark, "dim")
    quiet = mark in ("info", "start")
    words: Tone = "dim" if quiet else tone if mark in _COLOURED else "text"
    name = "" if same else short_path(entry.node, lane, signs.ellipsis)
    return (
        (f"{duration(entry.t_ms):>7} ", "faint"),
        (f"{signs.marks.get(mark, signs.dot)} ", tone),
        (f"{name:<{lane}} ", "primary"),
        (cut(one_line(entry.text), max(width - lane - 11, 8), signs.ellipsis), words),
    )


class TimelinePane(LineView):
    """The timeline; it follows the end unless the person scrolled up."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._entries: Sequence[TimelineEntry] = ()
        self._shown = 0
        self._tx = ""
        self._lane = 6
        self._signs = UNICODE
        self._marked: str | None = None

    def on_mount(self) -> None:
        self.anchor()

    def show(self, view: View, signs: Glyphs) -> None:
        entries = view.timeline
        if entries is self._entries and len(entries) == self._shown and view.tx == self._tx:
            return
        if view.tx != self._tx:
            self.anchor()
        self._entries, self._shown, self._tx, self._signs = entries, len(entries), view.tx, signs
        self._lane = min(max((len(path) for path in view.nodes), default=6), 14)
        self._resized()
        self.refresh()

    def reveal(self, node: str) -> None:
        """Scroll to the latest entry of `node`."""
        for y in range(len(self._entries) - 1, -1, -1):
            if self._entries[y].node == node:
                self.release_anchor()
                self.scroll_to(y=max(y - self.size.height // 2, 0), animate=False)
                return

    def count(self) -> int:
        return self._shown or 1

    def line_at(self, y: int) -> Line:
        if not self._shown:
            return EMPTY
        before = self._entries[y - 1] if y else None
        width = self.scrollable_content_region.width
        lane = min(self._lane, max(width // 5, 6))
        return timeline_line(self._entries[y], before, width, lane, self._signs)
