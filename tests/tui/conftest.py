"""Fixtures of the cockpit's tests."""

from __future__ import annotations

import pytest

from tinyllm_tui.screens.paced import PacedScreen


@pytest.fixture(autouse=True)
def no_paint_takes_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Screens never rest: what a paint shows is not a matter of how slow the machine is."""
    monkeypatch.setattr(PacedScreen, "clock", staticmethod(lambda: 0.0))
