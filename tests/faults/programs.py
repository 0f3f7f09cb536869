"""Programs of the fault suites: several at the same time, each with a share of the cases, and their figures."""

from __future__ import annotations

import faulthandler
import json
import subprocess
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from tempfile import TemporaryFile
from typing import IO, Any

SAID = 4000
"""Characters of the end of what a broken program said that stand in the error."""


def figures_of(module: str, arguments: Iterable[list[str]]) -> list[dict[str, Any]]:
    """Run `python -m module` once for each list of arguments, all at the same time.

    Each must print its figures as one JSON object. They are programs of their own, for only one with a single thread
    can fork.

    Raises:
        RuntimeError: one of the programs broke.
    """
    with ExitStack() as files:
        return _figures_of(module, [(each, files.enter_context(TemporaryFile("w+"))) for each in arguments])


def _figures_of(module: str, started: list[tuple[list[str], IO[str]]]) -> list[dict[str, Any]]:
    """`started`: arguments of each program, and the file that takes what it says of its faults."""
    programs = [
        subprocess.Popen([sys.executable, "-m", module, *each], stdout=subprocess.PIPE, stderr=errors, text=True)
        for each, errors in started
    ]
    told = [program.communicate()[0] for program in programs]
    for program, (_, errors) in zip(programs, started, strict=True):
        if program.returncode:
            errors.seek(0)
            raise RuntimeError(f"A program of {module} ended with {program.returncode}:\n{errors.read()[-SAID:]}")
    return [json.loads(text) for text in told]


def end_after(seconds: float) -> None:
    """Let this program end with a traceback of where it stands when it has not come to an end by then."""
    faulthandler.dump_traceback_later(seconds, exit=True)


def shares(cases: int, at_once: int) -> list[int]:
    """How many of the cases each program gets."""
    return [len(range(cases)[number::at_once]) for number in range(at_once)]
