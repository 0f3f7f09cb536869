"""A file that is being fetched: what is there of it, whose it is, and how it becomes whole. All calls block."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from engine.errors import EngineError, ErrorClass

_BLOCK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class PartFacts:
    """What is known of the whole file while only a part of it is there."""

    source: str
    """SHA-256 of the address: the part belongs to no other; the address itself may hold a key."""
    validator: str = ""
    """Strong ETag of the answer that the part came with; empty where there was none."""
    total: int = 0
    """Bytes of the whole file; 0 where the server did not say."""
    sha256: str = ""
    """Of the whole file; empty where nobody said."""


def _make_private(folder: Path) -> None:
    """Make a folder and those above it where they are missing, for nobody else.

    `mkdir(parents=True)` would make those above for all; the data folder may be among them.
    """
    for each in (*reversed(folder.parents), folder):
        if not each.exists():
            each.mkdir(mode=0o700, exist_ok=True)


class PartFile:
    """`.NAME.part` in the folder of models, with its facts beside it; locked against other pulls while it is open."""

    def __init__(self, path: Path, facts_path: Path, file: BinaryIO, facts: PartFacts) -> None:
        self._path = path
        self._facts_path = facts_path
        self._file = file
        self._hash = hashlib.sha256()
        self._hashed = 0
        self._gone = False
        self.facts = facts
        self.size = file.seek(0, os.SEEK_END)

    @classmethod
    def open(cls, folder: Path, name: str, url: str) -> PartFile:
        """Open what an earlier pull left of `url`, or begin; what came from another address is dropped.

        Raises:
            EngineError: the folder cannot be written to, or another pull of that name goes on.
        """
        path, facts_path = folder / f".{name}.part", folder / f".{name}.part.json"
        source = hashlib.sha256(url.encode()).hexdigest()
        with refused(folder):
            _make_private(folder)
            # never through a link that lies there
            file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600), "r+b")
        try:
            _lock(file, path, name)
            facts = _read_facts(facts_path)
            part = cls(path, facts_path, file, facts if facts.source == source else PartFacts(source))
            if facts.source != source:
                part.restart()
        except BaseException:
            file.close()
            raise
        return part

    def restart(self) -> None:
        """Drop what is there."""
        self._file.seek(0)
        self._file.truncate()
        self._hash, self._hashed, self.size = hashlib.sha256(), 0, 0

    def note(self, facts: PartFacts) -> None:
        """Keep the facts for a later pull, before the first byte that they speak of."""
        self.facts = facts
        with refused(self._path.parent):
            self._facts_path.write_text(json.dumps(asdict(facts)), encoding="utf-8")

    def append(self, data: bytes) -> None:
        """Add bytes at the end.

        Raises:
            EngineError: RESOURCE where the disk is full.
        """
        with refused(self._path.parent):
            self._file.seek(self.size)
            self._file.write(data)
            self._file.flush()
        self.size += len(data)

    def head(self, length: int) -> bytes:
        """The first bytes of what is there."""
        self._file.seek(0)
        return self._file.read(length)

    def hash_more(self) -> bool:
        """Hash the next 64 MB that are there; whether more is left. In steps, so that a pull can be cancelled."""
        self._file.seek(self._hashed)
        for _ in range(64):
            block = self._file.read(_BLOCK)
            self._hash.update(block)
            self._hashed += len(block)
            if not block:
                return False
        return True

    @property
    def hashed(self) -> int:
        """Bytes that were hashed."""
        return self._hashed

    def sha256(self) -> str:
        """Of what was hashed, 64 hexadecimal digits."""
        return self._hash.hexdigest()

    @property
    def path(self) -> Path:
        return self._path

    def become(self, final: Path) -> None:
        """Be the whole file from now on: under its name, on disk."""
        with refused(final.parent):
            os.fsync(self._file.fileno())
            self._path.replace(final)
            self._gone = True
            self._facts_path.unlink(missing_ok=True)
            folder = os.open(final.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def discard(self) -> None:
        """Remove it: what is there is of no use."""
        self._gone = True
        self._path.unlink(missing_ok=True)
        self._facts_path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of it; what is there stays for a later pull."""
        if self.size == 0 and not self._gone:
            with contextlib.suppress(OSError):
                self.discard()
        self._file.close()


@contextlib.contextmanager
def refused(folder: Path) -> Iterator[None]:
    """What the system says against writing into the folder of models, with a remedy."""
    try:
        yield
    except OSError as exc:
        if exc.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise disk_full(folder) from exc
        raise EngineError(
            ErrorClass.RESOURCE,
            "models_folder_refused",
            f"The folder of models {folder} cannot be written to: {exc.strerror or exc}.",
            remedy="Make it writable, or name another one in `embedded.models_dir`.",
        ) from exc


def disk_full(folder: Path, needed: str = "") -> EngineError:
    """There is no room for a model."""
    return EngineError(
        ErrorClass.RESOURCE,
        "disk_full",
        f"There is not enough free space at {folder}{needed}.",
        remedy="Free some, or name a folder on another disk in `embedded.models_dir`; what was fetched so far is kept.",
    )


def _lock(file: BinaryIO, path: Path, name: str) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # another pull may have finished between our opening and our lock: then this is its model, not a part
        ours = os.fstat(file.fileno()).st_ino == path.stat().st_ino
    except OSError:
        ours = False
    if not ours:
        raise EngineError(
            ErrorClass.RESOURCE,
            "pull_under_way",
            f"{name} is being fetched already.",
            remedy="Wait for that pull, or cancel it.",
        )


def _read_facts(path: Path) -> PartFacts:
    try:
        data = json.loads(path.read_bytes()[:10_000])
        facts = PartFacts(**data)
    except (OSError, ValueError, TypeError, RecursionError):
        return PartFacts("")
    texts = all(isinstance(value, str) for value in (facts.source, facts.validator, facts.sha256))
    return facts if texts and type(facts.total) is int and facts.total >= 0 else PartFacts("")
