"""How many tokens a request's prompt is estimated to have."""

from __future__ import annotations

from engine.message import estimate_tokens
from engine.models.protocol import ChatRequest

TEMPLATE_TOKENS = 4
"""Tokens that a chat template adds to each message (role markers, separators); ChatML, for one, adds four or five."""


def prompt_tokens(request: ChatRequest) -> int:
    """Estimated tokens of the messages, the template's share included."""
    return sum(estimate_tokens(message.content) + TEMPLATE_TOKENS for message in request.messages)
