"""Which router of a run decided, for which question: what a person can correct."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.view import View, VisitView

if TYPE_CHECKING:
    from engine.events import RouteDecided


@dataclass(frozen=True, slots=True)
class Routed:
    """One decision of a router."""

    path: str
    question: str
    """What the router was given."""
    decision: RouteDecided


def last_decision(view: View, node: str = "") -> Routed | None:
    """The latest decision of a run that stands.

    Args:
        view: of the run.
        node: only those of this node, and of those inside it; empty for all.
    """
    found: tuple[tuple[float, int], Routed] | None = None
    for path, each in view.nodes.items():
        if node and path != node and each.drawn != node and not path.startswith(f"{node}#"):
            continue
        for visit in each.visits:
            if visit.route is None or visit.rewound:
                continue
            order = (visit.started_ms, visit.visit)
            if found is None or order >= found[0]:
                found = order, Routed(path, _given(view, visit), visit.route)
    return None if found is None else found[1]


def _given(view: View, visit: VisitView) -> str:
    """The text that reached a visit: what its source had made by then."""
    source = view.nodes.get(visit.source)
    if source is None or source.type == "entry":
        return view.question
    made = [each.output for each in source.visits if each.finished_ms is not None and each.output]
    return made[-1] if made else view.question
