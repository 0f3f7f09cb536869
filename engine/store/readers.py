"""Who is reading a database at this moment, as far as the system tells."""

from __future__ import annotations

import os
from pathlib import Path

_LOCKS = Path("/proc/locks")
_READ_SLOTS = (123, 127)
"""First and last byte of the `-shm` file that readers of a write-ahead log lock
(https://www.sqlite.org/walformat.html#locks, the WAL_READ_LOCK bytes; UNIX_SHM_BASE is 120)."""


def readers(path: Path) -> frozenset[int] | None:
    """Ids of other processes that hold a read snapshot of the database; None where the system does not tell.

    A snapshot that lasts keeps the write-ahead log from being reset, so that it grows without bound.
    """
    index = path.with_name(path.name + "-shm")
    try:
        inode = index.stat().st_ino
    except FileNotFoundError:
        return frozenset()  # nobody has it open
    except OSError:
        return None
    try:
        lines = _LOCKS.read_text("ascii", "replace").splitlines()
    except OSError:
        return None
    return frozenset(_holders(lines, inode)) - {os.getpid()}


def _holders(lines: list[str], inode: int) -> list[int]:
    """Processes with a lock on one of the read slots; a line is `1: POSIX ADVISORY READ 42 08:01:7 123 127`."""
    found = []
    for line in lines:
        parts = line.split()
        if len(parts) != 8 or parts[1] != "POSIX" or not parts[5].endswith(f":{inode}"):
            continue
        pid, first, last = parts[4], parts[6], parts[7]
        if not (pid.isdecimal() and first.isdecimal() and (last.isdecimal() or last == "EOF")):
            continue
        end = int(last) if last.isdecimal() else _READ_SLOTS[1]
        if int(first) <= _READ_SLOTS[1] and end >= _READ_SLOTS[0]:
            found.append(int(pid))
    return found
