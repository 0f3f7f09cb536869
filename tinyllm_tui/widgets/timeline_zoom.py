"""Which stretch of time the lanes show: all of it, or a part that can be moved."""

from __future__ import annotations

from tinyllm_tui.lanes import Window, roomy

LEAST_MS = 10.0
"""The shortest stretch that is shown."""
_FACTOR = 2.0
_JUMPS = 8
"""Into how many jumps a stretch that follows a run is divided, so that its drawing is not made anew all the time."""


class Zoom:
    """A stretch of time. All times are milliseconds of the transaction."""

    def __init__(self) -> None:
        self._part: tuple[float, float] | None = None
        """(start, length) where it is a part."""
        self._follows = False
        """Whether it moves with a run that goes on."""

    @property
    def fits(self) -> bool:
        """Whether all of the run is shown."""
        return self._part is None

    def fit(self) -> None:
        self._part = None

    def window(self, end_ms: float, cells: int, *, running: bool) -> Window:
        """What is shown of a run of `end_ms` on so many cells."""
        full = _full(end_ms, running)
        if self._part is None:
            return Window(0.0, full, max(cells, 1))
        start, span = self._part
        if running and self._follows:
            jump = span / _JUMPS
            start = max((end_ms - span) // jump + 1, 0) * jump
        return Window(min(start, max(full - span, 0.0)), span, max(cells, 1))

    def change(self, direction: int, at_ms: float, now: Window, end_ms: float, *, running: bool) -> None:
        """Show half of what is shown (1), or twice as much (-1); what is at `at_ms` stays where it is."""
        full = _full(end_ms, running)
        span = max(now.span_ms / _FACTOR if direction > 0 else now.span_ms * _FACTOR, min(LEAST_MS, full))
        if span >= full:
            self._part = None
            return
        start = at_ms - (at_ms - now.start_ms) * span / now.span_ms
        self._place(start, span, full, end_ms, running)

    def pan(self, share: float, now: Window, end_ms: float, *, running: bool) -> None:
        """Move by a share of what is shown; to the right where it is positive."""
        if self._part is not None:
            full = _full(end_ms, running)
            self._place(now.start_ms + share * now.span_ms, now.span_ms, full, end_ms, running)

    def reveal(self, at_ms: float, now: Window, end_ms: float, *, running: bool) -> None:
        """Move so that a moment is shown."""
        if self._part is not None and not now.start_ms <= at_ms <= now.start_ms + now.span_ms:
            self._place(at_ms - now.span_ms / 2, now.span_ms, _full(end_ms, running), end_ms, running)

    def _place(self, start: float, span: float, full: float, end_ms: float, running: bool) -> None:
        self._follows = running and start + span >= end_ms
        self._part = (min(max(start, 0.0), full - span), span)


def _full(end_ms: float, running: bool) -> float:
    return roomy(end_ms) if running else max(end_ms, LEAST_MS)
