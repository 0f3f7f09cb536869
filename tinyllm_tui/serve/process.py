"""One cockpit that is shown on one page."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable, Sequence

from textual_serve.app_service import AppService
from textual_serve.download_manager import DownloadManager

from tinyllm_tui.serve import SERVED_DRIVER

_LEAVING_S = 20.0
"""Seconds that a cockpit may take to end by itself: it rolls back what still runs, which is bounded at 15 s."""


class CockpitProcess(AppService):
    """A child process that draws through a websocket.

    Args:
        arguments: of the program that is run; no shell reads them.
        write_bytes: sends what is drawn.
        write_str: sends orders for the page.
        close: closes the websocket.
        downloads: of the whole server.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        write_bytes: Callable[[bytes], Awaitable[None]],
        write_str: Callable[[str], Awaitable[None]],
        close: Callable[[], Awaitable[None]],
        downloads: DownloadManager,
    ) -> None:
        super().__init__(
            shlex.join(arguments),
            write_bytes=write_bytes,
            write_str=write_str,
            close=close,
            download_manager=downloads,
        )
        self._arguments = tuple(arguments)
        self._stopping = asyncio.Lock()

    def _build_environment(self, width: int = 80, height: int = 24) -> dict[str, str]:
        return {
            **super()._build_environment(width, height),
            "TEXTUAL_DRIVER": SERVED_DRIVER,
            "PYTHONIOENCODING": "utf-8",
        }

    async def _open_app_process(self, width: int = 80, height: int = 24) -> Process:
        # a session of its own: Ctrl+C is for the server, which then asks its children to leave
        process = await asyncio.create_subprocess_exec(
            *self._arguments,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env=self._build_environment(width, height),
            start_new_session=True,
        )
        self._process, self._stdin = process, process.stdin
        return process

    async def run(self) -> None:
        """Pass on what is drawn until the process ends; then the page says so."""
        try:
            await super().run()
        finally:
            with contextlib.suppress(ConnectionError, RuntimeError):
                await self.remote_close()

    async def on_data(self, payload: bytes) -> None:
        # a page that is gone must not keep the process from writing, and so from leaving
        with contextlib.suppress(ConnectionError, RuntimeError):
            await super().on_data(payload)

    async def on_meta(self, data: bytes) -> None:
        with contextlib.suppress(ConnectionError, RuntimeError):
            await super().on_meta(data)

    async def stop(self) -> None:
        """Ask the process to leave, and wait for it; one that does not is killed."""
        async with self._stopping:
            process = self._process
            if process is not None and process.returncode is None:
                await self.send_meta({"type": "quit"})
                try:
                    await asyncio.wait_for(process.wait(), _LEAVING_S)
                except TimeoutError:
                    process.kill()
                    await process.wait()
            await super().stop()
