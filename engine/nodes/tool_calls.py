"""The tool calls in a model's answer: those that the backend understood, and those that the model printed as text."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from engine.message import replace_surrogates
from engine.models.caller import ModelRound
from engine.nodes.loose_json import NotJson, object_at

MAX_PRINTED = 20_000
"""Characters of an answer in which printed calls are looked for."""
MAX_OBJECTS = 50
"""Objects that are looked at in one answer."""

_NAMES = ("name", "tool", "tool_name", "function", "action")
_ARGUMENTS = ("arguments", "parameters", "args", "input", "tool_input", "action_input")
_TAGGED = re.compile(r"<tool_call>|<function_call>|\[TOOL_CALLS\]", re.IGNORECASE)
_BARE = re.compile(r"^\s*(?:```(?:json|tool_call|tool_code)?\s*)?\{", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Call:
    """A call that a model asked for; nothing about it has been checked."""

    name: str
    arguments: Mapping[str, Any]


def calls_in(answer: ModelRound, offered: Collection[str]) -> list[Call]:
    """The calls of an answer, in order.

    Args:
        answer: what the model said.
        offered: ids of the tools that it may call.
    """
    if answer.tool_calls:
        return [Call(replace_surrogates(call.name)[:200], call.arguments) for call in answer.tool_calls]
    return printed_calls(answer.text, offered)


def printed_calls(text: str, offered: Collection[str]) -> list[Call]:
    """Calls that stand in a text as JSON: alone, in a code fence, in tags such as `<tool_call>`, or after some words.

    An object is a call when it names an offered tool and gives arguments. Another tool's name counts only where nothing
    but a call can be meant: in tags, or where the answer begins with the object.
    """
    body = text[:MAX_PRINTED]
    certain = bool(_TAGGED.search(body) or _BARE.match(body))
    found: list[Call] = []
    for value in _objects(body):
        for name, arguments in _calls_of(value):
            if name in offered or (certain and _says_arguments(value)):
                found.append(Call(replace_surrogates(name)[:200], arguments))
    return found


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """The outermost objects in a text."""
    at, looked = text.find("{"), 0
    while at >= 0 and looked < MAX_OBJECTS:
        looked += 1
        try:
            value, end = object_at(text, at)
        except NotJson:
            end = at + 1
        else:
            yield value
        at = text.find("{", end)


def _calls_of(value: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(name, arguments) of the calls that an object is, or lists."""
    listed = value.get("tool_calls")
    if isinstance(listed, list):
        for each in listed[:MAX_OBJECTS]:
            if isinstance(each, dict):
                yield from _calls_of({key: part for key, part in each.items() if key != "tool_calls"})
        return
    inner = value.get("function")
    if isinstance(inner, dict):
        value = inner
    key = next((key for key in _NAMES if isinstance(value.get(key), str)), "")
    if not key:
        return
    name = value[key].strip()
    said = next((value[word] for word in _ARGUMENTS if word in value), None)
    if isinstance(said, str):
        said = _object_in(said)
    if isinstance(said, dict):
        yield name, said
    elif said is None and key in ("tool", "tool_name"):  # the arguments beside the name
        yield name, {word: part for word, part in value.items() if word != key}


def _object_in(text: str) -> dict[str, Any] | None:
    try:
        return object_at(text[:MAX_PRINTED].strip(), 0)[0]
    except NotJson:
        return None


def _says_arguments(value: Mapping[str, Any]) -> bool:
    return "tool_calls" in value or "function" in value or any(word in value for word in _ARGUMENTS)
