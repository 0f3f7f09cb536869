"""A hostile model server on loopback: it sends bytes as a script says, and hangs, drips, resets and lies in between."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal

End = Literal["hang", "reset", "close"]
TICK_S = 0.02
"""Seconds between two pieces of a drip."""


@dataclass(frozen=True)
class Drip:
    """Pieces without end, one every 20 ms."""

    piece: bytes


Step = bytes | Drip | End
"""Bytes to send; or stay silent until the client goes; or reset the connection; or close it in the middle."""


def head(status: int = 200, content_type: str = "application/json", **headers: str) -> bytes:
    """The beginning of an answer with a chunked body; `Retry_After` becomes `Retry-After`."""
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", f"Content-Type: {content_type}"]
    lines += ["Transfer-Encoding: chunked", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def chunk(data: bytes) -> bytes:
    """A piece of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


LAST = b"0\r\n\r\n"
"""The end of a chunked body."""


def whole(status: int, body: bytes | dict[str, Any], content_type: str = "application/json", **headers: str) -> bytes:
    """A complete answer."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return head(status, content_type, **headers) + (chunk(data) if data else b"") + LAST


@dataclass
class HostileServer:
    """Answers `path` by script and everything else by `others`; to be used as an asynchronous context manager.

    The server lives on the loop of its test, so every connection that a client leaves open is seen here.
    """

    path: str
    others: Callable[[str, str, Any], bytes]
    """(method, path, body) -> a complete answer."""
    script: list[Sequence[Step]] = field(default_factory=list)
    """For the next requests; the last one is for all that follow."""
    requests: list[dict[str, Any]] = field(default_factory=list)
    """Bodies of the requests to `path`."""
    open: int = 0
    """Connections."""
    busy: int = 0
    """Requests under way."""
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the server falls silent, to be cleared by the test."""
    _server: asyncio.Server | None = None

    async def __aenter__(self) -> HostileServer:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
            with suppress(TimeoutError):
                async with asyncio.timeout(5):
                    await self._server.wait_closed()

    @property
    def address(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            while await self._request(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client has gone
        finally:
            self.open -= 1
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; whether the connection stays."""
        try:
            start = (await reader.readuntil(b"\r\n\r\n")).decode()
        except asyncio.IncompleteReadError:
            return False
        method, path, _ = start.split(" ", 2)
        length = next((line[15:] for line in start.lower().split("\r\n") if line.startswith("content-length:")), "0")
        raw = await reader.readexactly(int(length))
        body = json.loads(raw) if raw else None
        self.busy += 1
        try:
            if path != self.path:
                writer.write(self.others(method, path, body))
                return True
            self.requests.append(body)
            steps = self.script.pop(0) if len(self.script) > 1 else self.script[0]
            return await self._play(steps, reader, writer)
        finally:
            self.busy -= 1

    async def _play(self, steps: Sequence[Step], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        for step in steps:
            match step:
                case bytes():
                    for at in range(0, len(step), 65536):
                        writer.write(step[at : at + 65536])
                        await writer.drain()
                    await asyncio.sleep(0)  # so that pieces arrive as pieces
                case Drip(piece):
                    while not reader.at_eof():
                        writer.write(piece)
                        await writer.drain()
                        await asyncio.sleep(TICK_S)
                    return False
                case "hang":
                    self.reached.set()
                    await reader.read()
                    return False
                case "reset":
                    await asyncio.sleep(TICK_S)  # what was sent is read before the reset throws it away
                    raw: socket.socket = writer.get_extra_info("socket")
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    writer.transport.abort()
                    return False
                case "close":
                    return False
        return True
