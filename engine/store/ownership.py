"""Who owns a database: one process writes, every other one reads and can say whose it is.

An advisory lock (`flock`) on a file beside the database; the kernel releases it when its process ends, however it ends.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class Ownership:
    """The lock on one data folder; held until `release`."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "owner.lock"
        self._fd: int | None = None

    def acquire(self) -> bool:
        """Try to become the owner; False when another process is.

        Raises:
            OSError: the lock file cannot be opened.
        """
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        self._fd = fd  # first of all: what fails from here on, such as on a full disk, is released again
        os.truncate(fd, 0)
        os.write(fd, f"{os.getpid()}\n".encode())
        return True

    @property
    def held(self) -> bool:
        """Whether this process is the owner through this object."""
        return self._fd is not None

    def owner(self) -> str:
        """`process N` for the process that holds the lock, as it wrote itself down."""
        try:
            pid = self._path.read_text("ascii", "replace").strip()
        except OSError:
            pid = ""
        return f"process {pid}" if pid.isdigit() else "another process"

    def release(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
