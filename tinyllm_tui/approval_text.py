"""Requests for approval in words: what a person has to read before they say yes, exact and harmless."""

from __future__ import annotations

import json

from engine.tools.policy import ApprovalRequest
from tinyllm_tui.sanitize import one_line, sanitize

_EFFECTS = {
    "pure": "changes nothing outside the program",
    "reversible": "can be undone when the run is rolled back",
    "irreversible": "CANNOT BE UNDONE",
}


def title_of(request: ApprovalRequest, *, short: bool = False) -> str:
    """Who asks, in a line; `short` leaves out what the tool's name says too."""
    node = one_line(request.node, 80)
    if request.tool and short:
        return f"{node}: run {one_line(request.tool, 60)}?"
    return f"{node}: may the tool {one_line(request.tool, 60)} run?" if request.tool else f"{node} asks"


def effect_of(request: ApprovalRequest) -> str:
    """What a yes does to the world; empty where an approval node asks, which only lets the run go on."""
    if not request.tool:
        return ""
    host = f" Host: {one_line(request.host, 100)}." if request.host else ""
    return f"Effect: {request.effect}; {_EFFECTS[request.effect]}.{host}"


def question_of(request: ApprovalRequest) -> str:
    """What they are asked; for a tool, what it does."""
    return sanitize(request.description).strip()


def text_of(request: ApprovalRequest) -> str:
    """What goes on with a yes, as it can be shown and edited."""
    return sanitize(request.text)


def arguments_of(request: ApprovalRequest, *, dense: bool = False) -> str:
    """A tool's exact arguments as JSON; characters that would not be seen as they are, are written as escapes.

    Args:
        request: what is asked.
        dense: all on one line.
    """
    if not request.tool:
        return ""
    return exactly(json.dumps(dict(request.arguments), ensure_ascii=False, indent=None if dense else 2))


def exactly(text: str) -> str:
    """JSON text of which every character can be seen: those that could not are written as escapes."""
    return "".join(each if each == "\n" or each.isprintable() else _escaped(each) for each in text)


def _escaped(character: str) -> str:
    """The JSON escape of a character."""
    return json.dumps(character)[1:-1] if not character.isascii() else f"\\u{ord(character):04x}"
