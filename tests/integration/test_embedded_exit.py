"""The embedded model's processes end with the program, whatever way it ends."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.embedded

_PROGRAM = """
import asyncio, os, sys
from engine.config import EmbeddedConfig
from engine.models.embedded import EmbeddedBackend
from engine.models.protocol import ChatMessage, ChatRequest

async def main():
    backend = EmbeddedBackend(EmbeddedConfig(window=512, slots=1), emit=lambda _: None)
    name = backend.model_name
    story = backend.chat(ChatRequest(name, (ChatMessage("user", "Tell a long story."),), max_tokens=400, window=512))
    await asyncio.gather(anext(story), backend.embed(name, ["a text"]))
    print(*(child.pid for child in (await backend.memory()).children), flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    match sys.argv[1]:
        case "end without closing":
            return
        case "exception":
            raise RuntimeError("on purpose")
        case "os._exit":
            os._exit(3)

asyncio.run(main())
"""


def running(pid: int) -> bool:
    """Whether the process runs; an orphan's zombie may stay where nobody reaps it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        if Path("/proc/self").exists():
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def started(way: str = "") -> tuple[asyncio.subprocess.Process, list[int]]:
    """A program with a model that answers and one that embeds, and their processes."""
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _PROGRAM, way),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert program.stdout is not None
    pids = [int(word) for word in (await program.stdout.readline()).split()]
    assert len(pids) == 2
    assert all(running(pid) for pid in pids)
    return program, pids


async def all_ended(pids: list[int]) -> None:
    async with asyncio.timeout(30):
        while any(running(pid) for pid in pids):  # noqa: ASYNC110 - processes of others set no events
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("way", ["end without closing", "exception", "os._exit"])
async def test_no_child_is_left_when_the_program_ends(way: str) -> None:
    program, pids = await started(way)
    await program.communicate(b"\n")
    await all_ended(pids)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
async def test_no_child_is_left_when_the_program_is_ended(number: signal.Signals) -> None:
    program, pids = await started()
    program.send_signal(number)
    await program.wait()
    await all_ended(pids)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills the children of a process")
async def test_not_even_a_child_that_hangs_is_left() -> None:
    program, pids = await started()
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    program.kill()
    await program.wait()
    await all_ended(pids)
