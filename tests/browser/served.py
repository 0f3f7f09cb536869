"""The program as a server, in a home of its own."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.integration.cli_process import PROGRAM, Home

LIMIT_S = 60.0


class Served:
    """A running `tinyllm-tui serve`."""

    def __init__(self, process: asyncio.subprocess.Process, address: str) -> None:
        self.process = process
        self.address = address
        """What it printed, with the token."""

    @property
    def root(self) -> str:
        return self.address.partition("?")[0]

    def cockpits(self) -> set[int]:
        """Process ids of its cockpits."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return {int(pid) for pid in children.read_text(encoding="ascii").split()}

    async def end(self, number: signal.Signals) -> int:
        """Send a signal; its exit status."""
        self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), LIMIT_S)


@asynccontextmanager
async def serving(folder: Path, *arguments: str) -> AsyncIterator[Served]:
    """A server on a free port; what a first start shows is behind it."""
    home = Home(folder)
    configuration = Path(home.environment["XDG_CONFIG_HOME"]) / "tinyllm-tui"
    configuration.mkdir(parents=True)
    (configuration / "config.yaml").touch()
    process = await asyncio.create_subprocess_exec(
        *PROGRAM, *arguments, "serve", "--port", "0",
        env=home.environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), LIMIT_S)).decode()
        found = re.search(r"http://\S+", line)
        assert found is not None, line
        yield Served(process, found[0])
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def gone(pids: set[int]) -> bool:
    """Whether all these processes end within the limit."""
    for _ in range(int(LIMIT_S / 0.1)):
        if not any(_runs(pid) for pid in pids):
            return True
        await asyncio.sleep(0.1)
    return False


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


ON_LINUX = sys.platform == "linux"
"""Children are found in /proc."""
