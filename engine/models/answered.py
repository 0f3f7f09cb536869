"""What a model call comes to, and where in a run it stands."""

from __future__ import annotations

from dataclasses import dataclass

from engine.events import FinishReason
from engine.models.protocol import ToolCall


@dataclass(frozen=True, slots=True)
class CallSite:
    """Where in a run a model is called."""

    path: str
    visit: int
    step: int
    """Ordinal of the operation in the visit, from 1."""


@dataclass(frozen=True, slots=True)
class ModelRound:
    """A complete answer of a model."""

    text: str
    thinking: str
    tool_calls: tuple[ToolCall, ...]
    finish: FinishReason
    prompt_tokens: int
    completion_tokens: int
    exact: bool
    """Whether both counts are the backend's own."""
    model: str
    """The model that answered: the one asked, or a fallback."""
    endpoint: str
    duration_ms: int
    """Of the attempt that answered."""
    attempts: int
    """Ordinal of the attempt that answered, refusals by a breaker included."""
