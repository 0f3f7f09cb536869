"""Message: what travels along the edges of a graph, and what contexts are made of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

Role = Literal["system", "user", "assistant", "tool"]


class MessageKind(StrEnum):
    """What a message is in a context; the memory pane groups by it."""

    SYSTEM = "system"
    QUESTION = "question"
    HISTORY = "history"
    UPSTREAM = "upstream"
    """The output of another node."""
    NOTE = "note"
    """A remark of the engine, such as a gate's reason for a retry."""
    RECALLED = "recalled"
    TOOL = "tool"
    SUMMARY = "summary"


@dataclass(frozen=True, slots=True)
class Message:
    """An immutable message.

    `data` is the structured payload that conditions read (`route`, `routes`, `scores` ...); a node adds to what it
    received.
    """

    id: int
    """Ordinal in its transaction, counted from 1."""
    content: str
    data: Mapping[str, Any] = field(default_factory=dict)
    path: str = ""
    """Path of the node that made it; empty for the person's question."""
    visit: int = 0
    """Ordinal of that node's visit, counted from 1."""


def estimate_tokens(text: str) -> int:
    """Estimated number of tokens of `text`: UTF-8 bytes / 4, rounded up. O(len) with a small constant."""
    size = len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
    return (size + 3) // 4


def brief_json(value: Any, limit: int = 1000) -> str:
    """A value as JSON text for people, at most `limit` characters; whatever a model made of it, this raises nothing."""
    try:
        text = replace_surrogates(json.dumps(value, ensure_ascii=False))
    except (ValueError, TypeError, RecursionError):
        return "…"
    return text if len(text) <= limit else text[: limit - 1] + "…"


def replace_surrogates(text: str) -> str:
    """Replace lone surrogates and NUL by U+FFFD: the first are no text, and neither JSON nor SQLite takes them; at a
    NUL SQLite's JSON functions cut text off.

    Called where text enters the engine (questions, files, model and tool output).
    """
    text = text.replace("\0", "\ufffd")
    if text.isascii():
        return text
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        # a pair of surrogates is a character that was split in two; joining it first loses nothing
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
