"""A Textual driver that ends the program when it has been painted, and writes down what it took until then.

Chosen with `TEXTUAL_DRIVER=tests.benchmarks.paint_driver:FirstPaintDriver`; `PAINT_MARKS` are texts, divided by
commas, that are waited for one after the other (empty: any whole frame), `PAINT_REPORT` is the file for the figures.
"""

from __future__ import annotations

import json
import os
import resource
import time
from pathlib import Path
from typing import ClassVar

from textual.drivers.linux_driver import LinuxDriver

FRAME = 120 * 40
"""Characters of a whole frame at least."""


class FirstPaintDriver(LinuxDriver):
    """The ordinary driver until all marks have been painted."""

    _figures: ClassVar[list[dict[str, float]]] = []

    def write(self, data: str) -> None:
        super().write(data)
        marks = os.environ["PAINT_MARKS"].split(",")
        while len(self._figures) < len(marks) and _shown(marks[len(self._figures)], data):
            self._figures.append({"cpu": time.process_time(), "rss": resident_bytes()})
        if len(self._figures) == len(marks):
            Path(os.environ["PAINT_REPORT"]).write_text(json.dumps(self._figures), encoding="utf-8")
            os._exit(0)


def _shown(mark: str, data: str) -> bool:
    return mark in data if mark else len(data) >= FRAME


def resident_bytes() -> int:
    """Resident memory of this process; its peak where the system does not tell the present value."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
