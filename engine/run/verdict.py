"""How a run ends, or a sub-graph in it: at an exit, or for a reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.errors import EngineError, ErrorClass, ErrorInfo
from engine.events import ExitStatus


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a run ends: at an exit, or for a reason."""

    reason: str
    """`exit`, or the reason of the rollback."""
    node: str = ""
    status: ExitStatus | None = None
    text: str = ""
    data: Mapping[str, Any] | None = None
    error: ErrorInfo | None = None


def no_exit() -> ErrorInfo:
    """Nothing is left to do, and no exit was reached."""
    return ErrorInfo(
        ErrorClass.CONFIGURATION,
        "no_exit",
        "Nothing is left to do, but no exit was reached.",
        "Give some node an edge whose condition holds in this case.",
    )


def too_late(timeout_s: float) -> ErrorInfo:
    """The run's deadline was reached."""
    return ErrorInfo(
        ErrorClass.TIMEOUT,
        "run_deadline",
        f"The run took longer than {timeout_s:g} s.",
        "Raise run_timeout_s, or use a faster model.",
    )


def too_many_steps(max_steps: int) -> EngineError:
    """The run took more visits than it may."""
    return EngineError(
        ErrorClass.BUDGET_EXHAUSTED,
        "max_steps",
        f"The run took more than {max_steps} node visits.",
        remedy="Look for a loop in the graph, or raise max_steps.",
    )
