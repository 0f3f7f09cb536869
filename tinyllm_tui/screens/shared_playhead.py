"""One playhead for two recordings: at the same time in both, or at the same share of each."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Literal

from engine import events as ev
from tinyllm_tui.screens.playhead import Playhead, milliseconds

Measure = Literal["time", "share"]
_SHARE = re.compile(r"(\d{1,3}(?:\.\d+)?)\s*%")


class SharedPlayhead:
    """Moves two recordings together.

    Args:
        one: events of the first.
        other: events of the second.
    """

    def __init__(self, one: Sequence[ev.Event], other: Sequence[ev.Event]) -> None:
        self.heads = (Playhead(one), Playhead(other))
        self.by: Measure = "time"
        self.at = 0.0
        """Milliseconds of both, or the share of each, 0 to 1."""
        self._moments = self._all()

    @property
    def end(self) -> float:
        """The last moment."""
        return float(max(head.duration_ms for head in self.heads)) if self.by == "time" else 1.0

    @property
    def ended(self) -> bool:
        return all(head.ended for head in self.heads)

    @property
    def share(self) -> float:
        """How much has gone by, 0 to 1."""
        return self.at / self.end if self.end else 1.0

    @property
    def position(self) -> int:
        """Moments that have been reached."""
        return bisect_right(self._moments, self.at) if any(head.position for head in self.heads) else 0

    def __len__(self) -> int:
        """Moments at which something happens in either."""
        return len(self._moments)

    def position_at(self, head: Playhead, position: int) -> int:
        """The number of the moment at which one of the two is at a position."""
        at = float(head.times[position - 1])
        return bisect_right(self._moments, at if self.by == "time" else at / max(head.duration_ms, 1))

    def measure(self, by: Measure) -> None:
        """Go by time or by share; both stay as far as they are together."""
        share, whole = self.share, self.ended
        self.by = by
        self._moments = self._all()
        self.to(self.end if whole else share * self.end)

    def to(self, at: float) -> None:
        """To a moment."""
        self.at = min(max(at, 0.0), self.end)
        for head in self.heads:
            head.at_time(self.at if self.by == "time" else self.at * head.duration_ms + 1e-6)

    def to_start(self) -> None:
        """Before everything."""
        self.at = 0.0
        for head in self.heads:
            head.seek(0)

    def to_end(self) -> None:
        """After everything."""
        self.to(self.end)

    def to_position(self, position: int) -> None:
        """To the moment with a number; 0 is before all of them."""
        if position <= 0:
            self.to_start()
        elif self._moments:
            self.to(self._moments[min(position, len(self._moments)) - 1])

    def step(self, by: int) -> None:
        """To the next moment at which something happens in either, or to the one before."""
        if by > 0:
            self.to_position(self.position + 1)
        else:
            self.to_position(bisect_left(self._moments, self.at))

    def advance(self, ms: float) -> None:
        """Play for so many milliseconds; by share, the longer one sets the pace."""
        longest = max(head.duration_ms for head in self.heads)
        self.to(self.at + (ms if self.by == "time" else ms / max(longest, 1)))

    def go(self, where: str) -> bool:
        """To a share (`50%`) or a time (`2.4s`) of the longer one; false when it is neither."""
        text = where.strip().lower()
        share = _SHARE.fullmatch(text)
        if share is not None:
            self.to(float(share[1]) / 100 * self.end)
            return True
        ms = milliseconds(text)
        if ms is None:
            return False
        longest = max(head.duration_ms for head in self.heads)
        self.to(ms if self.by == "time" else ms / max(longest, 1))
        return True

    def _all(self) -> list[float]:
        if self.by == "time":
            return sorted({float(at) for head in self.heads for at in head.times})
        return sorted({at / max(head.duration_ms, 1) for head in self.heads for at in head.times})
