"""The cockpit for two minutes under 10,000 events a minute; `TINYLLM_FAULTS=long`: two hours.

Its memory does not grow, no task is left, and its panes say at the end what the log says.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

LONG = os.environ.get("TINYLLM_FAULTS") == "long"
SECONDS = 7200 if LONG else 120
A_MINUTE = 10_000
GROWTH_MB = 30.0
HELD_EVENTS = 2_500
"""At the end: those of the few runs that the double keeps. A leak of small things shows here before it is megabytes."""
RATE = 0.8
"""Part of the events that must have come in the time that other processes left this one."""


@pytest.mark.timeout(SECONDS + 240)
def test_the_cockpit_holds_no_more_after_many_events_than_after_some(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    subprocess.run(
        [sys.executable, "-m", "tests.tui.soak_child", str(SECONDS), str(A_MINUTE), str(report)],
        check=True,
        timeout=SECONDS + 200,
    )
    figures = json.loads(report.read_text(encoding="utf-8"))
    assert figures["wrong"] == []
    assert figures["left_tasks"] == []
    assert figures["last_mb"] - figures["first_mb"] < GROWTH_MB, figures
    assert figures["held_events"] < HELD_EVENTS, figures
    left_s = figures["seconds"] - figures["waited_s"]
    assert figures["events"] > left_s * A_MINUTE / 60 * RATE, figures
