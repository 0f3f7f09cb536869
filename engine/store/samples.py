"""Samples of the latest finished runs: what health figures are computed from.

The events are read a few hundred runs at a time, each time by a short read of its own, so that no snapshot lasts.
Runs that were imported ran elsewhere and say nothing about this machine: they are left out. So is what cannot be read.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.store.schema import ORIGIN_SINCE

if TYPE_CHECKING:
    from engine.store.database import Database

AT_ONCE = 200
"""Runs whose events are read with one query."""
_RUNS = """
SELECT number, tx, graph_id, status, exit, reason, question, started_ms, duration_ms, first_gseq, last_gseq
FROM transactions WHERE last_gseq IS NOT NULL AND status IN ('committed', 'rolled_back')
"""
_PARTS = """
SELECT t.number, e.kind, CASE WHEN json_valid(e.body) THEN json_extract(
    e.body, '$.path', '$.model', '$.outcome', '$.duration_ms', '$.first_token_ms', '$.completion_tokens', '$.cached',
    '$.fallback'
) END
FROM json_each(?) AS wanted JOIN transactions t ON t.number = wanted.value JOIN events e ON e.tx = t.tx
WHERE e.kind IN ('node_finished', 'model_finished', 'attempt_failed')
"""
_OPENED = """
SELECT gseq, CASE WHEN json_valid(body) THEN json_extract(body, '$.breaker.key', '$.breaker.scope') END FROM events
WHERE tx IS NULL AND gseq BETWEEN ? AND ? AND kind = 'breaker_changed'
AND CASE WHEN json_valid(body)
    THEN json_extract(body, '$.breaker.state') = 'open' AND json_extract(body, '$.previous') <> 'open' END
ORDER BY gseq
"""
_VISIT = re.compile(r"#\d+(?=/)")
_STOPPED = frozenset({"cancelled", "interrupted"})


@dataclass(frozen=True, slots=True)
class RunSample:
    """One finished run."""

    number: int
    tx: str
    graph: str
    """Id of its graph."""
    status: str
    """committed or rolled_back."""
    exit: str | None
    reason: str
    """Why it was rolled back; empty otherwise."""
    question: str
    started_ms: int
    """Unix time in milliseconds."""
    duration_ms: int
    opened: int
    """Breakers that opened while it ran: of endpoints, and of nodes of its graph."""

    @property
    def stopped(self) -> bool:
        """Whether a person or the end of the program stopped it, which says nothing about how well things work."""
        return self.status == "rolled_back" and self.reason in _STOPPED


@dataclass(frozen=True, slots=True)
class VisitSample:
    """One finished visit of a node."""

    run: int
    """Number of its run."""
    graph: str
    path: str
    """Without the ordinals of visits around it: `loop/revise` for every `loop#1/revise`."""
    outcome: str
    duration_ms: int


@dataclass(frozen=True, slots=True)
class CallSample:
    """One attempt of a model call that ended."""

    run: int
    graph: str
    path: str
    model: str
    failed: bool
    fallback: bool
    """Whether another model was tried in its place."""
    cached: bool
    duration_ms: int
    first_token_ms: int
    tokens: int
    """Tokens that it wrote."""


@dataclass(frozen=True, slots=True)
class Samples:
    """What is known of some runs, in no other order than that runs are oldest first."""

    runs: tuple[RunSample, ...] = ()
    visits: tuple[VisitSample, ...] = ()
    calls: tuple[CallSample, ...] = ()


async def read_samples(database: Database, last: int, graph: str | None = None) -> Samples:
    """The samples of the newest finished runs.

    Args:
        database: the store.
        last: how many runs at most.
        graph: only runs of this graph, by its id.

    Raises:
        StoreError: the database cannot be read.
    """
    own = " AND origin = ''" if database.schema >= ORIGIN_SINCE else ""
    of_graph = "" if graph is None else " AND graph_id = ?"
    parameters = [last] if graph is None else [graph, last]
    rows = list(await database.fetch(f"{_RUNS}{own}{of_graph} ORDER BY number DESC LIMIT ?", parameters))
    if not rows:
        return Samples()
    first, final = min(row[9] for row in rows), max(row[10] for row in rows)
    opened = _opened(await database.fetch(_OPENED, [first, final]))
    runs = tuple(_run(row, opened) for row in reversed(rows))
    graphs = {run.number: run.graph for run in runs}
    visits: list[VisitSample] = []
    calls: list[CallSample] = []
    numbers = list(graphs)
    for start in range(0, len(numbers), AT_ONCE):
        _take(await database.fetch(_PARTS, [json.dumps(numbers[start : start + AT_ONCE])]), graphs, visits, calls)
    return Samples(runs, tuple(visits), tuple(calls))


def _run(row: Any, opened: Mapping[str, Sequence[int]]) -> RunSample:
    *fields, first, last = row
    return RunSample(*[*fields, _during(opened, fields[2], first, last)])


def _opened(rows: Iterable[Any]) -> dict[str, list[int]]:
    """Graph id (empty: endpoints) -> positions in the log at which a breaker of it opened, in order."""
    found: dict[str, list[int]] = defaultdict(list)
    for gseq, text in rows:
        match json.loads(text) if text else None:
            case [_, "endpoint"]:
                found[""].append(gseq)
            case [str(key), "node"]:
                found[key.partition("/")[0]].append(gseq)
    return found


def _during(opened: Mapping[str, Sequence[int]], graph: str, first: int, last: int) -> int:
    """How many breakers that concern a run of `graph` opened in its span."""
    places = (opened.get("", ()), opened.get(graph, ()))
    return sum(bisect_right(each, last) - bisect_left(each, first) for each in places)


def _take(rows: Iterable[Any], graphs: Mapping[int, str], visits: list[VisitSample], calls: list[CallSample]) -> None:
    """Add what the rows of some runs say."""
    for number, kind, text in rows:
        match json.loads(text) if text else None:
            case [str(path), model, outcome, took, first_token, tokens, cached, fallback]:
                path, graph = _VISIT.sub("", path), graphs[number]
            case _:
                continue
        if kind == "node_finished":
            visits.append(VisitSample(number, graph, path, str(outcome), _whole(took)))
        elif isinstance(model, str):
            failed = kind == "attempt_failed"
            numbers = (_whole(took), _whole(first_token), _whole(tokens))
            calls.append(CallSample(number, graph, path, model, failed, bool(fallback), bool(cached), *numbers))


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
