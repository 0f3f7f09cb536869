"""What events keep of a request and its answer, so that people and replays can read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from engine.events import AskedTool
from engine.graph.spec import hash_of
from engine.message import brief_json, replace_surrogates
from engine.models.protocol import ChatMessage, ChatRequest, ToolCall

MAX_ARGUMENTS = 32_768
"""Characters of a tool call's arguments that its event keeps."""


def request_hash(request: ChatRequest) -> str:
    """Digest of model, messages and options; equal for equal requests."""
    return hash_of(asdict(request))


def messages_as_read(request: ChatRequest) -> tuple[tuple[str, str], ...]:
    """(role, text) of each message; the tool calls in it are part of the text."""
    return tuple((message.role, _text(message)) for message in request.messages)


def tools_offered(request: ChatRequest) -> tuple[str, ...]:
    """The names of the tools that a request offers."""
    return tuple(str(tool.get("function", {}).get("name", "")) for tool in request.tools)


def tools_asked(calls: Sequence[ToolCall]) -> tuple[AskedTool, ...]:
    """The tool calls of an answer, bounded and fit to be stored."""
    return tuple(
        AskedTool(replace_surrogates(call.name)[:200], brief_json(call.arguments, MAX_ARGUMENTS), call.id[:200])
        for call in calls
    )


def _text(message: ChatMessage) -> str:
    calls = [f"{call.name}({brief_json(call.arguments)})" for call in message.tool_calls]
    return "\n".join(filter(None, (message.content, *calls)))
