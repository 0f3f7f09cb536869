"""`import engine`: CPU time in a fresh interpreter."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.benchmarks import bytecode
from tests.benchmarks.measure import Figure, alternate, spread

BUDGET = 0.150


def run(short: bool) -> list[Figure]:
    rounds = 1 if short else 7
    lazy, opened, bare = alternate(
        rounds,
        lambda: child_cpu("import engine"),
        lambda: child_cpu("import engine; engine.open; engine.load_graph"),
        lambda: child_cpu("pass"),
    )
    against, how = "`python -c pass`", "user and system time of the child process (`wait4`), interpreter included"
    return [
        Figure("`import engine`", "ms", spread(lazy), how, BUDGET, spread(bare), against),
        Figure(
            "`import engine` with all that opening an engine and loading a graph import",
            "ms", spread(opened), f"{how}; names of `engine` are imported when first used", None, spread(bare), against,
        ),
    ]  # fmt: skip


def child_cpu(code: str) -> float:
    """CPU seconds of a fresh interpreter that runs `code`.

    Raises:
        RuntimeError: it fails.
    """
    process = subprocess.Popen([sys.executable, "-c", code], env=bytecode.environment())
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"the interpreter ended with status {process.returncode}")
    return usage.ru_utime + usage.ru_stime
