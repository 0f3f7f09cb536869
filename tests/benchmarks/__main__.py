"""`python -m tests.benchmarks [--short] [--only NAME] [--write]`: every budget, measured."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

from tests.benchmarks import report
from tests.benchmarks.measure import Figure
from tests.benchmarks.speed import slowness
from tests.benchmarks.suite import BENCHMARKS, load

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Measure every budget.")
    parser.add_argument("--short", action="store_true", help="few rounds: shows that it works, not what it costs")
    parser.add_argument("--only", action="append", choices=BENCHMARKS, metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    arguments = parser.parse_args()
    if arguments.write and (arguments.only or arguments.short):
        parser.error("--write writes the whole page from full rounds: leave --only and --short out")
    print(f"Machine: {report.machine()}")
    figures: list[Figure] = []
    for name in arguments.only or BENCHMARKS:
        start, before = time.perf_counter(), slowness()
        found = load(name)(arguments.short)
        speed = (before + slowness()) / 2
        found = [replace(figure, slowness=speed) for figure in found]
        figures += found
        print(f"-- {name} ({time.perf_counter() - start:.0f} s)")
        for line in report.lines(found):
            print(line, flush=True)
    if arguments.write:
        PAGE.write_text(report.markdown(figures), encoding="utf-8")
        print(f"written: docs/{PAGE.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
