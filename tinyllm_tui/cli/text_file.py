"""Reading a bounded text file, or stdin, as lines."""

from __future__ import annotations

import os
import sys
from pathlib import Path

MAX_BYTES = 16 * 2**20


def read_text_lines(file: Path, remedy: str) -> list[str]:
    """The lines of a file of UTF-8 text (`-`: stdin), without their ends.

    Args:
        file: its name.
        remedy: what a person can do where it cannot be read.

    Raises:
        ConfigurationError: it cannot be read, is too large, or is no text.
    """
    from engine.errors import ConfigurationError

    try:
        if str(file) == "-":
            data = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
            try:
                data = _read(descriptor)
            finally:
                os.close(descriptor)
        if len(data) > MAX_BYTES:
            raise ConfigurationError(
                "file_too_large", f"{file} is larger than {MAX_BYTES // 2**20} MB.", remedy="Split it."
            )
        return data.decode("utf-8-sig").split("\n")  # other line ends of Unicode may stand in a text
    except OSError as error:
        raise ConfigurationError(
            "file_unreadable", f"{file} cannot be read: {error.strerror}.", remedy=remedy
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError("file_unreadable", f"{file} is no UTF-8 text.", remedy=remedy) from error


def _read(descriptor: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while size <= MAX_BYTES and (piece := os.read(descriptor, 1 << 20)):
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces)
