"""A file of embeddings that were made before, so that another start does not make them again.

One line for each: a hash of the model's digest, the hash of the text as the model was given it, a CRC-32 of the line,
and the vector. Lines are only appended; one that is damaged or torn counts as none, and its embedding is made anew.
"""

from __future__ import annotations

import contextlib
import math
import os
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from engine.routing.shipped_vectors import pack, text_key, unpack

FILE_NAME = "embeddings.txt"
"""In the data folder."""
MAX_BYTES = 32_000_000
"""Of the file; beyond it the older half goes. That is some 10,000 vectors of the bundled model."""
_CREATED = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC


class VectorFile:
    """Embeddings on the disk. Every method blocks; several processes may use the same file.

    What cannot be read or written is no failure: the file only saves time.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, digest: str) -> dict[str, tuple[float, ...]]:
        """Hash of a text -> its embedding by the model with this digest."""
        wanted = text_key(digest).encode()
        found = {}
        for line in self._lines():
            if line.startswith(wanted):
                with contextlib.suppress(ValueError):
                    key, vector = _entry(line)
                    found[key] = vector
        return found

    def add(self, digest: str, vectors: Mapping[str, Sequence[float]]) -> None:
        """Append embeddings by the model with this digest; those that are no finite 32 bit floats are left out."""
        model = text_key(digest)
        lines = [line for key, vector in vectors.items() if (line := _line(model, key, vector))]
        if not lines:
            return
        with contextlib.suppress(OSError):
            with os.fdopen(os.open(self._path, _CREATED, 0o600), "ab") as file:
                file.write(b"".join([b"\n", *lines]))  # what another process left torn stays a line of its own
                size = file.tell()
            if size > MAX_BYTES:
                self._forget_older()

    def _lines(self) -> Iterator[bytes]:
        """The latest lines, at most `MAX_BYTES`."""
        with contextlib.suppress(OSError), self._path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - MAX_BYTES))
            yield from file.read(MAX_BYTES).split(b"\n")

    def _forget_older(self) -> None:
        kept: list[bytes] = []
        size = 0
        for line in reversed(list(self._lines())):
            size += len(line) + 1
            if size > MAX_BYTES // 2:
                break
            kept.append(line + b"\n")
        fresh = self._path.with_suffix(f".{os.getpid()}.new")
        with os.fdopen(os.open(fresh, _CREATED | os.O_TRUNC, 0o600), "wb") as file:
            file.writelines(reversed(kept))
        fresh.replace(self._path)


def _line(model: str, key: str, vector: Sequence[float]) -> bytes:
    """Empty where the vector cannot be kept."""
    try:
        packed = pack(vector, "f") if all(map(math.isfinite, vector)) else ""
    except (OverflowError, struct.error):
        packed = ""
    return f"{model} {key} {_sum(model, key, packed)} {packed}\n".encode() if packed else b""


def _entry(line: bytes) -> tuple[str, tuple[float, ...]]:
    """(hash of the text, its embedding).

    Raises:
        ValueError: the line is damaged.
    """
    model, key, told, packed = line.decode("ascii").split(" ")
    if told != _sum(model, key, packed):
        raise ValueError("The sum does not fit.")
    return key, unpack(packed, "f")


def _sum(model: str, key: str, packed: str) -> str:
    return f"{zlib.crc32(f'{model} {key} {packed}'.encode()):08x}"
