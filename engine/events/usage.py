"""What was used of models: the only value of events that an empty view needs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts as reported by the backend (estimated where `exact` is false)."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    model_calls: int = 0
    exact: bool = True
