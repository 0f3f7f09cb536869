"""How often a contender makes the disk keep what it wrote, as the system sees it.

As a program (`python -m tests.benchmarks.durable_peers.syncs LABEL WAY SIZE`) it runs one chain.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.durable_peers.contender import Contender
from tests.faults.syscalls import why_not


def syncs_per_step(contender: Contender, steps: int) -> float:
    """`fsync` and `fdatasync` calls that `steps` nodes more make, per node.

    Raises:
        RuntimeError: system calls cannot be watched here, or the program broke.
    """
    if reason := why_not():
        raise RuntimeError(f"system calls cannot be watched here: {reason}")
    few, many = (_syncs_of(contender, size) for size in (2, steps + 2))
    return (many - few) / steps


def _syncs_of(contender: Contender, size: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace"
        watched = ["strace", "-f", "--seccomp-bpf", "-qq", "-o", f"{trace}", "-e", "trace=fsync,fdatasync"]
        program = [sys.executable, "-m", __name__, contender.label, contender.way, f"{size}"]
        done = subprocess.run([*watched, *program], capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            raise RuntimeError(f"the program broke ({done.stderr.strip()[-300:]})")
        return len(re.findall(r"^\d+ +(?:fsync|fdatasync)\(", trace.read_text(), re.MULTILINE))


async def _main(label: str, way: str, size: int) -> None:
    from tests.benchmarks import durable_peers

    name, _, installed = label.partition(" ")
    only = {name: installed} if installed else {}  # the others are long to import under strace
    (contender,) = [each for each in durable_peers.contenders(only) if (each.label, each.way) == (label, way)]
    with tempfile.TemporaryDirectory() as folder:
        async with contender.opened(Path(folder)) as stored:
            await stored.run_chain(size)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
