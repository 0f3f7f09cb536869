"""Programs of the fault suites: several at the same time, each with a share of the cases, and their figures."""

from __future__ import annotations

import faulthandler
import json
import subprocess
import sys
from collections.abc import Iterable
from typing import Any


def figures_of(module: str, arguments: Iterable[list[str]]) -> list[dict[str, Any]]:
    """Run `python -m module` once for each list of arguments, all at the same time.

    Each must print its figures as one JSON object. They are programs of their own, for only one with a single thread
    can fork.

    Raises:
        RuntimeError: one of the programs broke.
    """
    programs = [
        subprocess.Popen([sys.executable, "-m", module, *each], stdout=subprocess.PIPE, text=True) for each in arguments
    ]
    told = [program.communicate()[0] for program in programs]
    if any(program.returncode for program in programs):
        raise RuntimeError(f"A program of {module} broke; what it said stands above.")
    return [json.loads(text) for text in told]


def end_after(seconds: float) -> None:
    """Let this program end with a traceback of where it stands when it has not come to an end by then."""
    faulthandler.dump_traceback_later(seconds, exit=True)


def shares(cases: int, at_once: int) -> list[int]:
    """How many of the cases each program gets."""
    return [len(range(cases)[number::at_once]) for number in range(at_once)]
