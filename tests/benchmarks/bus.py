"""The event bus: time for one event and one subscriber."""

from __future__ import annotations

from collections import deque

from engine.bus import EventBus
from engine.events import Event, NodeStarted
from tests.benchmarks.measure import Figure, alternate, cpu_of, spread

EVENTS = 4000
"""Fewer than a ring holds: none overruns."""


def run(short: bool) -> list[Figure]:
    rounds = 2 if short else 41
    return [_figure(subscribers, rounds) for subscribers in (1, 10)]


def _figure(subscribers: int, rounds: int) -> Figure:
    bus = EventBus()
    rings = [bus.subscribe() for _ in range(subscribers)]
    events = [Event(n, "tx", n, n, n, NodeStarted("node", n, 1)) for n in range(1, EVENTS + 1)]
    bare: deque[Event] = deque()

    def publish() -> float:
        def work() -> None:
            for event in events:
                bus.publish(event)

        seconds = cpu_of(work)
        for ring in rings:
            ring.drain()
        return seconds / EVENTS / subscribers

    def append() -> float:
        def work() -> None:
            for event in events:
                bare.append(event)

        seconds = cpu_of(work)
        bare.clear()
        return seconds / EVENTS

    measured, baseline = alternate(rounds, publish, append)
    return Figure(
        what=f"bus, per event and subscriber ({subscribers} subscriber{'s' if subscribers > 1 else ''})",
        unit="us",
        measured=spread(measured),
        budget=2e-6,
        baseline=spread(baseline),
        against="`deque.append` in a loop",
        how=f"CPU time of publishing {EVENTS} events to rings that nobody waits on",
    )
