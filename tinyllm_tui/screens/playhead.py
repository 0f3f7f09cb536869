"""The playhead of a replay: which events have happened, and the view after them."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from engine import events as ev
from engine.view import View, apply
from tinyllm_tui.screens.stops import error_stops, node_stops

_TIME = re.compile(r"\+?(?:(\d{1,9})m)?\s*(?:(\d{1,9}(?:\.\d{1,9})?)\s*(ms|s))?")


class Playhead:
    """A position in recorded events.

    Stepping forward folds one more event. Stepping back folds again from the start, without the pieces of texts that
    are whole by then: most events are such pieces, and the end of a model call overwrites what they made.
    """

    def __init__(self, events: Sequence[ev.Event]) -> None:
        self._events = events
        self.times = _times(events)
        """When each event happened, in milliseconds of the transaction; never falling."""
        self._overwritten = _overwritten(events)
        self.nodes = node_stops(events)
        """Positions right after a node started."""
        self.errors = error_stops(events)
        """Positions right after something went wrong."""
        self.position = 0
        """Events that have happened."""
        self.t_ms = 0.0
        """The moment shown, in the transaction's time; while playing it moves between events."""
        self.view = View()

    def __len__(self) -> int:
        return len(self._events)

    @property
    def ended(self) -> bool:
        return self.position >= len(self._events)

    @property
    def duration_ms(self) -> int:
        return self.times[-1] if self.times else 0

    @property
    def wall_ms(self) -> int:
        """The moment shown, as Unix time."""
        start = self._events[0].wall_ms if self._events else 0
        return start + round(self.t_ms) + self.view.away_ms

    def seek(self, position: int) -> None:
        """To the moment right after `position` events."""
        position = min(max(position, 0), len(self._events))
        if position < self.position:
            self.view = View()
            self._fold(self.view, 0, position)
        else:
            self._fold(self.view, self.position, position)
        self.position = position
        self.t_ms = float(self.times[position - 1]) if position else 0.0

    def _fold(self, view: View, first: int, end: int) -> None:
        """Fold the events from `first` to before `end` into `view`."""
        left_out = 0
        for event, overwritten in zip(self._events[first:end], self._overwritten[first:end], strict=True):
            if overwritten < end:
                left_out += 1
                view.t_ms = event.t_ms
            else:
                apply(view, event)
        view.events += left_out

    def before(self) -> View:
        """The view one event earlier."""
        view = View()
        self._fold(view, 0, max(self.position - 1, 0))
        return view

    def step(self, by: int) -> None:
        self.seek(self.position + by)

    def node(self, direction: int) -> None:
        """To the next (1) or previous (-1) start of a node, or to the end or beginning where there is none."""
        self.seek(beside(self.nodes, self.position, direction, len(self._events) if direction > 0 else 0))

    def error(self, direction: int) -> bool:
        """To the next or previous thing that went wrong; false, and no move, where there is none."""
        return self.stop(self.errors, direction)

    def stop(self, stops: Sequence[int], direction: int) -> bool:
        """To the next or previous of some positions; false, and no move, where there is none."""
        position = beside(stops, self.position, direction, -1)
        if position < 0:
            return False
        self.seek(position)
        return True

    def advance(self, ms: float) -> None:
        """Play: time goes on by `ms`, and what was recorded until then happens."""
        target = self.t_ms + ms
        position = self.position
        while position < len(self._events) and self.times[position] <= target:
            position += 1
        self.seek(position)
        self.t_ms = min(target, float(self.duration_ms))

    def at_time(self, ms: float) -> None:
        """To the moment `ms` after the begin."""
        self.seek(bisect_right(self.times, ms))

    def go(self, where: str) -> bool:
        """To an event (`31`), a share (`50%`) or a time (`2.4s`, `800ms`, `1m05s`); false when it is none of these."""
        text = where.strip().lower()
        if re.fullmatch(r"\d{1,9}", text):
            self.seek(int(text))
            return True
        if re.fullmatch(r"\d{1,3}(\.\d+)?\s*%", text):
            self.seek(round(len(self._events) * float(text.rstrip("% ")) / 100))
            return True
        ms = milliseconds(text)
        if ms is None:
            return False
        self.at_time(ms)
        return True


def milliseconds(text: str) -> float | None:
    """What a person wrote as a time (`2.4s`, `800ms`, `1m05s`); None where it is none."""
    found = _TIME.fullmatch(text)
    if not text or found is None:
        return None
    minutes, value, unit = found.groups()
    seconds = float(value or 0) / (1000 if unit == "ms" else 1)
    return (int(minutes or 0) * 60 + seconds) * 1000


def beside(stops: Sequence[int], position: int, direction: int, otherwise: int) -> int:
    """The first of the sorted `stops` after `position` (1), or the last before it (-1); else `otherwise`."""
    if direction > 0:
        at = bisect_right(stops, position)
        return stops[at] if at < len(stops) else otherwise
    at = bisect_left(stops, position)
    return stops[at - 1] if at else otherwise


def _overwritten(events: Sequence[ev.Event]) -> list[int]:
    """For each event the index of the one that overwrites all it did; of most one that never comes.

    A piece of a model's text is overwritten by the end of its call, which carries the whole text.
    """
    never = len(events)
    found = [never] * never
    pieces: dict[tuple[str, int, int, int], list[int]] = {}
    for index, event in enumerate(events):
        body = event.body
        if isinstance(body, ev.ModelDelta):
            pieces.setdefault((body.path, body.visit, body.step, body.attempt), []).append(index)
        elif isinstance(body, ev.ModelStarted):
            pieces.pop((body.path, body.visit, body.step, body.attempt), None)
        elif isinstance(body, ev.Rewound):
            pieces.clear()  # what ends after it was taken back overwrites nothing
        elif isinstance(body, ev.ModelFinished):
            for piece in pieces.pop((body.path, body.visit, body.step, body.attempt), ()):
                found[piece] = index
    return found


def _times(events: Sequence[ev.Event]) -> list[int]:
    """When each event happened, in the transaction's time; the engine's own stream has another clock."""
    times: list[int] = []
    start = events[0].wall_ms if events else 0
    latest = away = 0
    for event in events:
        if isinstance(event.body, ev.Resumed):
            away, latest = away + event.body.away_ms, event.t_ms
            times = [min(time, latest) for time in times]  # what the engine did before it went on took none of its time
        latest = max(latest, event.t_ms if event.tx is not None else event.wall_ms - start - away)
        times.append(latest)
    return times
