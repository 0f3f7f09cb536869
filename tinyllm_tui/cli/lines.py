"""Reading a file or stdin line by line without a thread, so that a signal ends the wait and nothing is left behind."""

from __future__ import annotations

import asyncio
import codecs
import os
from collections.abc import AsyncGenerator

_PIECE = 65_536


async def read_lines(descriptor: int, limit: int) -> AsyncGenerator[str, None]:
    """The lines of a file, pipe or terminal, without their ends.

    Args:
        descriptor: open for reading.
        limit: characters; a longer line is handed out in pieces of about this size.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    rest = ""
    while True:
        data = await _read(descriptor)
        rest += decoder.decode(data, final=not data)
        *lines, rest = rest.split("\n")
        for line in lines:
            yield line.removesuffix("\r")
        if not data or len(rest) > limit:
            if rest:
                yield rest
            rest = ""
        if not data:
            return


async def read_byte_lines(descriptor: int, limit: int) -> AsyncGenerator[bytes, None]:
    """The lines of a file or pipe with their ends, as they are.

    Args:
        descriptor: open for reading.
        limit: bytes; a longer line is handed out in pieces of more than this size.
    """
    rest = bytearray()
    while data := await _read(descriptor):
        *lines, tail = data.split(b"\n")
        for line in lines:
            yield bytes(rest) + line + b"\n"
            rest.clear()
        rest += tail
        if len(rest) > limit:
            yield bytes(rest)
            rest.clear()
    if rest:
        yield bytes(rest)


async def _read(descriptor: int) -> bytes:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()

    def arrived() -> None:
        if not ready.done():
            ready.set_result(None)

    try:
        loop.add_reader(descriptor, arrived)
    except PermissionError:  # epoll takes no regular files, which are always ready
        return os.read(descriptor, _PIECE)
    try:
        await ready
    finally:
        loop.remove_reader(descriptor)
    return os.read(descriptor, _PIECE)
