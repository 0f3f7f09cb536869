"""JSON from outside, made safe to be logged and read again: what is parsed here comes back from the log as it was."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from engine.errors import EngineError, ErrorClass
from engine.message import replace_surrogates

MAX_DEPTH = 100
"""Levels of nesting; the codecs of the log give up soon after."""


def parse_json(text: str, *, code: str, message: str, remedy: str) -> Any:
    """The JSON value that `text` is; NaN and infinities, which are no JSON, are refused.

    Raises:
        EngineError: invalid_output with these words when it is none, or is nested deeper than `MAX_DEPTH`.
    """
    try:
        return plain_json(json.loads(text, parse_constant=_no_constant))
    except (ValueError, RecursionError) as exc:
        raise EngineError(ErrorClass.INVALID_OUTPUT, code, message, remedy=remedy) from exc


def plain_json(value: Any, depth: int = 0) -> Any:
    """A copy of a JSON value of which every text can be stored.

    Raises:
        ValueError: it is nested deeper than `MAX_DEPTH`, or a number is not finite.
    """
    if isinstance(value, str):
        return replace_surrogates(value)
    if isinstance(value, list | dict) and depth >= MAX_DEPTH:
        raise ValueError(f"nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, list):
        return [plain_json(item, depth + 1) for item in value]
    if isinstance(value, dict):
        return {replace_surrogates(key): plain_json(item, depth + 1) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number is too large")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
