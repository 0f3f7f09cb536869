"""Regular expressions of strangers: what may be compiled.

The `regex` package has a time limit for searching and gives up the interpreter lock meanwhile. It has none for
compiling, and none for memory: a nested repeat such as `((a{999}){999}){999}` or a recursion such as `(?R)` fills a
gigabyte a second. So repeats are counted before, and recursion is refused.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from engine.errors import EngineError, ErrorClass
from engine.graph.problems import shorten

if TYPE_CHECKING:
    import regex

MAX_PATTERN = 500
"""Characters of a pattern."""
MAX_REPEATS = 20_000
"""Product of all the counted repeats in a pattern: an upper bound of how often compiling copies its parts."""

_BEYOND = re.compile(r"\(\?(?:R|[-+]?\d|&|P>|\(DEFINE|[A-Za-z0-9]*x)")
"""Recursion and calls of groups; and the verbose flag, under which repeats could be written so as not to be counted."""

_COUNTED = re.compile(r"\{(\d*)(?:,(\d*))?\}")


def compile_pattern(source: str, *, ignore_case: bool = False, lines: bool = True) -> regex.Pattern[str]:
    """A pattern in the language of the `regex` package without recursion.

    Args:
        source: the pattern.
        ignore_case: letters match in either case.
        lines: `^` and `$` match at lines; otherwise where the text begins and ends.

    Raises:
        EngineError: class INVALID_REQUEST, code `bad_pattern`.
    """
    import regex  # imported with the first pattern: few graphs have one

    if len(source) > MAX_PATTERN:
        raise _bad(source, f"it is longer than {MAX_PATTERN} characters")
    if _BEYOND.search(source):
        raise _bad(source, "recursion and the flag x are not allowed")
    product = 1
    for low, high in _COUNTED.findall(source):
        if max(len(low), len(high)) > 6:
            raise _bad(source, "it repeats something too often")
        product *= max(int(low or 1), int(high or 1), 1)
    if product > MAX_REPEATS:
        raise _bad(source, "it repeats something too often")
    flags = (regex.MULTILINE if lines else 0) | (regex.IGNORECASE if ignore_case else 0)
    try:
        return regex.compile(source, flags, cache_pattern=False)
    except regex.error as exc:
        raise _bad(source, str(exc)) from None
    except (RecursionError, ValueError, OverflowError, MemoryError, KeyError, TypeError, IndexError):
        raise _bad(source, "it cannot be understood") from None


def _bad(source: str, reason: str) -> EngineError:
    message = f"The pattern `{shorten(source)}` cannot be used: {reason}."
    remedy = "Correct it, or search for plain text."
    return EngineError(ErrorClass.INVALID_REQUEST, "bad_pattern", message, remedy=remedy)
