"""The clock of a running event loop, in the hands of a test: timers of the loop keep to it."""

from __future__ import annotations

import asyncio
import time

import pytest


class LoopClock:
    """Real time plus what was skipped: what waits on a timer is not slept through."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.skipped = 0.0
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: time.monotonic() + self.skipped)

    def skip(self, seconds: float) -> None:
        self.skipped += seconds
