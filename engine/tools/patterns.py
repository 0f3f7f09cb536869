"""Regular expressions of strangers: bounded when compiled, and interrupted when they search too long.

The `regex` package has a time limit for searching and gives up the interpreter lock meanwhile. It has none for
compiling, and none for memory: a nested repeat such as `((a{999}){999}){999}` or a recursion such as `(?R)` fills a
gigabyte a second. So repeats are counted before, and recursion is refused.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import regex

from engine.errors import EngineError, ErrorClass
from engine.graph.problems import shorten
from engine.tools.threads import Stop

MAX_PATTERN = 500
"""Characters of a pattern."""
MAX_REPEATS = 20_000
"""Product of all the counted repeats in a pattern: an upper bound of how often compiling copies its parts."""
SECONDS = 2.0
"""Time for all searching of one call."""

_BEYOND = re.compile(r"\(\?(?:R|[-+]?\d|&|P>|\(DEFINE|[A-Za-z0-9]*x)")
"""Recursion and calls of groups; and the verbose flag, under which repeats could be written so as not to be counted."""

_COUNTED = re.compile(r"\{(\d*)(?:,(\d*))?\}")


def compile_pattern(source: str, *, ignore_case: bool = False) -> regex.Pattern[str]:
    """A pattern in the language of the `regex` package without recursion; `^` and `$` match at lines.

    Raises:
        EngineError: class INVALID_REQUEST, code `bad_pattern`.
    """
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
    flags = regex.MULTILINE | (regex.IGNORECASE if ignore_case else 0)
    try:
        return regex.compile(source, flags, cache_pattern=False)
    except regex.error as exc:
        raise _bad(source, str(exc)) from None
    except (RecursionError, ValueError, OverflowError, MemoryError, KeyError, TypeError, IndexError):
        raise _bad(source, "it cannot be understood") from None


def compile_literal(text: str, *, ignore_case: bool = False) -> regex.Pattern[str]:
    """The pattern that finds exactly this text."""
    return regex.compile(regex.escape(text), regex.IGNORECASE if ignore_case else 0, cache_pattern=False)


def matches(pattern: regex.Pattern[str], text: str, stop: Stop) -> Iterator[regex.Match[str]]:
    """All matches, from the left; for use in a thread.

    Raises:
        EngineError: class RESOURCE, code `pattern_timeout`.
    """
    deadline = time.monotonic() + SECONDS
    try:
        for match in pattern.finditer(text, timeout=SECONDS, concurrent=True):
            stop.check()
            yield match
            if time.monotonic() > deadline:
                break
        else:
            return
    except TimeoutError:
        pass
    raise _too_slow(pattern.pattern)


@contextmanager
def searching(pattern: regex.Pattern[str], stop: Stop) -> Iterator[Callable[[str], bool]]:
    """A function that says whether a text has a match; all its calls share one time limit. For use in a thread.

    Raises:
        EngineError: class RESOURCE, code `pattern_timeout`.
    """
    left = SECONDS

    def found(text: str) -> bool:
        nonlocal left
        stop.check()
        began = time.monotonic()
        match = pattern.search(text, timeout=max(left, 0.001), concurrent=True)
        left -= time.monotonic() - began
        if left <= 0:
            raise TimeoutError
        return match is not None

    try:
        yield found
    except TimeoutError:
        raise _too_slow(pattern.pattern) from None


def replace_all(pattern: regex.Pattern[str], text: str, replacement: str, count: int) -> tuple[str, int]:
    """The text with every match (or the first `count`) replaced by exactly this, and how many; for use in a thread.

    Raises:
        EngineError: class RESOURCE, code `pattern_timeout`.
    """
    template = replacement.replace("\\", "\\\\")
    try:
        return pattern.subn(template, text, count, timeout=SECONDS, concurrent=True)
    except TimeoutError:
        raise _too_slow(pattern.pattern) from None


def _bad(source: str, reason: str) -> EngineError:
    message = f"The pattern `{shorten(source)}` cannot be used: {reason}."
    remedy = "Correct it, or search for plain text."
    return EngineError(ErrorClass.INVALID_REQUEST, "bad_pattern", message, remedy=remedy)


def _too_slow(source: str) -> EngineError:
    message = f"The pattern `{shorten(source)}` searched for more than {SECONDS:g} s."
    return EngineError(ErrorClass.RESOURCE, "pattern_timeout", message, remedy="Use a simpler pattern.")
