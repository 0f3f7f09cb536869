"""Running a command's coroutine so that SIGINT, SIGTERM and SIGHUP cancel it cleanly."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine import Run

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
CANCELLED = 130


class Interrupt:
    """What a signal cancels: the run in progress, which is rolled back; without one, or asked again, everything."""

    def __init__(self, task: asyncio.Task[int]) -> None:
        self._task = task
        self.run: Run | None = None
        """The run in progress; the command sets and clears it."""
        self.last: signal.Signals | None = None
        """The latest signal; None where there was none."""

    def fire(self, number: signal.Signals) -> None:
        again = self.last is not None
        self.last = number
        if self.run is not None and not again:
            self.run.cancel()
        else:
            self._task.cancel()

    def forget(self) -> None:
        """The signal was dealt with; the next one is the first again."""
        self.last = None


def run_async(work: Callable[[Interrupt], Awaitable[int]]) -> int:
    """Run `work` in a new event loop and return its exit status; 130 where a signal ended it."""

    async def main() -> int:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine run by asyncio.run is a task
        interrupt = Interrupt(task)
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, interrupt.fire, number)
        try:
            return await work(interrupt)
        except asyncio.CancelledError:
            if interrupt.last is None:
                raise
            return CANCELLED
        finally:
            for number in SIGNALS:
                loop.remove_signal_handler(number)

    return asyncio.run(main())
