"""Health figures: rates, and percentiles of durations, of a set of runs; pure functions of samples.

- Runs that a person cancelled, or that the end of the program interrupted, count in no rate: they say nothing about how
  well things work. They are counted as `stopped`.
- A percentile is by the nearest rank: of n sorted values number ceil(p / 100 * n), so it is always a value that
  occurred, and p50 of two values is the lower one (https://en.wikipedia.org/wiki/Percentile#The_nearest-rank_method).
- Of speeds a high percentile is a slow one: p95 is the speed that 95 % of the calls reached, or more.
- Durations and speeds are of what really ran and ended well: failed and cancelled visits and attempts, and answers from
  the cache, are counted, but are in no percentile.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal

from engine.store.samples import CallSample, RunSample, Samples, VisitSample

_LEAST_MS = 100
"""Milliseconds of writing from which on a speed means something."""


@dataclass(frozen=True, slots=True)
class Spread:
    """How values are spread."""

    count: int
    p50: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True)
class PartFigures:
    """Figures of one node, or of one model."""

    kind: Literal["node", "model"]
    graph: str
    """Of a node: the id of its graph; empty for a model."""
    name: str
    """Path of the node, or name of the model."""
    runs: int
    """Runs in which it was."""
    count: int
    """Visits of the node, or attempts of calls of the model, that ended."""
    failed: int
    cached: int
    """Calls that the cache answered."""
    duration: Spread | None
    """Milliseconds."""
    first_token: Spread | None
    """Milliseconds to the first token."""
    speed: Spread | None
    """Tokens per second while writing."""
    series: tuple[float | None, ...]
    """For each run, the oldest first: the longest duration in it, in milliseconds; None where it did not run."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of some runs."""

    runs: int
    """Finished runs that count in the rates."""
    stopped: int
    succeeded: int
    """Committed with exit `success`."""
    committed: int
    fallbacks: int
    """Committed with exit `fallback`."""
    failed: int
    """Rolled back."""
    tripped: int
    """Runs while which a breaker opened."""
    calls: int
    """Attempts of model calls that ended."""
    cached: int
    duration: Spread | None
    """Of runs that committed, in milliseconds."""
    speed: Spread | None
    """Tokens per second of all calls."""
    nodes: tuple[PartFigures, ...]
    """Slowest first, by p95."""
    models: tuple[PartFigures, ...]
    history: tuple[RunSample, ...]
    """The runs that count, the oldest first."""

    def rate(self, part: int) -> float | None:
        """A number of runs as a share of all that count, 0 to 1; None where there are none."""
        return part / self.runs if self.runs else None


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile of values in ascending order; there is at least one.

    Args:
        ordered: the values.
        percent: above 0, up to 100.
    """
    return ordered[max(ceil(percent / 100 * len(ordered)), 1) - 1]


def spread(values: Iterable[float], *, high_is_good: bool = False) -> Spread | None:
    """How values are spread; None where there are none. With `high_is_good` the percentiles count from above."""
    ordered = sorted(values, reverse=high_is_good)
    if not ordered:
        return None
    return Spread(len(ordered), *(percentile(ordered, percent) for percent in (50, 95, 99)))


def speed_of(call: CallSample) -> float | None:
    """Tokens per second of a call while it wrote; None where it wrote too little, or nothing was generated."""
    writing = call.duration_ms - call.first_token_ms
    if call.failed or call.cached or call.tokens < 2 or writing <= _LEAST_MS:
        return None
    return call.tokens * 1000 / writing


def figures(samples: Samples, model: str = "") -> Figures:
    """The figures of samples.

    Args:
        samples: of some runs.
        model: only the runs that called this model count; empty: all.
    """
    chosen = {call.run for call in samples.calls if call.model == model} if model else None
    runs = [run for run in samples.runs if chosen is None or run.number in chosen]
    history = tuple(run for run in runs if not run.stopped)
    numbers = {run.number for run in history}
    visits = [visit for visit in samples.visits if visit.run in numbers]
    calls = [call for call in samples.calls if call.run in numbers]
    ends = Counter("failed" if run.status != "committed" else run.exit or "" for run in history)
    committed = [run for run in history if run.status == "committed"]
    return Figures(
        runs=len(history),
        stopped=len(runs) - len(history),
        succeeded=ends["success"],
        committed=len(committed),
        fallbacks=ends["fallback"],
        failed=ends["failed"],
        tripped=sum(run.opened > 0 for run in history),
        calls=len(calls),
        cached=sum(call.cached for call in calls),
        duration=spread(run.duration_ms for run in committed),
        speed=spread(_speeds(calls), high_is_good=True),
        nodes=_nodes(visits, calls, history),
        models=_models(calls, history),
        history=history,
    )


def _speeds(calls: Iterable[CallSample]) -> list[float]:
    return [speed for call in calls if (speed := speed_of(call)) is not None]


def _nodes(
    visits: Iterable[VisitSample], calls: Iterable[CallSample], history: Sequence[RunSample]
) -> tuple[PartFigures, ...]:
    visits_of: dict[tuple[str, str], list[VisitSample]] = defaultdict(list)
    calls_of: dict[tuple[str, str], list[CallSample]] = defaultdict(list)
    for visit in visits:
        visits_of[visit.graph, visit.path].append(visit)
    for call in calls:
        calls_of[call.graph, call.path].append(call)
    found = []
    for (graph, path), mine in visits_of.items():
        well = [visit for visit in mine if visit.outcome == "ok"]
        made = [call for call in calls_of[graph, path] if not call.failed]
        found.append(
            PartFigures(
                kind="node",
                graph=graph,
                name=path,
                runs=len({visit.run for visit in mine}),
                count=len(mine),
                failed=sum(visit.outcome == "failed" for visit in mine),
                cached=sum(call.cached for call in made),
                duration=spread(visit.duration_ms for visit in well),
                first_token=spread(call.first_token_ms for call in made if not call.cached),
                speed=spread(_speeds(made), high_is_good=True),
                series=_series(((visit.run, visit.duration_ms) for visit in well), history),
            )
        )
    return _slowest_first(found)


def _models(calls: Iterable[CallSample], history: Sequence[RunSample]) -> tuple[PartFigures, ...]:
    calls_of: dict[str, list[CallSample]] = defaultdict(list)
    for call in calls:
        calls_of[call.model].append(call)
    found = []
    for name, mine in calls_of.items():
        made = [call for call in mine if not call.failed and not call.cached]
        found.append(
            PartFigures(
                kind="model",
                graph="",
                name=name,
                runs=len({call.run for call in mine}),
                count=len(mine),
                failed=sum(call.failed for call in mine),
                cached=sum(call.cached for call in mine),
                duration=spread(call.duration_ms for call in made),
                first_token=spread(call.first_token_ms for call in made),
                speed=spread(_speeds(made), high_is_good=True),
                series=_series(((call.run, call.duration_ms) for call in made), history),
            )
        )
    return _slowest_first(found)


def _series(values: Iterable[tuple[int, float]], history: Sequence[RunSample]) -> tuple[float | None, ...]:
    longest: dict[int, float] = {}
    for run, value in values:
        longest[run] = max(value, longest.get(run, 0))
    return tuple(longest.get(run.number) for run in history)


def _slowest_first(parts: Iterable[PartFigures]) -> tuple[PartFigures, ...]:
    return tuple(sorted(parts, key=lambda part: (-(part.duration.p95 if part.duration else 0), part.graph, part.name)))


@dataclass(frozen=True, slots=True)
class PartRun:
    """One run, as far as it concerns a node or a model."""

    run: RunSample
    duration_ms: int
    """Of its longest visit or call there."""
    count: int
    failed: int


def runs_of(samples: Samples, part: PartFigures) -> list[PartRun]:
    """The runs in which a node or a model was: those in which it failed first, then the slowest first."""
    if part.kind == "node":
        mine = [
            (visit.run, visit.duration_ms, visit.outcome == "failed")
            for visit in samples.visits
            if (visit.graph, visit.path) == (part.graph, part.name)
        ]
    else:
        mine = [(call.run, call.duration_ms, call.failed) for call in samples.calls if call.model == part.name]
    by_number = {run.number: run for run in samples.runs}
    grouped: dict[int, list[tuple[int, bool]]] = defaultdict(list)
    for number, took, failed in mine:
        grouped[number].append((took, failed))
    found = [
        PartRun(by_number[number], max(took for took, _ in each), len(each), sum(failed for _, failed in each))
        for number, each in grouped.items()
    ]
    return sorted(found, key=lambda each: (each.failed == 0, -each.duration_ms, -each.run.number))
