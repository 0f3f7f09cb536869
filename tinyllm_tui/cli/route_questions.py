"""Questions whose routes are known, as lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tinyllm_tui.cli.text_file import read_text_lines

if TYPE_CHECKING:
    from engine.errors import ConfigurationError
    from engine.graph.routers import Router
    from engine.routing.examples import Example

_REMEDY = 'Give one JSON object a line, such as {"question": "What is 2 + 2?", "labels": ["math"]}.'
MOST = 20_000


def read_questions(file: Path, router: Router) -> list[Example]:
    """The questions in a file; empty lines count for nothing.

    Args:
        file: its name, or `-` for stdin.
        router: the one whose routes the labels name.

    Raises:
        ConfigurationError: it cannot be read, or a line is wrong, which is named; or it holds no question.
    """
    lines = read_text_lines(file, _REMEDY)
    found = [_question(n, line, router.names) for n, line in enumerate(lines, 1) if line.strip()]
    if not found:
        raise _error(f"{file} has no questions.")
    if len(found) > MOST:
        raise _error(f"{file} has more than {MOST:,} questions.")
    return found


def _question(number: int, line: str, names: Sequence[str]) -> Example:
    from engine.message import replace_surrogates
    from engine.routing.examples import Example

    try:
        given = json.loads(line)
    except (ValueError, RecursionError):
        raise _error(f"Line {number} is no JSON.") from None
    if not isinstance(given, dict):
        raise _error(f"Line {number} is no JSON object.")
    text, labels = given.get("question", given.get("text")), given.get("labels")
    if not isinstance(text, str):
        raise _error(f"Line {number} has no `question`.")
    if not isinstance(labels, list) or not labels or not all(isinstance(label, str) for label in labels):
        raise _error(f"Line {number} has no list of `labels`.")
    unknown = next((label for label in labels if label not in names), None)
    if unknown is not None:
        remedy = f"The routes are {', '.join(names)}; --graph chooses another graph."
        raise _error(f"Line {number} has the label `{unknown[:60]}`, which is no route of the graph.", remedy)
    return Example(replace_surrogates(text), frozenset(labels))


def _error(message: str, remedy: str = _REMEDY) -> ConfigurationError:
    from engine.errors import ConfigurationError

    return ConfigurationError("questions_unreadable", message, remedy=remedy)
