"""What a gate took back of an answer for another try, and what is left when a run is cancelled."""

from __future__ import annotations

from dataclasses import dataclass

from engine.view import View
from tinyllm_tui.sanitize import one_line
from tinyllm_tui.words import Glyphs

_REASON_SHOWN = 80


@dataclass(frozen=True, slots=True)
class TakenBack:
    """An answer that a gate refused."""

    words: str
    """Why, and which try follows."""
    draft: str
    """What had been written."""


def taken_back(view: View, signs: Glyphs) -> list[TakenBack]:
    """The answers that gates sent back, the oldest first."""
    if not view.retries:
        return []
    refused = [
        (visit.started_ms, visit.gate)
        for node in view.nodes.values()
        for visit in node.visits
        if visit.gate is not None and not visit.gate.passed
    ]
    found = []
    for started_ms, gate in sorted(refused, key=lambda each: each[0]):
        reason = one_line(gate.reason, _REASON_SHOWN) or "the gate asked for another try"
        found.append(
            TakenBack(f"taken back: {reason} {signs.dot} try {gate.retries + 2}", _written_until(view, started_ms))
        )
    return found


def _written_until(view: View, t_ms: int) -> str:
    """What was written last before a gate began to look at it."""
    outputs = [
        (visit.finished_ms, visit.output)
        for node in view.nodes.values()
        for visit in node.visits
        if visit.gate is None and visit.output and visit.finished_ms is not None and visit.finished_ms <= t_ms
    ]
    return max(outputs, key=lambda each: each[0], default=(0, ""))[1]


def cancelled_words(view: View) -> str:
    """What a person who cancels a run is told of what was written."""
    if view.answer:
        return "Cancelled. What was written stays on screen."
    return (
        "Cancelled. What was written had been taken back." if view.retries else "Cancelled before anything was written."
    )
