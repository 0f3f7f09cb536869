"""Corrections as lines of JSON: one object a line, with `graph`, `router`, `question` and `labels`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from engine.errors import EngineError, ErrorClass
from engine.message import replace_surrogates
from engine.store.corrections import QUESTION_CHARACTERS, Correction

MOST_LINES = 10_000
_NAME = 200
"""Characters of an id or a label."""
_LABELS = 50


def read_corrections(lines: Iterable[str]) -> Iterator[Correction]:
    """The corrections in a file's lines; empty lines count for nothing.

    Raises:
        EngineError: invalid_request; the message names the line.
    """
    for number, line in enumerate(lines, 1):
        if number > MOST_LINES:
            raise _wrong(number, f"there are more than {MOST_LINES:,} lines")
        if line.strip():
            yield _correction(number, line)


def _correction(number: int, line: str) -> Correction:
    try:
        given = json.loads(line)
    except (ValueError, RecursionError):
        raise _wrong(number, "it is no JSON") from None
    if not isinstance(given, dict):
        raise _wrong(number, "it is no JSON object")
    names = {key: given.get(key) for key in ("graph", "router", "question")}
    for key, value in names.items():
        if not isinstance(value, str) or not value.strip():
            raise _wrong(number, f"it has no `{key}`, or an empty one")
        if key != "question" and len(value) > _NAME:
            raise _wrong(number, f"its `{key}` is longer than {_NAME} characters")
    labels = given.get("labels")
    if (
        not isinstance(labels, list)
        or not 1 <= len(labels) <= _LABELS
        or not all(isinstance(label, str) and 0 < len(label) <= _NAME for label in labels)
    ):
        raise _wrong(number, "its `labels` are no list of names")
    graph, router, question = (replace_surrogates(str(value)).strip() for value in names.values())
    clean = tuple(dict.fromkeys(replace_surrogates(label) for label in labels))
    return Correction(graph, router, question[:QUESTION_CHARACTERS], clean)


def _wrong(number: int, why: str) -> EngineError:
    return EngineError(
        ErrorClass.INVALID_REQUEST,
        "corrections_unreadable",
        f"Line {number} is no correction: {why}.",
        remedy="Give what `tinyllm-tui route taught export` wrote; nothing was imported.",
    )
