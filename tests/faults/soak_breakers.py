"""What the log says of circuit breakers, compared with their rules and with what they say themselves."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable

from engine import events as ev
from engine.events import BreakerSnapshot

THRESHOLD, SUCCESSES = 3, 2
TOLERANCE_MS = 20
"""The end of a cooldown is told by the wall clock, and kept by another."""


class BreakerLog:
    """Follows every breaker through its events."""

    def __init__(self, cooldown_s: float) -> None:
        self.changes: Counter[str] = Counter()
        self.problems: list[str] = []
        self._cooldown_ms = round(cooldown_s * 1000)
        self._last: dict[str, BreakerSnapshot] = {}

    def read(self, store: sqlite3.Connection, after: int) -> None:
        """Read the events after a place in the log."""
        query = "SELECT v, body, wall_ms FROM events WHERE kind = ? AND tx IS NULL AND gseq > ? ORDER BY gseq"
        for version, body, wall_ms in store.execute(query, (ev.BreakerChanged.KIND, after)):
            change = ev.decode(ev.BreakerChanged.KIND, version, body)
            assert isinstance(change, ev.BreakerChanged)
            self._take(change, wall_ms)

    def compare(self, found: Iterable[BreakerSnapshot], *, open_is_wrong: bool) -> list[str]:
        """What breakers say of themselves that their last events do not, and those that are not closed."""
        wrong = []
        for shot in found:
            last = self._last.get(shot.key)
            state = (shot.state, shot.failures, shot.successes, shot.until_ms)
            if last is None:
                logged: tuple[object, ...] = ("closed", 0, 0, None)
            else:
                logged = (last.state, last.failures, last.successes, last.until_ms)
            if state != logged:
                wrong.append(f"the breaker {shot.key} is {state}, the log says {logged}")
            if open_is_wrong and shot.state != "closed":
                wrong.append(f"the breaker {shot.key} did not close again: {shot}")
        return wrong

    def _take(self, body: ev.BreakerChanged, wall_ms: int) -> None:
        new = body.breaker
        old = self._last.get(new.key)
        was = old.state if old is not None else "closed"
        if body.previous != was:
            self.problems.append(f"the breaker {new.key} was {was}, and then changed from {body.previous}")
        if new.state != was:
            self.changes[f"{was} to {new.state}"] += 1
            if not self._may(was, old, new, wall_ms):
                self.problems.append(f"the breaker {new.key} changed from {old} to {new}")
        self._last[new.key] = new

    def _may(self, was: str, old: BreakerSnapshot | None, new: BreakerSnapshot, wall_ms: int) -> bool:
        """Whether the rules allow a change of state."""
        match was, new.state:
            case "closed", "open":
                return new.failures == THRESHOLD and (old is None or old.failures == THRESHOLD - 1)
            case "open", "half_open":
                until_ms = old.until_ms if old is not None else None
                return until_ms is not None and wall_ms >= until_ms - TOLERANCE_MS
            case "half_open", "closed":
                return old is not None and old.successes == SUCCESSES - 1
            case "half_open", "open":
                return new.until_ms is not None and new.until_ms - wall_ms <= self._cooldown_ms + TOLERANCE_MS
        return False
