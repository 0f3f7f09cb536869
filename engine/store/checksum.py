"""Checksum of an event row: finds a damaged row whenever it is read; it is no protection against intent."""

from __future__ import annotations

import zlib

from engine import events

_WHOLE = 1 << 32
"""Added to sums that cover the whole row. Rows of schema 1 have sums without times and version, as they were made."""


def checksum(gseq: int, tx: str | None, seq: int, t_ms: int, wall_ms: int, kind: str, v: int, body: str) -> int:
    """2^32 plus the CRC-32 of all other columns of an event row."""
    row = f"{gseq}|{tx or ''}|{seq}|{t_ms}|{wall_ms}|{kind}|{v}|{body}"
    return _WHOLE | zlib.crc32(row.encode(errors="surrogatepass"))


def intact(
    gseq: int, tx: str | None, seq: int, t_ms: int, wall_ms: int, kind: str, v: int, body: str, crc: int
) -> bool:
    """Whether an event row, with its checksum, is as it was written."""
    if isinstance(crc, int) and crc < _WHOLE:
        return crc == events.checksum(gseq, tx, seq, kind, body)
    return crc == checksum(gseq, tx, seq, t_ms, wall_ms, kind, v, body)
