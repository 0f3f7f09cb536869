"""The child process behind a page, with programs that do as a cockpit does, or not."""

from __future__ import annotations

import asyncio
import sys

import pytest
from textual_serve.download_manager import DownloadManager

from tinyllm_tui.serve import process as process_module
from tinyllm_tui.serve.process import CockpitProcess

_HEAD = "import sys, os, signal\nout = sys.stdout.buffer\nout.write(b'__GANGLION__\\n')\n"
DRAW = "out.write(b'D' + (5).to_bytes(4, 'big') + b'hello'); out.flush()\n"
OBEDIENT = _HEAD + DRAW + "sys.stdin.buffer.read(1)\n"
FLOODING = _HEAD + "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + "for _ in range(100_000):\n    " + DRAW
DEAF = _HEAD + DRAW + "import time\ntime.sleep(600)\n"


class Page:
    """What a page is sent."""

    def __init__(self, *, gone: bool = False) -> None:
        self.drawn = b""
        self.shown = asyncio.Event()
        self.closed = asyncio.Event()
        self._gone = gone

    def process(self, code: str) -> CockpitProcess:
        return CockpitProcess(
            [sys.executable, "-c", code],
            write_bytes=self.write,
            write_str=self.write_text,
            close=self.close,
            downloads=DownloadManager(),
        )

    async def write(self, data: bytes) -> None:
        self.shown.set()
        if self._gone:
            raise ConnectionResetError("Cannot write to closing transport")
        self.drawn += data

    async def write_text(self, _text: str) -> None:
        return

    async def close(self) -> None:
        self.closed.set()


async def test_what_is_drawn_reaches_the_page_and_a_process_that_is_asked_leaves() -> None:
    page = Page()
    process = page.process(OBEDIENT)
    await process.start(80, 24)
    await asyncio.wait_for(page.shown.wait(), 30)
    await asyncio.wait_for(asyncio.gather(process.stop(), process.stop()), 30)
    assert page.drawn == b"hello"
    assert page.closed.is_set()


async def test_a_page_whose_process_ended_is_told() -> None:
    page = Page()
    process = page.process("raise SystemExit(1)")
    await process.start(80, 24)
    await asyncio.wait_for(page.closed.wait(), 30)
    await process.stop()


async def test_a_process_that_draws_for_a_page_that_is_gone_is_not_held_up() -> None:
    page = Page(gone=True)
    process = page.process(FLOODING)
    await process.start(80, 24)
    await asyncio.wait_for(page.shown.wait(), 30)
    await asyncio.wait_for(process.stop(), process_module._LEAVING_S - 5)


async def test_a_process_that_does_not_leave_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_module, "_LEAVING_S", 0.2)
    page = Page()
    process = page.process(DEAF)
    await process.start(80, 24)
    await asyncio.wait_for(page.shown.wait(), 30)
    await asyncio.wait_for(process.stop(), 15)
