"""From the bus to the panes: drains events into the live view, and says when panes are to be drawn again.

Never publishes. A ring that overran is made good by reading the view again from the store.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence

from engine import events as ev
from engine.bus import Lagged, Subscription
from engine.errors import EngineError
from engine.view import View, apply
from tinyllm_tui.engine_port import CockpitEngine
from tinyllm_tui.live import Live

_BREATH = 0.02
"""Seconds between two drains: a burst is taken in a few bites, and a failure is still shown at once."""
_BITE = 256
"""Events that are folded before keys have their turn: a millisecond or two."""

_URGENT = (
    ev.BreakerChanged,
    ev.BackendChanged,
    ev.AttemptFailed,
    ev.Paused,
    ev.ApprovalAsked,
    ev.ApprovalAnswered,
    *ev.TERMINAL,
)


class Pump:
    """One per app. `flush` is called on the event loop, at most every `live.FRAME` seconds but for failures.

    Args:
        engine: whose bus is drained.
        flush: draws what changed.
    """

    def __init__(self, engine: CockpitEngine, flush: Callable[[], None]) -> None:
        self._engine = engine
        self._flush = flush
        self._subscription: Subscription = engine.bus.subscribe()
        self._dirty = True
        self._lagged = False
        """Events are missing in the live view: it is to be read again before any more are folded."""
        self._taking = asyncio.Lock()
        self.live = Live(breakers={b.key: b for b in engine.breakers()})

    def follow(self, tx: str, *, begun: bool = False) -> None:
        """Show the transaction `tx` from its begin on.

        Args:
            tx: its id; empty for none.
            begun: it was interrupted; what had happened is read from the store with the next events.
        """
        self.live.tx, self.live.view = tx, View()
        self.live.stands = self._lagged = begun
        self._dirty = True

    async def run(self) -> None:
        """Drain until the bus is closed."""
        try:
            while await self._subscription.wait():
                with contextlib.suppress(EngineError):  # the store could not be read; tried again with what comes next
                    if await self._take():
                        self.draw()
                await asyncio.sleep(_BREATH)
        finally:
            self._subscription.close()

    async def catch_up(self) -> None:
        """Take everything that was published so far, and draw it.

        Raises:
            EngineError: events were missed, and the store cannot be read.
        """
        await self._take()
        self.draw()

    def tick(self, *, moving: bool) -> None:
        """A frame's time has passed; `moving`: something is shown that changes with time alone."""
        if self._dirty or moving:
            self.draw()

    def draw(self) -> None:
        self._dirty = False
        self._flush()

    async def _take(self) -> bool:
        """Fold what is in the ring, in bites; true when it cannot wait for the next frame."""
        urgent = False
        async with self._taking:  # what is drained while the view is read would be folded into the wrong one
            while True:
                items = self._subscription.drain(_BITE)
                urgent = self._fold(items) or urgent
                if len(items) < _BITE:
                    break
                await asyncio.sleep(0)
            while self._lagged:
                await self._read_again()
        return urgent

    def _fold(self, items: Sequence[ev.Event | Lagged]) -> bool:
        """Take `items` into the live view; true when one of them cannot wait for the next frame."""
        urgent = False
        for item in items:
            self._dirty = True
            if isinstance(item, Lagged):
                self._lagged, self.live.stands = True, False
                continue
            if item.tx is not None and item.tx == self.live.tx:
                self.live.stands = False
            body = item.body
            urgent = (
                urgent or isinstance(body, _URGENT) or (isinstance(body, ev.NodeFinished) and body.outcome == "failed")
            )
            if isinstance(body, ev.BreakerChanged):
                self.live.breakers[body.breaker.key] = body.breaker
            elif isinstance(body, (ev.Begin, *ev.TERMINAL)):
                # good calls of breakers that never failed are no events: what they are now stands for them
                self.live.breakers.update({b.key: b for b in self._engine.breakers()})
            elif isinstance(body, ev.BackendChanged):
                self.live.backend = body
            if not self._lagged and self._belongs(item):
                apply(self.live.view, item)
        return urgent

    def _belongs(self, event: ev.Event) -> bool:
        live = self.live
        if event.gseq <= live.view.gseq and live.view.status != "created":
            return False
        return event.tx == live.tx or (event.tx is None and bool(live.tx))

    async def _read_again(self) -> None:
        self.live.breakers = {b.key: b for b in self._engine.breakers()}
        tx = self.live.tx
        view = await self._engine.view(tx) if tx else View()
        if tx == self.live.tx:
            self.live.view, self._lagged = view, False
        self._dirty = True
