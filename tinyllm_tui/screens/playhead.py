"""The playhead of a replay: which events have happened, and the view after them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from engine import events as ev
from engine.view import View, apply, fold

_TIME = re.compile(r"\+?(?:(\d+)m)?\s*(?:(\d+(?:\.\d+)?)\s*(ms|s))?")


class Playhead:
    """A position in recorded events.

    Stepping forward folds one more event; stepping back folds again from the start, which takes 2 ms for 10,000 events.
    """

    def __init__(self, events: Sequence[ev.Event]) -> None:
        self._events = events
        self._times = _times(events)
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
        return self._times[-1] if self._times else 0

    @property
    def wall_ms(self) -> int:
        """The moment shown, as Unix time."""
        start = self._events[0].wall_ms if self._events else 0
        return start + round(self.t_ms) + self.view.away_ms

    def seek(self, position: int) -> None:
        """To the moment right after `position` events."""
        position = min(max(position, 0), len(self._events))
        if position < self.position:
            self.view = fold(self._events[:position])
        else:
            for event in self._events[self.position : position]:
                apply(self.view, event)
        self.position = position
        self.t_ms = float(self._times[position - 1]) if position else 0.0

    def step(self, by: int) -> None:
        self.seek(self.position + by)

    def node(self, direction: int) -> None:
        """To the next (1) or previous (-1) start of a node, or to the end or beginning where there is none."""
        starts = [n for n, event in enumerate(self._events, 1) if isinstance(event.body, ev.NodeStarted)]
        if direction > 0:
            self.seek(next((n for n in starts if n > self.position), len(self._events)))
        else:
            self.seek(next((n for n in reversed(starts) if n < self.position), 0))

    def advance(self, ms: float) -> None:
        """Play: time goes on by `ms`, and what was recorded until then happens."""
        target = self.t_ms + ms
        position = self.position
        while position < len(self._events) and self._times[position] <= target:
            position += 1
        self.seek(position)
        self.t_ms = min(target, float(self.duration_ms))

    def at_time(self, ms: float) -> None:
        """To the moment `ms` after the begin."""
        self.seek(sum(time <= ms for time in self._times))

    def go(self, where: str) -> bool:
        """To an event (`31`), a share (`50%`) or a time (`2.4s`, `800ms`, `1m05s`); false when it is none of these."""
        text = where.strip().lower()
        if re.fullmatch(r"\d{1,9}", text):
            self.seek(int(text))
            return True
        if re.fullmatch(r"\d{1,3}(\.\d+)?\s*%", text):
            self.seek(round(len(self._events) * float(text.rstrip("% ")) / 100))
            return True
        found = _TIME.fullmatch(text)
        if not text or found is None:
            return False
        minutes, value, unit = found.groups()
        seconds = float(value or 0) / (1000 if unit == "ms" else 1)
        self.at_time((int(minutes or 0) * 60 + seconds) * 1000)
        return True


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
