"""What a run comes to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from engine.errors import ErrorInfo
from engine.events import ExitStatus, Usage


@dataclass(frozen=True, slots=True)
class Result:
    """The end of a run; `text` is the answer where it committed, else what there was of one."""

    transaction: str
    number: int
    status: Literal["committed", "rolled_back"]
    exit: ExitStatus | None
    text: str
    data: dict[str, Any]
    usage: Usage
    backend: str
    model: str
    """The model that wrote the answer; empty where none did."""
    nodes: tuple[tuple[str, str, int], ...]
    """(path, outcome, milliseconds) of every visit, in order of their starts."""
    reason: str = ""
    error: ErrorInfo | None = None

    @property
    def cancelled(self) -> bool:
        return self.reason == "cancelled"
