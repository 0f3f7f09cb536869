"""Private files beside the database, names for them that are free, and moving a database aside."""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
import time
from collections.abc import Iterable
from pathlib import Path

FILE_NAME = "tinyllm.db"
"""Of the database, in the data folder."""


def make_private(path: Path, *, empty: bool = False) -> None:
    """Make a file that only its owner can read or write; create it where it is missing.

    SQLite gives the other files of a database the permissions of this one.

    Args:
        path: the file.
        empty: throw away what is in it.

    Raises:
        OSError: it cannot be made.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | (os.O_TRUNC if empty else 0), 0o600)
    try:
        if stat.S_IMODE(os.fstat(fd).st_mode) != 0o600:
            os.fchmod(fd, 0o600)
    finally:
        os.close(fd)


PARTS = ("", "-wal", "-shm")
"""Endings of the files that make up a database."""


def move_aside(path: Path, what: str) -> Path:
    """Rename a database with all its files; nothing is deleted.

    Args:
        path: the database's file; it may be missing while its other files are there.
        what: `damaged`, `empty` or `before-restore`, for the name.

    Raises:
        OSError: it cannot be renamed.
    """
    aside = aside_name(path, what)
    for ending in PARTS:
        part = path.with_name(path.name + ending)
        if part.exists():
            part.rename(aside.with_name(aside.name + ending))
    return aside


def aside_name(path: Path, what: str) -> Path:
    """A free name beside a database, for one that is to be kept."""
    return unused(path.with_name(f"{path.name}.{what}-{time.strftime('%Y%m%d-%H%M%S')}"))


def unused(path: Path) -> Path:
    """`path`, or the first of `path-2`, `path-3` ... that does not exist."""
    if not path.exists():
        return path
    numbered = (path.with_name(f"{path.name}-{ordinal}") for ordinal in itertools.count(2))
    return next(each for each in numbered if not each.exists())


def force_to_disk(path: Path) -> None:
    """Wait until the contents of a file or a folder are on the disk.

    Raises:
        OSError: the disk does not take them.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def force_names_to_disk(paths: Iterable[Path]) -> None:
    """Wait until the names of files or folders are on the disk, as far as the folders that hold them can be opened.

    Raises:
        OSError: the disk does not take them.
    """
    for path in paths:
        with contextlib.suppress(PermissionError):  # a folder that may be entered, and not be listed
            force_to_disk(path.absolute().parent)
