"""The view: what panes show of one transaction, as a fold of its events.

`apply` mutates only the view it is given, uses no clock, I/O or randomness, and computes nothing that an event should
have carried. Live, replayed and afterwards the same events give equal views.

Names are imported when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.view.folding import apply, fold
    from engine.view.health import summary_words
    from engine.view.pruned import PrunedText, pruned_text
    from engine.view.values import (
        SHOWN_RESULT,
        TOOL_OP,
        ApprovalView,
        AttemptView,
        EdgeView,
        Mark,
        MemoryView,
        NodeState,
        NodeView,
        OpView,
        PruneView,
        TimelineEntry,
        TxStatus,
        View,
        VisitView,
    )

_NAMES = {
    "engine.view.folding": (
        "apply",
        "fold",
    ),
    "engine.view.health": ("summary_words",),
    "engine.view.pruned": (
        "PrunedText",
        "pruned_text",
    ),
    "engine.view.values": (
        "SHOWN_RESULT",
        "TOOL_OP",
        "ApprovalView",
        "AttemptView",
        "EdgeView",
        "Mark",
        "MemoryView",
        "NodeState",
        "NodeView",
        "OpView",
        "PruneView",
        "TimelineEntry",
        "TxStatus",
        "View",
        "VisitView",
    ),
}
"""Module -> what is found in it."""

__all__ = [
    "SHOWN_RESULT",
    "TOOL_OP",
    "ApprovalView",
    "AttemptView",
    "EdgeView",
    "Mark",
    "MemoryView",
    "NodeState",
    "NodeView",
    "OpView",
    "PruneView",
    "PrunedText",
    "TimelineEntry",
    "TxStatus",
    "View",
    "VisitView",
    "apply",
    "fold",
    "pruned_text",
    "summary_words",
]


def __getattr__(name: str) -> Any:
    for module, names in _NAMES.items():
        if name in names:
            found = import_module(module)
            globals().update({each: getattr(found, each) for each in names})
            return globals()[name]
    raise AttributeError(f"module 'engine.view' has no attribute {name!r}")
