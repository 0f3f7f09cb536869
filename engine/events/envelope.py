"""The envelope of every event, and the base of what is in it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Literal

BreakerStateName = Literal["closed", "open", "half_open", "forced_open", "disabled"]
BreakerScope = Literal["endpoint", "node"]
ExitStatus = Literal["success", "fallback", "error"]
NodeOutcome = Literal["ok", "failed", "skipped", "cancelled"]
FinishReason = Literal["stop", "length", "tool_calls"]
AnsweredBy = Literal["person", "nobody", "cancelled"]
"""Who answered a request for approval; nobody and cancelled mean no."""


class Sync(IntEnum):
    """How soon a body must be on disk."""

    LAZY = 0
    """Within 100 ms."""
    FLUSH = 1
    """At once, without waiting for it."""
    BARRIER = 2
    """Before it is published: nobody sees it before it is durable."""


@dataclass(frozen=True, slots=True)
class Body:
    """Base of all event bodies."""

    KIND: ClassVar[str] = ""
    V: ClassVar[int] = 1
    SYNC: ClassVar[Sync] = Sync.LAZY


@dataclass(frozen=True, slots=True)
class Event:
    """The envelope."""

    gseq: int
    """Order in the whole database; the row id."""
    tx: str | None
    """Transaction id; None for the engine stream (breakers, backends)."""
    seq: int
    """Order in its transaction, from 1 without gaps; 0 on the engine stream."""
    t_ms: int
    """Elapsed time of the transaction (of the engine on the engine stream)."""
    wall_ms: int
    """Unix time in milliseconds; for display, never for order."""
    body: Body

    @property
    def kind(self) -> str:
        return self.body.KIND
