"""A session as a document for people (Markdown) or programs (JSON).

The JSON document is one object:

    {"format": "tinyllm-session", "version": 1,
     "id": ..., "name": ..., "created_ms": ..., "updated_ms": ..., "memory": true,
     "messages": [{"role": "user" | "assistant", "content": ..., "transaction": ..., "number": 12 | null,
                   "created_ms": ...}, ...]}

Times are Unix times in milliseconds; the messages are all there, oldest first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from engine.store.rows import MessageRow, SessionRow

FORMAT = "tinyllm-session"
FORMAT_VERSION = 1
_WHO = {"user": "Question", "assistant": "Answer"}
_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+.!|~&:-])")
_BACKTICKS = re.compile(r"`+")


def as_json(row: SessionRow, messages: Sequence[MessageRow]) -> str:
    """The JSON document of a session, with a line end."""
    document = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "id": row.id,
        "name": row.name,
        "created_ms": row.created_ms,
        "updated_ms": row.updated_ms,
        "memory": row.memory,
        "messages": [
            {
                "role": each.role,
                "content": each.content,
                "transaction": each.tx,
                "number": each.number,
                "created_ms": each.created_ms,
            }
            for each in messages
        ],
    }
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def as_markdown(row: SessionRow, messages: Sequence[MessageRow]) -> str:
    """The Markdown document of a session, with a line end.

    What was said stands in fenced blocks: no word of it can be taken for a heading, a link or the next message.
    """
    return "\n".join(_lines(row, messages)) + "\n"


def _lines(row: SessionRow, messages: Sequence[MessageRow]) -> Iterator[str]:
    yield f"# Session {_plain(row.name)}"
    yield ""
    yield f"- id: {_plain(row.id)}"
    yield f"- begun: {_when(row.created_ms)}"
    yield f"- last used: {_when(row.updated_ms)}"
    for each in messages:
        number = f"#{each.number}" if each.number is not None else _plain(each.tx)
        fence = _fence(each.content)
        yield ""
        yield f"## {_WHO.get(each.role, _plain(each.role))}, transaction {number}, {_when(each.created_ms)}"
        yield ""
        yield f"{fence}text"
        yield each.content
        yield fence


def _fence(content: str) -> str:
    """Backticks, more than ever follow each other in the content (CommonMark 0.31, fenced code blocks)."""
    longest = max((len(found) for found in _BACKTICKS.findall(content)), default=0)
    return "`" * max(longest + 1, 3)


def _plain(text: str) -> str:
    """One line in which nothing is markup."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _when(wall_ms: int) -> str:
    try:
        return datetime.fromtimestamp(wall_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):  # of a damaged database
        return "unknown"
