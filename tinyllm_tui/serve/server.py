"""The server: a page, the files that it needs, and a websocket for each cockpit."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from aiohttp import web
from textual_serve.server import Server, to_int

from tinyllm_tui.serve.guard import Guard, add_headers
from tinyllm_tui.serve.process import CockpitProcess

_PAGE = Path(__file__).parent / "page"
_HEARTBEAT_S = 15.0
_MOST = 1000
"""Columns and rows that a page can have at most."""


class CockpitServer(Server):
    """Serves one program to browsers.

    Args:
        arguments: of the program that draws a page.
        guard: who is let in.
        host: address to listen at.
        port: 0 for any that is free.
    """

    def __init__(self, arguments: Sequence[str], guard: Guard, host: str, port: int) -> None:
        super().__init__(shlex.join(arguments), host=host, port=port)
        self._arguments = tuple(arguments)
        self._guard = guard
        self._processes: set[CockpitProcess] = set()
        self._leaving: set[asyncio.Event] = set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[int]:
        """Listen, and end every cockpit when it is left; gives the port.

        Raises:
            OSError: the address cannot be had.
        """
        runner = web.AppRunner(self._application(), access_log=None)
        await runner.setup()
        try:
            site = web.TCPSite(runner, self.host, self.port)
            await site.start()
            yield runner.addresses[0][1]
        finally:
            await asyncio.gather(*(process.stop() for process in self._processes))
            await runner.cleanup()

    def _application(self) -> web.Application:
        app = web.Application(middlewares=[self._guard.middleware()])
        app.add_routes(
            [
                web.get("/", self._index),
                web.get("/ws", self.handle_websocket),
                web.get("/download/{key}", self.handle_download),
                web.static("/page", _PAGE),
                web.static("/static", self.statics_path),
            ]
        )
        app.on_response_prepare.append(add_headers)
        return app

    async def _index(self, request: web.Request) -> web.StreamResponse:
        response = web.FileResponse(_PAGE / "index.html", headers={"Cache-Control": "no-store"})
        self._guard.remember(request, response)
        return response

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        """A page wants a cockpit, which it has until one of them leaves."""
        websocket = web.WebSocketResponse(heartbeat=_HEARTBEAT_S)
        await websocket.prepare(request)
        await self._others_left()
        process = CockpitProcess(
            self._arguments,
            write_bytes=websocket.send_bytes,
            write_str=websocket.send_str,
            close=lambda: _close(websocket),
            downloads=self.download_manager,
        )
        left = asyncio.Event()
        self._processes.add(process)
        try:
            await process.start(*(_cells(request, name) for name in ("width", "height")))
            # what is no message of the page's ends the connection
            with contextlib.suppress(ValueError, KeyError, IndexError, TypeError, AttributeError, AssertionError):
                await self._process_messages(websocket, process)
        finally:
            self._leaving.add(left)
            try:
                await process.stop()
                await _close(websocket)
            finally:
                self._processes.discard(process)
                self._leaving.discard(left)
                left.set()
        return websocket

    async def _others_left(self) -> None:
        """Wait for cockpits that are about to end.

        When a page is loaded again, its next cockpit would else find the database taken by the one before.
        """
        for left in tuple(self._leaving):
            await left.wait()


async def _close(websocket: web.WebSocketResponse) -> None:
    await websocket.close()


def _cells(request: web.Request, name: str) -> int:
    return min(max(to_int(request.query.get(name, ""), 80 if name == "width" else 24), 1), _MOST)
