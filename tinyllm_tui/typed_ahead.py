"""What is typed before the first paint is read as it was typed."""

from __future__ import annotations

import termios
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

_INPUT, _LOCAL = 0, 3
"""Places of the flags in what `tcgetattr` gives."""


@contextmanager
def typed_ahead(stream: TextIO) -> Iterator[None]:
    """Let a terminal keep Enter as it is, and echo nothing; afterwards it is as it was. Others than terminals stay.

    Until Textual sets these modes itself, a terminal turns Enter into a line feed, which would stand in the prompt as a
    new line, and writes what is typed onto the person's own screen.
    """
    try:
        before = termios.tcgetattr(stream)
    except (OSError, ValueError, termios.error):
        yield  # no terminal
        return
    flags = list(before)
    flags[_INPUT] &= ~termios.ICRNL
    flags[_LOCAL] &= ~termios.ECHO
    termios.tcsetattr(stream, termios.TCSANOW, flags)
    try:
        yield
    finally:
        termios.tcsetattr(stream, termios.TCSANOW, before)
