"""The first paint of the program, at 120x40: CPU and memory from the start of the process to the first frame."""

from __future__ import annotations

import contextlib
import json
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.measure import Figure, alternate, spread
from tests.benchmarks.terminal import Terminal, own_folders

DRIVER = "tests.benchmarks.paint_driver:FirstPaintDriver"
MARKS = "Timeline,Ask a question"
"""What stands in the first frame (the title of a pane), and then in the empty prompt."""


def run(short: bool) -> list[Figure]:
    rounds = 1 if short else 7
    taken: dict[str, list[float]] = defaultdict(list)

    def cpu_until_frame(name: str, arguments: Sequence[str], marks: str) -> float:
        frames, wall = first_frames(arguments, marks)
        taken[f"{name} rss"].append(frames[0]["rss"])
        taken[f"{name} prompt"].append(frames[-1]["cpu"])
        taken[f"{name} wall"].append(wall)
        return frames[0]["cpu"]

    cockpit, blank = alternate(
        rounds,
        lambda: cpu_until_frame("cockpit", ["tinyllm_tui"], MARKS),
        lambda: cpu_until_frame("blank", ["tests.benchmarks.blank"], ""),
    )
    kept = {name: spread(values[-rounds:]) for name, values in taken.items()}
    how = "`python -m tinyllm_tui` in a pseudo-terminal of 120x40, from process start to the first frame with panes"
    against = "a blank Textual app, likewise"
    bare = spread(blank)
    return [
        Figure("first paint, CPU", "s", spread(cockpit), f"CPU time of {how}", 0.6, bare, against),
        Figure(
            "first paint, memory",
            "MB", kept["cockpit rss"], f"resident memory of {how}", 60e6, kept["blank rss"], against,
        ),
        Figure(
            "prompt painted, CPU",
            "s", kept["cockpit prompt"], "CPU time until the prompt is there too", None, bare, against,
        ),
        Figure(
            "prompt painted, wall time",
            "s", kept["cockpit wall"], "wall time until the prompt is there too", None, kept["blank wall"], against,
        ),
    ]  # fmt: skip


def first_frames(arguments: Sequence[str], marks: str) -> tuple[list[dict[str, float]], float]:
    """CPU seconds and resident bytes when each of `marks` is first painted; wall seconds until the last."""
    with own_folders() as environment:
        report = Path(environment["HOME"]) / "figures.json"
        start = time.perf_counter()
        terminal = Terminal(
            arguments, {**environment, "TEXTUAL_DRIVER": DRIVER, "PAINT_MARKS": marks, "PAINT_REPORT": str(report)}
        )
        with contextlib.closing(terminal):
            terminal.wait()
            wall = time.perf_counter() - start
        found: list[dict[str, float]] = json.loads(report.read_text(encoding="utf-8"))
        return found, wall
