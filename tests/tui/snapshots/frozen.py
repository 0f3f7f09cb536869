"""A clock that stands still but for what scripts wait: pictures taken with it are the same every time."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.tui import scripted_engine, scripted_memory
from tests.tui.scripted_engine import Pace
from tinyllm_tui.app import CockpitApp

START_S = 1_767_225_600.0
"""1 January 2026, 00:00 UTC, as Unix time."""


class FrozenClock:
    """Stands in for the module `time` where runs are scripted."""

    def __init__(self) -> None:
        self.now_s = START_S

    def time(self) -> float:
        return self.now_s

    def time_ns(self) -> int:
        return round(self.now_s * 1e9)

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let the cockpit and what is scripted go by this clock, and local times be those of UTC."""
        monkeypatch.setattr(scripted_engine, "time", self)
        monkeypatch.setattr(scripted_memory, "time", self)
        monkeypatch.setattr(CockpitApp, "wall_ms", lambda _app: round(self.now_s * 1000))
        monkeypatch.setenv("TZ", "UTC")
        time.tzset()


class FrozenPace(Pace):
    """A script's pauses take no time, and move the clock on."""

    def __init__(self, clock: FrozenClock) -> None:
        super().__init__()
        self._clock = clock

    async def sleep(self, seconds: float) -> None:
        self._clock.now_s += seconds
        await asyncio.sleep(0)
