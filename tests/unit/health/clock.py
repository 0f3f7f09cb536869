"""Clocks that only move when a test moves them."""

from __future__ import annotations


class Clock:
    """Monotonic seconds and Unix milliseconds, apart from each other so that a test can set the wall clock."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.wall = 1_700_000_000_000

    def now(self) -> float:
        return self.seconds

    def wall_ms(self) -> int:
        return self.wall

    def advance(self, seconds: float) -> None:
        self.seconds += seconds
        self.wall += round(seconds * 1000)
