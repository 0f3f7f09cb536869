"""The scrubber of a replay: all of a recording in one row, with what is worth going to, drawn to by the mouse."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from textual import events
from textual.message import Message

from tinyllm_tui.widgets.lines import LineView
from tinyllm_tui.words import Glyphs, Line, Span, Tone

StopKind = Literal["error", "bookmark", "commit", "rollback"]
_TONES: dict[StopKind, Tone] = {"error": "error", "bookmark": "accent", "commit": "commit", "rollback": "rollback"}
_RANK: tuple[StopKind, ...] = ("commit", "rollback", "error", "bookmark")
"""Where several stand in one cell, the last of these is shown."""


@dataclass(frozen=True, slots=True, order=True)
class Stop:
    """Something on the scrubber."""

    position: int
    kind: StopKind


def column_of(position: int, length: int, width: int) -> int:
    """The cell of a position in a recording of `length` events."""
    return min(position * (width - 1) // length, width - 1) if length and width > 1 else 0


def position_of(column: int, length: int, width: int) -> int:
    """The first position that has its place in a cell."""
    column = min(max(column, 0), width - 1)
    return min(-(-column * length // (width - 1)), length) if width > 1 else length


def scrub_line(width: int, position: int, length: int, stops: Iterable[Stop], signs: Glyphs) -> Line:
    """The scrubber: what has happened is drawn heavy, and a handle stands at the playhead."""
    plain = signs.bar == "|"
    done, rest, handle = ("=", "-", "|") if plain else ("━", "─", "┃")
    here = column_of(position, length, width)
    cells: list[Span] = [(done, "accent") if column < here else (rest, "faint") for column in range(width)]
    if width:
        cells[here] = (handle, "title")
    for stop in sorted(stops, key=lambda each: _RANK.index(each.kind)):
        sign = signs.marks[stop.kind]
        column = column_of(stop.position, length, width)
        if width:
            cells[column] = (sign, "title" if column == here else _TONES[stop.kind])
    return _joined(cells)


def _joined(cells: list[Span]) -> Line:
    """Neighbours of one tone as one piece."""
    pieces: list[Span] = []
    for text, tone in cells:
        if pieces and pieces[-1][1] == tone:
            pieces[-1] = (pieces[-1][0] + text, tone)
        else:
            pieces.append((text, tone))
    return tuple(pieces)


class ScrubBar(LineView, can_focus=False):
    """One row; a press or a drag goes to that place, the wheel to the event before or after."""

    class SeekTo(Message):
        """A person wants another place."""

        def __init__(self, position: int) -> None:
            super().__init__()
            self.position = position

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._length = self._position = 0
        self._held = False

    def show(self, position: int, length: int, stops: Iterable[Stop], signs: Glyphs) -> None:
        """Show a place in a recording."""
        self._position, self._length = position, length
        found = tuple(stops)
        self.make_lines(lambda width: [scrub_line(width, position, length, found, signs)])

    def _go(self, column: int) -> None:
        self._seek(position_of(column, self._length, self.size.width))

    def _seek(self, position: int) -> None:
        position = min(max(position, 0), self._length)
        if position != self._position:
            self.post_message(self.SeekTo(position))

    def on_mouse_down(self, event: events.MouseDown) -> None:
        event.stop()
        self._held = True
        self.capture_mouse()
        self._go(event.x)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if self._held:
            event.stop()
            self._go(event.x)

    def on_mouse_up(self, event: events.MouseUp) -> None:
        event.stop()
        self._held = False
        self.release_mouse()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self._seek(self._position + 1)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self._seek(self._position - 1)
