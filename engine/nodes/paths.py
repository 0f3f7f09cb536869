"""Dotted paths into JSON values, and values as text."""

from __future__ import annotations

import json
from typing import Any

from engine.errors import EngineError, ErrorClass
from engine.graph.problems import shorten


def dotted(value: Any, path: str) -> Any:
    """The value at a dotted path through objects (by name) and lists (by number).

    Raises:
        EngineError: invalid_output when there is nothing at the path.
    """
    here = value
    for part in filter(None, path.split(".")):
        try:
            here = here[int(part)] if isinstance(here, list | tuple) else here[part]
        except (KeyError, IndexError, ValueError, TypeError) as exc:
            raise EngineError(
                ErrorClass.INVALID_OUTPUT,
                "nothing_at_path",
                f"There is nothing at `{shorten(path)}` (`{shorten(part)}` is missing).",
                remedy="Correct the path in the graph.",
            ) from exc
    return here


def text_of(value: Any) -> str:
    """A text as it is, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
