"""Which circuit breakers stand before a node: its own, and those of the models that it calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tinyllm_tui.words import Tone

if TYPE_CHECKING:
    from engine.events import BreakerSnapshot, BreakerStateName
    from engine.view import View

BREAKER_TONES: dict[BreakerStateName, Tone] = {
    "closed": "breaker_closed",
    "open": "breaker_open",
    "half_open": "breaker_half_open",
    "forced_open": "breaker_forced_open",
    "disabled": "breaker_disabled",
}
_WORST: tuple[BreakerStateName, ...] = ("forced_open", "open", "half_open", "disabled", "closed")


def breakers_of(view: View, node: str, breakers: Mapping[str, BreakerSnapshot]) -> list[BreakerSnapshot]:
    """Those before `node` (its path, or its id in the graph), the worst first."""
    keys = {f"{view.graph.get('id', '')}/{node}": None}
    for path, each in view.nodes.items():
        if path != node and each.drawn != node:
            continue
        keys[f"{view.graph.get('id', '')}/{path}"] = None
        for visit in each.visits[-1:]:
            keys.update({f"{attempt.endpoint} {attempt.model}": None for attempt in visit.attempts})
    found = [breakers[key] for key in keys if key in breakers]
    return sorted(found, key=lambda breaker: _WORST.index(breaker.state))


def worst_breaker(view: View, node: str, breakers: Mapping[str, BreakerSnapshot]) -> BreakerSnapshot | None:
    """The one that the graph marks on the node; None where all are closed."""
    found = breakers_of(view, node, breakers)
    return found[0] if found and found[0].state != "closed" else None
