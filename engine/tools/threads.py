"""Blocking work in a thread that can be told to stop, and is never left behind."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Stopped(Exception):
    """The work was told to stop; raised inside its thread by `Stop.check`."""


class Stop:
    """Tells a thread to stop; the work looks at it between its bounded steps, and before it changes anything."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        self._event.set()

    def check(self) -> None:
        if self._event.is_set():
            raise Stopped


async def in_thread(work: Callable[[Stop], T]) -> T:
    """The result of `work`, run in a worker thread.

    When this is cancelled, the work is told to stop and its end is waited for, so that nothing can happen after the
    cancellation was seen (an effect after its own undo, for one). So `work` must consist of bounded steps.
    """
    stop = Stop()
    future = asyncio.get_running_loop().run_in_executor(None, work, stop)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        stop.set()
        while not future.done():
            try:
                await asyncio.wait([future])
            except asyncio.CancelledError:  # asked again: the thread's end is still what must come first
                continue
        if not future.cancelled():
            future.exception()  # seen: the cancellation is what counts
        raise
