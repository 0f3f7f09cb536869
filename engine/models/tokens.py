"""How many tokens a request's prompt is estimated to have."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from engine.message import estimate_tokens
from engine.models.protocol import ChatRequest

TEMPLATE_TOKENS = 4
"""Tokens that a chat template adds to each message (role markers, separators); ChatML, for one, adds four or five."""


def prompt_tokens(request: ChatRequest) -> int:
    """Estimated tokens of the messages, the template's share included."""
    calls = [call.arguments for message in request.messages for call in message.tool_calls]
    return (
        sum(estimate_tokens(message.content) + TEMPLATE_TOKENS for message in request.messages)
        + json_tokens(request.tools)
        + json_tokens(calls)
    )


def json_tokens(values: Sequence[Any]) -> int:
    """Estimated tokens of values that stand in a prompt as JSON, such as definitions of tools."""
    return sum(estimate_tokens(json.dumps(value, ensure_ascii=False)) for value in values)
