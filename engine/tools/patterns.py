"""Regular expressions of strangers: interrupted when they search too long.

The `regex` package has a time limit for searching and gives up the interpreter lock meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import regex

from engine.errors import EngineError, ErrorClass
from engine.graph.patterns import MAX_PATTERN as MAX_PATTERN
from engine.graph.patterns import compile_pattern as compile_pattern
from engine.graph.problems import shorten
from engine.tools.threads import Stop

SECONDS = 2.0
"""Time for all searching of one call."""


def compile_literal(text: str, *, ignore_case: bool = False) -> regex.Pattern[str]:
    """The pattern that finds exactly this text."""
    return regex.compile(regex.escape(text), regex.IGNORECASE if ignore_case else 0, cache_pattern=False)


def matches(pattern: regex.Pattern[str], text: str, stop: Stop, seconds: float = SECONDS) -> Iterator[regex.Match[str]]:
    """All matches, from the left, found within so many seconds; for use in a thread.

    Raises:
        EngineError: class RESOURCE, code `pattern_timeout`.
    """
    deadline = time.monotonic() + seconds
    try:
        for match in pattern.finditer(text, timeout=seconds, concurrent=True):
            stop.check()
            yield match
            if time.monotonic() > deadline:
                break
        else:
            return
    except TimeoutError:
        pass
    raise _too_slow(pattern.pattern, seconds)


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


def _too_slow(source: str, seconds: float = SECONDS) -> EngineError:
    message = f"The pattern `{shorten(source)}` searched for more than {seconds:g} s."
    return EngineError(ErrorClass.RESOURCE, "pattern_timeout", message, remedy="Use a simpler pattern.")
