"""Limit: a time limit that stands still while a person is asked something inside it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar

_around: ContextVar[Limit | None] = ContextVar("_around", default=None)
"""The innermost limit around the code that runs. Tasks inherit it, so it holds for what they start as well."""


class Limit:
    """Calls `reached` when so much time was spent that was no waiting for a person.

    It is in force inside `with`, on the clock of the running event loop, and stands still as long as anything inside it
    is in `waiting_for_a_person`.

    Args:
        seconds: how long.
        reached: called once, when they are over.
    """

    def __init__(self, seconds: float, reached: Callable[[], object]) -> None:
        self._loop = asyncio.get_running_loop()
        self._reached = reached
        self.outer = _around.get()
        self._end = self._loop.time() + seconds
        self._held = 0
        self._held_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._open = False
        self._expired = False

    def expired(self) -> bool:
        """Whether it was reached."""
        return self._expired

    @property
    def left(self) -> float:
        """Seconds until it is reached if nobody is asked from now on; negative when they are over."""
        return self.end - self._loop.time()

    @property
    def end(self) -> float:
        """The moment at which it is reached if nobody is asked from now on, on the event loop's clock."""
        return self._end + (self._loop.time() - self._held_at if self._held else 0.0)

    def __enter__(self) -> Limit:
        self._token = _around.set(self)
        self._open = True
        self._set_timer()
        return self

    def __exit__(self, *_: object) -> None:
        _around.reset(self._token)
        self._open = False
        self._stop_timer()

    def hold(self) -> None:
        """Stand still, until `go_on` was called as often as this."""
        if self._held == 0:
            self._held_at = self._loop.time()
            self._stop_timer()
        self._held += 1

    def go_on(self) -> None:
        """The person has answered."""
        if self._held == 1:
            self._end = self.end
        self._held -= 1
        if self._held == 0 and self._open:
            self._set_timer()

    def _set_timer(self) -> None:
        self._timer = self._loop.call_at(self._end, self._over)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _over(self) -> None:
        self._open = False
        self._expired = True
        self._reached()

    def with_outer(self) -> Iterator[Limit]:
        """This limit and those around it."""
        limit: Limit | None = self
        while limit is not None:
            yield limit
            limit = limit.outer


def time_left() -> float:
    """Seconds until the first of the limits around this is reached; infinite where there is none."""
    innermost = _around.get()
    return math.inf if innermost is None else min(limit.left for limit in innermost.with_outer())


@contextmanager
def waiting_for_a_person() -> Iterator[None]:
    """All limits around this stand still until it is left."""
    innermost = _around.get()
    limits = [] if innermost is None else list(innermost.with_outer())
    for limit in limits:
        limit.hold()
    try:
        yield
    finally:
        for limit in limits:
            limit.go_on()


@asynccontextmanager
async def within(seconds: float) -> AsyncIterator[Limit]:
    """`asyncio.timeout` that does not count the time in which a person is asked.

    Raises:
        TimeoutError: the time is over; `expired()` of the limit tells it from others.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(None) as timer:
        with Limit(seconds, lambda: timer.reschedule(loop.time())) as limit:
            yield limit
