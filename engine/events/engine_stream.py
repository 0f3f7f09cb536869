"""Events of the engine stream, and of contexts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from engine.events.envelope import Body, BreakerStateName
from engine.events.values import BreakerSnapshot, Summary


@dataclass(frozen=True, slots=True)
class BreakerChanged(Body):
    KIND: ClassVar[str] = "breaker_changed"
    breaker: BreakerSnapshot
    previous: BreakerStateName
    """Equal to `breaker.state` when only a count changed."""


@dataclass(frozen=True, slots=True)
class BackendChanged(Body):
    KIND: ClassVar[str] = "backend_changed"
    endpoint: str
    backend: str
    """ollama, openai or embedded."""
    status: Literal["starting", "ready", "restarting", "offline"]
    detail: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class ContextMeasured(Body):
    """A selection as it was sent, or, with `reported`, as the backend counted it."""

    KIND: ClassVar[str] = "context_measured"
    selection: str
    """`path model`."""
    tokens: int
    window: int
    messages: int
    by_kind: dict[str, int] = field(default_factory=dict)
    reserved: int = 0
    """Tokens kept free for the answer, and for the definitions of tools."""
    reported: int | None = None
    factor: float = 1.0
    pinned: int = 0
    """Tokens of messages that no pruning hides; 0 in events of earlier versions."""


PruneRank = Literal["earlier", "referred", "recent", "made", "last"]
"""In what order messages go: the rest of what was said earlier, what the question refers to, the newest exchanges, what
this run made, and what nobody pinned of the instructions."""


@dataclass(frozen=True, slots=True)
class PrunedMessage:
    """A message that went from a context, or was cut."""

    kind: str
    role: str
    tokens: int
    """Corrected estimate, of the whole message."""
    characters: int
    left_out: int = 0
    """Characters that were cut out of its middle; 0: it went as a whole."""
    source: str = ""
    """Where the events of the transaction have its text: `history <index>`, `question`, `output <path> <visit>`."""
    text: str = ""
    """Its text, where no other event has it; cut where it is very long."""
    rank: PruneRank | Literal[""] = ""
    """Of one that went: its place in the order of going. Empty where it was cut, and in events of earlier versions."""


@dataclass(frozen=True, slots=True)
class ContextPruned(Body):
    KIND: ClassVar[str] = "context_pruned"
    selection: str
    reason: str
    tokens_before: int
    tokens_after: int
    window: int
    removed: tuple[str, ...]
    """One line for each message that went: kind, tokens, beginning of the text."""
    messages: tuple[PrunedMessage, ...] = ()
    """The same messages with their texts; empty in events of earlier versions."""
    unlisted: int = 0
    """Further messages that went, older than those that are named."""
    summary: Summary | None = None
    """What stands in their place; None where nobody was asked for it. `tokens_after` counts it."""
