"""Run: one question on its way through a graph; the handle that `Engine.start` gives out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

from engine import events as ev
from engine.bus import EventBus, Lagged, Subscription
from engine.errors import ErrorClass, ErrorInfo
from engine.run.result import Result

RING = 4096
"""Events that a run's own subscription holds before its reader has to go to the store."""

CANCELLED = ErrorInfo(ErrorClass.CANCELLED, "cancelled", "The run was cancelled.")
CLOSED = ErrorInfo(ErrorClass.CANCELLED, "closed", "The program was closed while the run was going on.")


class Run:
    """Handle of a run. It goes on whether or not anybody reads its events."""

    def __init__(
        self,
        transaction: str,
        number: int,
        bus: EventBus,
        reread: Callable[[str, int], Awaitable[list[ev.Event]]],
        earlier: Sequence[ev.Event] = (),
    ) -> None:
        self.transaction = transaction
        self.number = number
        self._subscription: Subscription = bus.subscribe(size=RING, tx=transaction)
        self._reread = reread
        self._earlier = earlier
        """What an earlier process logged of it, in order."""
        self._task: asyncio.Task[Result] | None = None
        self._stop: Callable[[str, ErrorInfo], object] | None = None
        self._stopped: tuple[str, ErrorInfo] | None = None

    # -- for the caller ----------------------------------------------------------------------------------------------

    async def events(self) -> AsyncIterator[ev.Event]:
        """Every event from `begin` to the terminal one, in order and without gaps; for one reader.

        A reader that is too slow for the ring gets what it missed from the store.

        Raises:
            StoreError: the store cannot be read after the reader fell behind.
        """
        last = 0
        for event in self._earlier:
            last = event.gseq
            yield event
        async for item in self._subscription:
            if isinstance(item, Lagged):
                batch = await self._reread(self.transaction, last)
            elif item.gseq > last and (last or isinstance(item.body, ev.Begin)):
                batch = [item]
            else:
                continue
            for event in batch:
                last = event.gseq
                yield event
                if isinstance(event.body, ev.TERMINAL):
                    self._subscription.close()
                    return

    async def result(self) -> Result:
        """Wait for the end. A failed run is a result too."""
        assert self._task is not None  # noqa: S101 - set before the run is handed out
        return await asyncio.shield(self._task)

    def cancel(self) -> None:
        """End the run as soon as possible; it is rolled back, the partial text stays in the log."""
        self.stop("cancelled", CANCELLED)

    @property
    def done(self) -> bool:
        return self._task is not None and self._task.done()

    # -- for the engine ----------------------------------------------------------------------------------------------

    def attach(self, task: asyncio.Task[Result]) -> None:
        self._task = task
        task.add_done_callback(lambda _task: self._subscription.close())

    def stop(self, reason: str, error: ErrorInfo) -> None:
        if self._stopped is None:
            self._stopped = (reason, error)
            if self._stop is not None:
                self._stop(reason, error)

    def on_stop(self, stop: Callable[[str, ErrorInfo], object]) -> None:
        """Name what is called to stop the run; it is called at once when that was asked before."""
        self._stop = stop
        if self._stopped is not None:
            stop(*self._stopped)

    @property
    def stopped(self) -> tuple[str, ErrorInfo] | None:
        return self._stopped


def result_of(run: Run, terminal: ev.Body, *, backend: str, visits: list[tuple[str, str, int]], text: str) -> Result:
    """The result that a terminal event says; `text` is what there was of an answer."""
    common: dict[str, Any] = {
        "transaction": run.transaction,
        "number": run.number,
        "backend": backend,
        "nodes": tuple(visits),
    }
    if isinstance(terminal, ev.Committed):
        return Result(
            status="committed",
            exit=terminal.exit,
            text=terminal.text,
            data=terminal.data,
            usage=terminal.usage,
            model=str(terminal.data.get("model", "")),
            **common,
        )
    assert isinstance(terminal, ev.RolledBack)  # noqa: S101 - there are two terminal events
    return Result(
        status="rolled_back",
        exit=terminal.exit,
        text=terminal.text or text,
        data={},
        usage=terminal.usage,
        model="",
        reason=terminal.reason,
        error=terminal.error,
        **common,
    )
