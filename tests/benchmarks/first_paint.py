"""The first paint of the program, at 120x40: CPU and memory from the start of the process to the first frame."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.measure import Figure, alternate, spread
from tests.benchmarks.terminal import Terminal, own_folders

DRIVER = "tests.benchmarks.paint_driver:FirstPaintDriver"
MARK = "Ask a question"
"""What stands in the empty prompt."""


def run(short: bool) -> list[Figure]:
    rounds = 1 if short else 15
    rss: dict[str, list[float]] = {"cockpit": [], "blank": []}
    wall: dict[str, list[float]] = {"cockpit": [], "blank": []}

    def cpu_until_frame(name: str, arguments: Sequence[str], mark: str) -> float:
        figures = first_frame(arguments, mark)
        rss[name].append(figures["rss"])
        wall[name].append(figures["wall"])
        return figures["cpu"]

    cockpit, blank = alternate(
        rounds,
        lambda: cpu_until_frame("cockpit", ["tinyllm_tui"], MARK),
        lambda: cpu_until_frame("blank", ["tests.benchmarks.blank"], ""),
    )
    how = "`python -m tinyllm_tui` in a pseudo-terminal of 120x40, from process start to the frame with the prompt"
    against = "a blank Textual app, likewise"
    return [
        Figure("first paint, CPU", "s", spread(cockpit), f"CPU time of {how}", 0.6, spread(blank), against),
        Figure(
            "first paint, memory",
            "MB", spread(rss["cockpit"][-rounds:]), f"resident memory of {how}",
            60e6, spread(rss["blank"][-rounds:]), against,
        ),
        Figure(
            "first paint, wall time",
            "s", spread(wall["cockpit"][-rounds:]), f"wall time of {how}",
            None, spread(wall["blank"][-rounds:]), against,
        ),
    ]  # fmt: skip


def first_frame(arguments: Sequence[str], mark: str) -> dict[str, float]:
    """CPU seconds, wall seconds and resident bytes of a program at its first frame that shows `mark`."""
    with own_folders() as environment:
        report = Path(environment["HOME"]) / "figures.json"
        start = time.perf_counter()
        terminal = Terminal(
            arguments, {**environment, "TEXTUAL_DRIVER": DRIVER, "PAINT_MARK": mark, "PAINT_REPORT": str(report)}
        )
        with contextlib.closing(terminal):
            terminal.wait()
            wall = time.perf_counter() - start
        return {**json.loads(report.read_text(encoding="utf-8")), "wall": wall}
