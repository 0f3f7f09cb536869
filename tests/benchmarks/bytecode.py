"""The environment of measured programs: as a person has it, with compiled modules kept.

Where `PYTHONDONTWRITEBYTECODE` is set (containers, test runners), every start compiles every module again, which
more than doubles the CPU time of a first paint. Compiled modules are kept in a folder of this process, filled by the
warm-up round.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from functools import cache

_UNWANTED = ("PYTHONDONTWRITEBYTECODE", "COLUMNS", "LINES", "NO_COLOR")
"""What would speak against kept bytecode, the terminal's own size, or colours."""


@cache
def folder() -> str:
    """Where compiled modules are kept; removed when this process ends."""
    path = tempfile.mkdtemp(prefix="benchmarks-bytecode-")
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def environment() -> dict[str, str]:
    """The environment of a measured program."""
    kept = {name: value for name, value in os.environ.items() if name not in _UNWANTED}
    return {**kept, "PYTHONPYCACHEPREFIX": folder()}
