"""Admission: who may ask a model next, and at which endpoint: a priority queue with ageing."""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from engine.config import Priority

AGEING_S = 15.0
"""Seconds of waiting that make up for one class of priority."""

RANK: dict[Priority, int] = {"interactive": 0, "graph": 1, "evaluation": 2}
"""Class of priority -> its place, the most urgent first."""


@dataclass(frozen=True, slots=True)
class Place:
    """An endpoint that has the model."""

    endpoint: str
    slots: int
    """Attempts at the same time."""
    usable: Callable[[], bool] = lambda: True
    """Whether its breaker admits an attempt now."""


class Lease:
    """One slot, held until `release`."""

    __slots__ = ("_admission", "_held", "_yield", "due", "endpoint", "priority", "yielding")

    def __init__(self, admission: Admission, endpoint: str, priority: Priority, due: float) -> None:
        self._admission = admission
        self._held = True
        self._yield: Callable[[], object] | None = None
        self.endpoint = endpoint
        self.priority = priority
        self.due = due
        self.yielding = False
        """Whether it was asked to make room."""

    def preemptible(self, give_way: Callable[[], object]) -> None:
        """From now on `give_way` is called, once, when an interactive call needs the slot. Only for evaluations."""
        if self.priority == "evaluation":
            self._yield = give_way
            self._admission.make_room()

    def settled(self) -> None:
        """From now on it is not asked to yield any more."""
        self._yield = None

    def ask_to_yield(self) -> None:
        """Call what `preemptible` was given."""
        self.yielding = True
        if self._yield is not None:
            self._yield()

    @property
    def can_yield(self) -> bool:
        return self._yield is not None and not self.yielding

    def release(self) -> None:
        """Give the slot back; further calls do nothing."""
        if self._held:
            self._held = False
            self._yield = None
            self._admission.freed(self)


@dataclass(slots=True, eq=False)
class _Ticket:
    """One who waits."""

    priority: Priority
    due: float
    avoid: frozenset[str]
    granted: asyncio.Future[Lease]


@dataclass(slots=True)
class Admission:
    """Admission to one model, wherever it is installed.

    A request that came at `t` goes before all that came later than `t + AGEING_S * r`, with `r` the number of classes
    by which these are more urgent; so each class is first come, first served, and nothing starves. The order among
    those that wait never changes with time: it is that of `arrival + AGEING_S * rank`, a virtual deadline.

    An evaluation that is under way is asked to yield when an interactive request would go before it and no slot is
    free.

    Args:
        places: the endpoints that have the model; `set_places` changes them.
        now: monotonic seconds.
    """

    places: Sequence[Place]
    now: Callable[[], float] = time.monotonic
    _queue: list[tuple[float, int, _Ticket]] = field(default_factory=list)
    _order: int = 0
    _leases: set[Lease] = field(default_factory=set)
    _busy: dict[str, int] = field(default_factory=dict)

    @property
    def load(self) -> float:
        """Requests that are under way or wait, for each slot."""
        return (len(self._leases) + self.waiting) / max(sum(place.slots for place in self.places), 1)

    @property
    def waiting(self) -> int:
        """Requests that wait."""
        return sum(not ticket.granted.done() for _, _, ticket in self._queue)

    def busy(self, endpoint: str) -> int:
        """Slots of an endpoint that are taken."""
        return self._busy.get(endpoint, 0)

    def set_places(self, places: Sequence[Place]) -> None:
        """The endpoints that have the model from now on."""
        self.places = places
        self._dispatch()

    async def acquire(
        self, priority: Priority = "graph", *, since: float | None = None, avoid: frozenset[str] = frozenset()
    ) -> Lease:
        """Wait for a slot.

        Args:
            priority: class of the request.
            since: when it first came, on the clock `now`: one that yielded keeps its turn. Default: now.
            avoid: endpoints that are taken only where no other one is free.
        """
        due = (self.now() if since is None else since) + AGEING_S * RANK[priority]
        ticket = _Ticket(priority, due, avoid, asyncio.get_running_loop().create_future())
        self._order += 1
        heapq.heappush(self._queue, (due, self._order, ticket))
        self._dispatch()
        if not ticket.granted.done():
            self.make_room()
        try:
            return await ticket.granted
        except asyncio.CancelledError:
            if ticket.granted.done() and not ticket.granted.cancelled():
                ticket.granted.result().release()  # it was granted in the moment of the cancellation
            else:
                ticket.granted.cancel()
            raise

    def freed(self, lease: Lease) -> None:
        """A slot is free again."""
        self._leases.discard(lease)
        self._busy[lease.endpoint] -= 1
        self._dispatch()

    def make_room(self) -> None:
        """Ask evaluations to yield, the latest first, one for each interactive request that waits before them."""
        able = [lease for lease in self._leases if lease.can_yield]
        if not able:
            return
        urgent = sorted(
            ticket.due for _, _, ticket in self._queue if ticket.priority == "interactive" and not ticket.granted.done()
        )
        already = sum(lease.yielding for lease in self._leases)
        able.sort(key=lambda lease: lease.due, reverse=True)
        for due, lease in zip(urgent[already:], able, strict=False):
            if due < lease.due:
                lease.ask_to_yield()

    def _dispatch(self) -> None:
        """Grant free slots in the order of the queue."""
        while self._queue:
            _, _, ticket = self._queue[0]
            if not ticket.granted.done():
                place = self._choose(ticket.avoid)
                if place is None:
                    return
                lease = Lease(self, place.endpoint, ticket.priority, ticket.due)
                self._leases.add(lease)
                self._busy[place.endpoint] = self.busy(place.endpoint) + 1
                ticket.granted.set_result(lease)
            heapq.heappop(self._queue)

    def _choose(self, avoid: frozenset[str]) -> Place | None:
        """The least busy endpoint with a free slot. Those whose breaker is open are passed over, unless all are: then
        the breaker refuses, and says for how long."""
        usable = [place for place in self.places if place.usable()] or self.places
        free = [place for place in usable if self.busy(place.endpoint) < place.slots]
        return min(
            free, key=lambda place: (place.endpoint in avoid, self.busy(place.endpoint) / place.slots), default=None
        )
