"""In-process event bus: bounded rings, one per subscriber; who overruns gets `Lagged` and re-reads from the store."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass

from engine.events import Event


@dataclass(frozen=True, slots=True)
class Lagged:
    """The subscriber was too slow: `missed` events are not in its ring. The store has them."""

    missed: int
    next_gseq: int
    """The first event that the subscriber will still get from the bus."""


class Subscription:
    """One subscriber's ring. Iterate it, or call `drain` from a timer; close it when done."""

    __slots__ = ("_bus", "_closed", "_missed", "_ring", "_size", "_waiter", "tx")

    def __init__(self, bus: EventBus, size: int, tx: str | None) -> None:
        self._bus = bus
        self._ring: deque[Event] = deque()
        self._size = size
        self._missed = 0
        self._waiter: asyncio.Future[None] | None = None
        self._closed = False
        self.tx = tx
        """Only this transaction's events and the engine stream; None: all."""

    def put(self, event: Event) -> None:
        if len(self._ring) >= self._size:
            self._ring.popleft()
            self._missed += 1
        self._ring.append(event)
        self._wake()

    def drain(self, limit: int | None = None) -> list[Event | Lagged]:
        """Take what is there (at most `limit` events) without waiting; a `Lagged` comes first."""
        taken: list[Event | Lagged] = []
        if self._missed:
            taken.append(Lagged(self._missed, self._ring[0].gseq))
            self._missed = 0
        ring = self._ring
        count = len(ring) if limit is None else min(limit, len(ring))
        taken.extend(ring.popleft() for _ in range(count))
        return taken

    async def wait(self) -> bool:
        """Wait until there is something to drain; False when the subscription is closed and empty."""
        while not self._ring:
            if self._closed:
                return False
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return True

    async def __aiter__(self) -> AsyncIterator[Event | Lagged]:
        while await self.wait():
            for item in self.drain(256):
                yield item

    def close(self) -> None:
        """Stop receiving; what is in the ring can still be drained."""
        self._closed = True
        self._bus.remove(self)
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class EventBus:
    """Publishes every event to every subscriber, in `gseq` order, never waiting for any of them.

    For one event loop; `publish` is called by the event log alone, subscribers never publish. Subscribers of one
    transaction cost nothing to the others.
    """

    __slots__ = ("_all", "_by_tx")

    def __init__(self) -> None:
        self._all: tuple[Subscription, ...] = ()
        self._by_tx: dict[str, tuple[Subscription, ...]] = {}

    def subscribe(self, *, size: int = 4096, tx: str | None = None) -> Subscription:
        """A new ring of at most `size` events, from now on; with `tx` only that transaction's and the engine's."""
        if size < 1:
            raise ValueError("a ring holds at least one event")
        subscription = Subscription(self, size, tx)
        if tx is None:
            self._all = (*self._all, subscription)
        else:
            self._by_tx[tx] = (*self._by_tx.get(tx, ()), subscription)
        return subscription

    def remove(self, subscription: Subscription) -> None:
        if subscription.tx is None:
            self._all = tuple(s for s in self._all if s is not subscription)
            return
        rest = tuple(s for s in self._by_tx.get(subscription.tx, ()) if s is not subscription)
        if rest:
            self._by_tx[subscription.tx] = rest
        else:
            self._by_tx.pop(subscription.tx, None)

    def publish(self, event: Event) -> None:
        for subscription in self._all:
            subscription.put(event)
        if event.tx is not None:
            for subscription in self._by_tx.get(event.tx, ()):
                subscription.put(event)
        elif self._by_tx:
            for subscriptions in self._by_tx.values():
                for subscription in subscriptions:
                    subscription.put(event)

    def close(self) -> None:
        """Close every subscription: its iterator ends after what it holds."""
        for subscription in (*self._all, *(s for group in list(self._by_tx.values()) for s in group)):
            subscription.close()
