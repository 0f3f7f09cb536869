"""JSON values from outside, made safe: bounded in depth and size, with no lone surrogate in any text."""

from __future__ import annotations

import json
import math
from typing import Any

from engine.errors import EngineError, ErrorClass
from engine.message import replace_surrogates

MAX_DEPTH = 40
"""Levels of nesting of arguments and results."""
MAX_ARGUMENT_BYTES = 4_000_000
"""Size of a call's arguments as JSON."""


def clean_arguments(tool: str, arguments: Any) -> dict[str, Any]:
    """The arguments of a call as plain JSON.

    Raises:
        EngineError: class INVALID_REQUEST: they are no JSON object, nested too deeply, or too large.
    """
    if not isinstance(arguments, dict):
        raise _invalid(tool, "its arguments are no JSON object", "Give an object of names and values.")
    try:
        cleaned: dict[str, Any] = clean(arguments)
        size = len(json.dumps(cleaned, ensure_ascii=False))
    except (ValueError, TypeError) as exc:
        raise _invalid(tool, str(exc)[:200], "Give plain JSON values.") from None
    if size > MAX_ARGUMENT_BYTES:
        raise _invalid(tool, f"its arguments have more than {MAX_ARGUMENT_BYTES:,} characters", "Give it less at once.")
    return cleaned


def clean(value: Any, depth: int = 0) -> Any:
    """A JSON value with U+FFFD for what is no text (lone surrogates, NUL) and texts for numbers that JSON has not.

    Raises:
        ValueError: it is nested deeper than `MAX_DEPTH`.
        TypeError: it is no JSON value.
    """
    if depth > MAX_DEPTH:
        raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, str):
        return replace_surrogates(value)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, list | tuple):
        return [clean(each, depth + 1) for each in value]
    if isinstance(value, dict):
        return {replace_surrogates(str(key)): clean(each, depth + 1) for key, each in value.items()}
    raise TypeError(f"a {type(value).__name__} is no JSON value")


def _invalid(tool: str, reason: str, remedy: str) -> EngineError:
    message = f"The tool {tool} cannot be called: {reason}."
    return EngineError(ErrorClass.INVALID_REQUEST, "invalid_arguments", message, remedy=remedy)
