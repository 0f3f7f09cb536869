"""SQLite's write-ahead log, read from outside: how many commits it holds.

Format: https://www.sqlite.org/fileformat2.html#walformat
"""

from __future__ import annotations

import struct
from pathlib import Path

_HEADER = struct.Struct(">8I")
_FRAME = struct.Struct(">6I")


def commits_in(log: Path) -> int:
    """Commits in a write-ahead log since it was last reset.

    The last frame of each commit holds the size of the database in pages, all others hold 0. Frames that were left
    from before a reset have other salts than the header, and end the log.
    """
    data = log.read_bytes() if log.exists() else b""
    if len(data) < _HEADER.size:
        return 0
    _, _, page_size, _, *salts, _, _ = _HEADER.unpack_from(data)
    commits = 0
    for start in range(_HEADER.size, len(data) - _FRAME.size - page_size + 1, _FRAME.size + page_size):
        _, pages_after_commit, *found, _, _ = _FRAME.unpack_from(data, start)
        if found != salts:
            break
        commits += pages_after_commit > 0
    return commits
