"""Events of questions to a person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from engine.events.envelope import AnsweredBy, Body, Sync


@dataclass(frozen=True, slots=True)
class ApprovalAsked(Body):
    """A person is asked whether something may happen; the run's deadlines stand still until they answer."""

    KIND: ClassVar[str] = "approval_asked"
    SYNC: ClassVar[Sync] = Sync.FLUSH
    path: str
    visit: int
    step: int
    """Ordinal of the operation in the visit, from 1."""
    question: str
    """What they are asked; for a tool, what it does."""
    tool: str = ""
    """The tool that is to be called; empty where an approval node asks."""
    text: str = ""
    """What goes on with a yes, where an approval node asks."""
    arguments: str = ""
    """The tool's exact arguments, as JSON text."""
    arguments_hash: str = ""
    """What the answer is bound to."""
    effect: Literal["pure", "reversible", "irreversible"] = "pure"
    host: str = ""
    """The host that a yes for longer than this call would be about."""
    editable: bool = False
    """Whether the person may change `text`."""
    cut: bool = False
    """Whether `question`, `text` or `arguments` are only beginnings here; the person was shown them whole."""


@dataclass(frozen=True, slots=True)
class ApprovalAnswered(Body):
    """The answer, or that none will come."""

    KIND: ClassVar[str] = "approval_answered"
    SYNC: ClassVar[Sync] = Sync.FLUSH
    path: str
    visit: int
    step: int
    allowed: bool
    by: AnsweredBy
    arguments_hash: str = ""
    """That of the request."""
    reason: str = ""
    scope: Literal["call", "host"] = "call"
    text: str | None = None
    """What goes on, where the person changed it."""
    waited_ms: int = 0
    """How long they thought; counts against no deadline."""
