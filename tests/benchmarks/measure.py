"""Measuring: samples taken alternately with a baseline's, and what is said about them."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

UNITS = {
    "us": 1e-6, "ms": 1e-3, "s": 1.0, "%": 0.01, "KB": 1e3, "MB": 1e6, "x": 1.0, "runs/s": 1.0, "tasks": 1.0,
    "commits": 1.0, "syncs": 1.0, "tok/s": 1.0,
}  # fmt: skip
"""Unit -> what one of it is in the unit in which samples are taken (seconds, bytes, or a plain number)."""

TIMES = {"us", "ms", "s"}

Statistic = Literal["median", "p95"]


@dataclass(frozen=True, slots=True)
class Spread:
    """Samples, summarised. All in the samples' own unit."""

    median: float
    low: float
    """First quartile."""
    high: float
    """Third quartile."""
    p95: float
    count: int


def spread(samples: Sequence[float]) -> Spread:
    """Median, quartiles and 95th percentile (nearest rank) of at least one sample."""
    ordered = sorted(samples)
    if len(ordered) == 1:
        only = ordered[0]
        return Spread(only, only, only, only, 1)
    low, median, high = statistics.quantiles(ordered, n=4, method="inclusive")
    return Spread(median, low, high, ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))], len(ordered))


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the report: what was measured against its budget and its baseline."""

    what: str
    unit: str
    """A key of `UNITS`; values below are in seconds, bytes or plain ratios, and shown in this unit."""
    measured: Spread | None
    """None where it could not be measured; `how` says why."""
    how: str
    budget: float | None = None
    """In the samples' unit; None where the figure explains another one and has no budget of its own."""
    baseline: Spread | None = None
    against: str = ""
    """What the baseline is."""
    statistic: Statistic = "median"
    """Which figure the budget is about."""
    slowness: float | None = None
    """How many times slower than where the budgets were set the machine was around it; None: nobody looked."""

    @property
    def value(self) -> float | None:
        """What the budget is about; None where it could not be measured."""
        if self.measured is None:
            return None
        return self.measured.p95 if self.statistic == "p95" else self.measured.median

    @property
    def within(self) -> bool | None:
        """Whether the budget is kept; None where there is none, or nothing was measured."""
        return None if self.budget is None or self.value is None else self.value <= self.budget

    @property
    def within_at_reference_speed(self) -> bool | None:
        """The same on a machine as fast as where the budgets were set, if a time follows the speed; an estimate."""
        if self.budget is None or self.value is None or self.slowness is None or self.unit not in TIMES:
            return self.within
        return self.value / self.slowness <= self.budget

    @property
    def ratio(self) -> float | None:
        """Measured median / baseline median."""
        if self.measured is None or self.baseline is None or self.baseline.median <= 0:
            return None
        return self.measured.median / self.baseline.median


Work = Callable[[], object]


def cpu_of(work: Work, times: int = 1) -> float:
    """CPU seconds of this process for one call, from `times` calls in a row."""
    start = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - start) / times


def alternate(rounds: int, *takes: Callable[[], float]) -> list[list[float]]:
    """Samples of several measurements, taken in turns (in reversed order every other round).

    A round more is taken first and thrown away, to warm up; not where a single round is asked for.
    """
    samples: list[list[float]] = [[] for _ in takes]
    for number in range(0 if rounds > 1 else 1, rounds + 1):
        order = range(len(takes)) if number % 2 else reversed(range(len(takes)))
        for index in order:
            gc.collect()
            value = takes[index]()
            if number:
                samples[index].append(value)
    return samples


async def alternate_async(rounds: int, *takes: Callable[[], Awaitable[float]]) -> list[list[float]]:
    """The same for measurements that have to be awaited."""
    samples: list[list[float]] = [[] for _ in takes]
    for number in range(0 if rounds > 1 else 1, rounds + 1):
        order = range(len(takes)) if number % 2 else reversed(range(len(takes)))
        for index in order:
            gc.collect()
            value = await takes[index]()
            if number:
                samples[index].append(value)
    return samples
