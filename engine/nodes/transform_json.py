"""Transforms between text and JSON values."""

from __future__ import annotations

import json
from itertools import islice
from typing import Any

from engine.errors import EngineError, ErrorClass
from engine.graph.spec import TransformConfig
from engine.message import Message
from engine.nodes.context import Outcome
from engine.nodes.paths import dotted, text_of
from engine.nodes.structured import values_in


def parse(message: Message) -> Outcome:
    """The text as it is; its JSON value is `data.json` from here on.

    Raises:
        EngineError: invalid_output, code `not_json`.
    """
    return Outcome(content=message.content, data={"json": _parsed(message.content)})


def extract(config: TransformConfig, message: Message) -> Outcome:
    """The part of the text's JSON value at the path.

    Raises:
        EngineError: invalid_output, codes `not_json` and `nothing_at_path`, unless there is a default.
    """
    try:
        return Outcome(content=text_of(dotted(_parsed(message.content), config.path or "")))
    except EngineError:
        if config.default is None:
            raise
        return Outcome(content=config.default)


def wrap(config: TransformConfig, message: Message) -> Outcome:
    """An object with the text under the key, as text and as `data.json`."""
    value = {config.key or "content": message.content}
    return Outcome(content=text_of(value), data={"json": value})


def stringify(config: TransformConfig, message: Message) -> Outcome:
    """The value at the path of the payload, as JSON text.

    Raises:
        EngineError: invalid_output, code `nothing_at_path`.
    """
    value = dotted(message.data, config.path or "json")
    return Outcome(content=json.dumps(value, ensure_ascii=False, indent=config.indent))


def _parsed(text: str) -> Any:
    """The one JSON value that a text is, or has in it.

    Raises:
        EngineError: invalid_output, code `not_json`.
    """
    match list(islice(values_in(text), 2)):
        case [value]:
            return value
        case []:
            message = "The text is not JSON."
        case _:
            message = "The text has several JSON values in it."
    remedy = "Give the model node before it an output_schema."
    raise EngineError(ErrorClass.INVALID_OUTPUT, "not_json", message, remedy=remedy)
