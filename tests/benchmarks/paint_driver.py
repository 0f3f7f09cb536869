"""A Textual driver that ends the program at its first frame, and writes down what it took until then.

Chosen with `TEXTUAL_DRIVER=tests.benchmarks.paint_driver:FirstPaintDriver`; `PAINT_MARK` is text of the frame that is
waited for (empty: any whole frame), `PAINT_REPORT` the file for the figures.
"""

from __future__ import annotations

import json
import os
import resource
import time
from pathlib import Path

from textual.drivers.linux_driver import LinuxDriver

FRAME = 120 * 40
"""Characters of a whole frame at least."""


class FirstPaintDriver(LinuxDriver):
    """The ordinary driver until the first frame."""

    def write(self, data: str) -> None:
        super().write(data)
        mark = os.environ["PAINT_MARK"]
        if mark in data and (mark or len(data) >= FRAME):
            figures = {"cpu": time.process_time(), "rss": resident_bytes()}
            Path(os.environ["PAINT_REPORT"]).write_text(json.dumps(figures), encoding="utf-8")
            os._exit(0)


def resident_bytes() -> int:
    """Resident memory of this process; its peak where the system does not tell the present value."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
