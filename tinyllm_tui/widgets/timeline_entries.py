"""Entries of the timeline: one of them as a line, and which of them a filter leaves."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from rich.cells import set_cell_size

from engine.view import TimelineEntry
from tinyllm_tui.node_paths import short_path
from tinyllm_tui.sanitize import one_line
from tinyllm_tui.words import MARK_TONES, UNICODE, Glyphs, Line, Tone, cut, duration

_COLOURED = frozenset({"error", "rollback", "commit", "breaker", "rewind", "resumed", "fork", "undone"})
"""Marks of entries whose words have their tone too."""


def timeline_line(
    entry: TimelineEntry,
    before: TimelineEntry | None,
    width: int,
    lane: int,
    signs: Glyphs = UNICODE,
    *,
    selected: bool = False,
) -> Line:
    """One entry: time, sign, node (named where it changes), words. `lane` is the width of the names' column."""
    same = before is not None and before.node == entry.node and bool(entry.node)
    mark = entry.mark
    tone = MARK_TONES.get(mark, "dim")
    quiet = mark in ("info", "start")
    words: Tone = "dim" if quiet else tone if mark in _COLOURED else "text"
    name = "" if same else cut(short_path(entry.node, lane, signs.ellipsis), lane, signs.ellipsis)
    time = f"{signs.prompt}{duration(entry.t_ms):>6} " if selected else f"{duration(entry.t_ms):>7} "
    return (
        (time, "title" if selected else "faint"),
        (f"{signs.marks.get(mark, signs.dot)} ", tone),
        (f"{set_cell_size(name, lane)} ", "primary"),
        (cut(one_line(entry.text), max(width - lane - 11, 8), signs.ellipsis), words),
    )


class EntryFilter:
    """Which entries have all words of a text in their node, kind, mark or text; without a text, all of them."""

    def __init__(self) -> None:
        self.words = ""
        """What is looked for, as it was written."""
        self._words: list[str] = []
        self._entries: Sequence[TimelineEntry] = ()
        self._seen = 0
        self._last: TimelineEntry | None = None
        self._found: list[int] = []
        self.among: set[int] | None = None
        """Indexes of those that are left; None: all."""

    @property
    def active(self) -> bool:
        return self.among is not None

    def search(self, text: str) -> None:
        """Look for other words."""
        self.words = text
        self._words = text.casefold().split()
        self._forget()

    def _forget(self) -> None:
        self._seen, self._found, self._last = 0, [], None
        self.among = set() if self._words else None
        self.update(self._entries)

    def update(self, entries: Sequence[TimelineEntry]) -> None:
        """Take in what is new in `entries`."""
        fewer = len(entries) < self._seen or (self._seen and entries[self._seen - 1] is not self._last)
        if entries is not self._entries or fewer:
            self._entries = entries
            self._forget()
            return
        if self.among is not None:
            new = [n for n in range(self._seen, len(entries)) if self._holds(entries[n])]
            self._found += new
            self.among.update(new)
        self._seen = len(entries)
        self._last = entries[-1] if entries else None

    def _holds(self, entry: TimelineEntry) -> bool:
        text = f"{entry.node} {entry.kind} {entry.mark} {entry.text}".casefold()
        return all(word in text for word in self._words)

    def names(self, name: str) -> bool:
        """Whether it is a node's name that is looked for."""
        return self.among is not None and all(word in name.casefold() for word in self._words)

    def count(self, limit: int) -> int:
        """How many of the first `limit` entries are left."""
        return limit if self.among is None else bisect_left(self._found, limit)

    def index(self, position: int) -> int:
        """The index of the entry in a place of the filtered list."""
        return position if self.among is None else self._found[position]

    def position(self, index: int) -> int | None:
        """The place of an entry in the filtered list; None where it is not in it."""
        if self.among is None:
            return index
        return bisect_left(self._found, index) if index in self.among else None
