"""Structured answers: a JSON Schema or a pydantic model in, a value that fulfils it out, whatever is written around it.

A backend that enforces schemas gets the schema with the request, and every model reads it in its prompt. Either way the
answer is read tolerantly and checked, and what is wrong with it is quoted when the model is asked once more.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from engine.errors import EngineError, ErrorClass
from engine.graph.json_schema import check_schema
from engine.models.answered import ModelRound
from engine.nodes.json_values import parse_json, plain_json
from engine.nodes.loose_json import NotJson, value_at

MAX_TRIED = 20
"""Places in an answer where a value may begin."""
MAX_VALUES = 8
"""Values in an answer that are checked."""
MAX_QUOTED = 600
"""Characters of an unusable answer that are shown to the model again."""

_FENCED = re.compile(r"```[a-zA-Z0-9_-]*[ \t]*\n(?P<body>.*)\n?```", re.DOTALL)
_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*+"?|[][{}]', re.DOTALL)
"""A text, which goes on to the end where it is not closed, or a bracket."""


def schema_of(form: type[BaseModel] | Mapping[str, Any]) -> dict[str, Any]:
    """The JSON Schema of a pydantic model; a schema is its own."""
    return dict(form) if isinstance(form, Mapping) else form.model_json_schema()


def instruction(schema: Mapping[str, Any]) -> str:
    """What a model is told of the schema."""
    return f"Answer with JSON that fulfils this schema: {json.dumps(schema, ensure_ascii=False)}"


def read_answer(answer: ModelRound, schema: Mapping[str, Any]) -> Any:
    """The JSON value that an answer gives: alone, in a code fence, or among other words.

    Raises:
        EngineError: INVALID_OUTPUT, codes `answer_not_json`, `answer_cut_off`, `answer_ambiguous`, `schema_violated`;
            CONFIGURATION where the schema cannot be followed.
    """
    fulfilling: list[Any] = []
    violated: EngineError | None = None
    for value in values_in(answer.text):
        try:
            check_schema(value, schema, "The answer", ErrorClass.INVALID_OUTPUT)
        except EngineError as error:
            if error.error_class is not ErrorClass.INVALID_OUTPUT:
                raise
            violated = violated or error
        else:
            fulfilling += [] if value in fulfilling else [value]
    match fulfilling:
        case [value]:
            return value
        case []:
            raise _cut_off(answer) if answer.finish == "length" else violated or _not_json()
    message = f"The answer gives {len(fulfilling)} different JSON values where one is asked for."
    raise EngineError(ErrorClass.INVALID_OUTPUT, "answer_ambiguous", message, remedy="Use a larger model.")


def values_in(text: str) -> Iterator[Any]:
    """The JSON values of a text, in order: the text itself, or else the outermost objects and lists in it.

    Small slips are overlooked: single quotes, a comma too many, Python's True and None. What stands inside something
    that is never closed is no value: it is a part of one.
    """
    text = text.strip()
    fence = _FENCED.fullmatch(text)
    for whole in (text, fence["body"]) if fence else (text,):
        try:
            yield parse_json(whole, code="", message="", remedy="")
        except EngineError:
            continue
        return
    at, found = _opening(text, 0), 0
    for _ in range(MAX_TRIED):
        if at < 0 or found == MAX_VALUES:
            return
        try:
            value, end = _value_at(text, at)
        except ValueError:
            end = _closing(text, at)
            if end < 0:
                return
        else:
            found += 1
            yield value
        at = _opening(text, end)


def as_text(answer: ModelRound, value: Any) -> str:
    """The value as JSON: as the model wrote it, where it wrote nothing else."""
    try:
        json.loads(answer.text)
    except (ValueError, RecursionError):
        return json.dumps(value, ensure_ascii=False)
    return answer.text


def payload(answer: ModelRound, schema: Mapping[str, Any] | None) -> dict[str, Any]:
    """`{"json": value}` for the data of a node's message, from a text that `as_text` made; empty without a schema."""
    return {} if schema is None else {"json": plain_json(json.loads(answer.text))}


def correction(error: EngineError, answer: str) -> str:
    """What a model is told whose answer was not usable.

    Args:
        error: what is wrong with it.
        answer: what the model wrote; empty where there is nothing to be quoted.
    """
    said = f"Your last answer was not usable: {error.message}"
    return f"{said}\nThe answer was:\n{_quoted(answer)}\nCorrect it." if answer.strip() else said


def _quoted(text: str) -> str:
    """A text as a quotation; what is too long loses its middle."""
    text = text.strip()
    if len(text) > MAX_QUOTED:
        half = MAX_QUOTED // 2
        text = f"{text[:half]} [...] {text[-half:]}"
    return "\n".join(f"> {line}" for line in text.splitlines())


def _value_at(text: str, at: int) -> tuple[Any, int]:
    """The value that begins there, and where it ends.

    Raises:
        ValueError: none does.
    """
    try:
        value, end = _STRICT.raw_decode(text, at)
        return plain_json(value), end
    except (ValueError, RecursionError):
        value, end = value_at(text, at)
        return plain_json(value), end


def _no_constant(name: str) -> Any:
    raise NotJson(f"{name} is no JSON")


_STRICT = json.JSONDecoder(parse_constant=_no_constant)


def _opening(text: str, start: int) -> int:
    """Where the next object or list may begin; -1 where none does."""
    found = re.compile(r"[\[{]").search(text, start)
    return -1 if found is None else found.start()


def _closing(text: str, at: int) -> int:
    """Where what is opened there is closed; -1 where it is not."""
    depth = 0
    for found in _BRACKET.finditer(text, at):
        if found[0] in ("[", "{"):
            depth += 1
        elif found[0] in ("]", "}"):
            depth -= 1
            if depth == 0:
                return found.end()
    return -1


def _not_json() -> EngineError:
    return EngineError(
        ErrorClass.INVALID_OUTPUT,
        "answer_not_json",
        "The answer is not JSON.",
        remedy="Raise max_tokens, or use a model that follows schemas.",
    )


def _cut_off(answer: ModelRound) -> EngineError:
    return EngineError(
        ErrorClass.INVALID_OUTPUT,
        "answer_cut_off",
        f"The answer was cut off after {answer.completion_tokens} tokens, before its JSON was complete.",
        remedy="Raise max_tokens of the node, or ask for less.",
    )
