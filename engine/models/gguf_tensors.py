"""Where the tensors of a GGUF file end: a file that is shorter was cut off.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md; block sizes: `type_traits` in ggml/src/ggml.c.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from math import prod
from pathlib import Path

HEADER_LIMIT = 64 * 1024 * 1024
"""Bytes of a file in which its header must end to be looked at; the largest vocabularies take about 15 MB."""
_ALIGNMENT = 32
_MAX_DIMENSIONS = 8
_STRING, _ARRAY, _UINT32 = 8, 9, 4
_WIDTHS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Kind of a value -> bytes."""
_BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 36),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292), 16: (256, 66),
    17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82), 23: (256, 136),
    24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2), 34: (256, 54),
    35: (256, 66), 39: (32, 17),
}  # fmt: skip
"""Type of a tensor -> (elements of a block, bytes of a block)."""


class _UntoldError(ValueError):
    """The header has something that is not known here."""


@lru_cache(maxsize=256)
def whole_size(path: Path, size: int, changed_ns: int) -> int | None:  # noqa: ARG001 - the cache reads it
    """Bytes that a GGUF file must at least have. Blocking; reads at most `HEADER_LIMIT`.

    Args:
        path: of the file.
        size: bytes that it has.
        changed_ns: when it was changed last; for the cache alone.

    Returns:
        None where the header does not tell, or is too long; more than `size` where the file ends within its header.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        data = file.read(min(size, HEADER_LIMIT))
    try:
        return _end_of_tensors(data)
    except _UntoldError:
        return None
    except (struct.error, OverflowError):  # it goes on beyond what was read
        return size + 1 if size <= HEADER_LIMIT else None


def _end_of_tensors(data: bytes) -> int:
    version, tensors, pairs = struct.unpack_from("<IQQ", data, 4)
    if version not in {2, 3} or not tensors:
        raise _UntoldError
    offset, alignment = 24, _ALIGNMENT
    for _ in range(pairs):
        name, offset = _name(data, offset)
        (kind,) = struct.unpack_from("<I", data, offset)
        if name == b"general.alignment" and kind == _UINT32:
            (alignment,) = struct.unpack_from("<I", data, offset + 4)
        offset = _after_value(data, offset + 4, kind)
    end = 0
    for _ in range(tensors):
        relative, length, offset = _tensor(data, offset)
        end = max(end, relative + length)
    if not alignment:
        raise _UntoldError
    return -(-offset // alignment) * alignment + end


def _tensor(data: bytes, offset: int) -> tuple[int, int, int]:
    """(where its data begin after the header, how many bytes they have, where the next one is told)."""
    _, offset = _name(data, offset)
    (dimensions,) = struct.unpack_from("<I", data, offset)
    if dimensions > _MAX_DIMENSIONS:
        raise _UntoldError
    *shape, kind, relative = struct.unpack_from(f"<{dimensions}QIQ", data, offset + 4)
    if kind not in _BLOCKS:
        raise _UntoldError
    elements, width = _BLOCKS[kind]
    return relative, -(-prod(shape) // elements) * width, offset + 4 + dimensions * 8 + 12


def _name(data: bytes, offset: int) -> tuple[bytes, int]:
    (length,) = struct.unpack_from("<Q", data, offset)
    return data[offset + 8 : offset + 8 + min(length, 100)], offset + 8 + length


def _after_value(data: bytes, offset: int, kind: int) -> int:
    if kind in _WIDTHS:
        return offset + _WIDTHS[kind]
    count = 1
    if kind == _ARRAY:
        kind, count = struct.unpack_from("<IQ", data, offset)
        offset += 12
        if kind in _WIDTHS:
            return offset + int(count) * _WIDTHS[kind]
    if kind != _STRING:  # arrays of arrays are in no model
        raise _UntoldError
    length_at = struct.Struct("<Q").unpack_from
    for _ in range(count):  # ends at the latest where the data do
        offset += 8 + length_at(data, offset)[0]
    return offset
