"""The circuit breaker: time of one permit and its good report."""

from __future__ import annotations

import time
from collections import deque

from engine.config import BreakerConfig
from engine.events import Body
from engine.health.breaker import CircuitBreaker
from tests.benchmarks.measure import Figure, alternate, cpu_of, spread

CALLS = 5000


class _Ticket:
    """What a permit is at least: an object with one reference, on which one method is called."""

    __slots__ = ("_marks",)

    def __init__(self, marks: deque[str]) -> None:
        self._marks = marks

    def success(self) -> None:
        self._marks.append(".")


def run(short: bool) -> list[Figure]:
    def emit(_body: Body) -> None:
        raise AssertionError("a success while closed is no event")

    breaker = CircuitBreaker(
        "endpoint model",
        "endpoint",
        BreakerConfig(),
        now=time.monotonic,
        wall_ms=lambda: 0,
        emit=emit,
    )
    marks: deque[str] = deque(maxlen=20)

    def guarded() -> None:
        for _ in range(CALLS):
            breaker.acquire().success()

    def bare() -> None:
        for _ in range(CALLS):
            _Ticket(marks).success()

    rounds = 2 if short else 41
    measured, baseline = alternate(rounds, lambda: cpu_of(guarded) / CALLS, lambda: cpu_of(bare) / CALLS)
    return [
        Figure(
            what="breaker, check and record",
            unit="us",
            measured=spread(measured),
            budget=1e-6,
            baseline=spread(baseline),
            against="an object made, and one method called that appends to a deque",
            how=f"CPU time of `acquire().success()` on a closed breaker, {CALLS} in a row",
        )
    ]
