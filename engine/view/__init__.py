"""The view: what panes show of one transaction, as a fold of its events.

`apply` mutates only the view it is given, uses no clock, I/O or randomness, and computes nothing that an event should
have carried. Live, replayed and afterwards the same events give equal views.
"""

from engine.view.fold import apply, fold
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
