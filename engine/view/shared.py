"""What the handlers of the view share."""

from __future__ import annotations

from engine import events as ev
from engine.view.values import AttemptView, Mark, TimelineEntry, View, VisitView


def line(view: View, event: ev.Event, mark: Mark, node: str, text: str) -> None:
    # the engine stream has its own clock, so its entries stand at the transaction's latest moment
    t_ms = event.t_ms if event.tx is not None else max(view.t_ms, event.wall_ms - view.started_wall_ms - view.away_ms)
    view.timeline.append(TimelineEntry(event.gseq, event.seq, t_ms, mark, event.kind, node, text))


def visit_of(view: View, path: str, number: int) -> VisitView | None:
    node = view.nodes.get(path)
    if node is None or not node.visits:
        return None
    last = node.visits[-1]
    if last.visit == number and not last.rewound:  # nearly always, and most events come through here
        return last
    for visit in reversed(node.visits):
        if visit.visit == number and not visit.rewound:
            return visit
    return None


def attempt_of(visit: VisitView | None, step: int, attempt: int) -> AttemptView | None:
    if visit is None or not visit.attempts:
        return None
    last = visit.attempts[-1]
    if last.step == step and last.attempt == attempt:
        return last
    for found in reversed(visit.attempts):
        if found.step == step and found.attempt == attempt:
            return found
    return None


def count_asks(view: View) -> None:
    """Mark the nodes in which a person is asked: that of each request, and those around it."""
    paths = [each.asked.path for each in view.approvals]
    for node in view.nodes.values():
        node.asks = sum(1 for path in paths if path == node.path or path.startswith(f"{node.path}#"))


def took(ms: int) -> str:
    """`340 ms`, `52.1 s`, `2 min 05 s`."""
    if ms < 10_000:
        return f"{ms} ms"
    return f"{ms / 1000:.1f} s" if ms < 60_000 else f"{ms // 60_000} min {ms // 1000 % 60:02d} s"
