"""Where a person wants to stop in a recording: starts of nodes, and what went wrong."""

from __future__ import annotations

from collections.abc import Sequence

from engine import events as ev


def node_stops(events: Sequence[ev.Event]) -> list[int]:
    """Positions right after a node started."""
    return [n for n, event in enumerate(events, 1) if isinstance(event.body, ev.NodeStarted)]


def error_stops(events: Sequence[ev.Event]) -> list[int]:
    """Positions right after a failure, a retry, an opened breaker, or what takes the run back."""
    return [n for n, event in enumerate(events, 1) if type(event.body) in _MAY and _went_wrong(event.body)]


def end_stop(events: Sequence[ev.Event]) -> tuple[int, str] | None:
    """(position, `commit` or `rollback`) of the end; None where the run has none."""
    for n in range(len(events), 0, -1):
        body = events[n - 1].body
        if isinstance(body, ev.TERMINAL):
            return n, "commit" if isinstance(body, ev.Committed) else "rollback"
    return None


_MAY = frozenset({
    ev.AttemptFailed, ev.AttemptAbandoned, ev.Rewound, ev.RollingBack, ev.Paused, ev.NodeStarted, ev.NodeFinished,
    ev.OpFinished, ev.Compensated, ev.BreakerChanged,
})  # fmt: skip
"""Bodies that may tell of something wrong; most events are none of these."""


def _went_wrong(body: ev.Body) -> bool:
    match body:
        case ev.NodeStarted():
            return body.attempt > 1
        case ev.NodeFinished():
            return body.outcome == "failed"
        case ev.OpFinished() | ev.Compensated():
            return body.error is not None
        case ev.BreakerChanged():
            return body.breaker.state in ("open", "forced_open") and body.previous != body.breaker.state
        case _:
            return True  # a failed or lost attempt, a retry, a rollback, a pause
