"""A disk that forgets: files and folders of which some changes are durable, and others only in the system's memory.

What it promises is what POSIX does, and no more than ext4, XFS and btrfs do:

- `fsync` and `fdatasync` of a file make durable what was written to it before, and its length; not its name.
- `fsync` of a folder makes durable the names in it; not what is in the files, and not its own name in its parent.
- Everything else may be on the disk or not when the power goes. Of the changes of one file any may be there, in any
  order, and a write may be there in part: each sector (of 512 or of 4,096 bytes) is the old one or the new one. The
  length may have grown without the bytes (they are zeros then). Of the changes of one folder a beginning is there, for
  these file systems keep the order of names; files and other folders know nothing of that order.
- A sector that is not written is never damaged (SQLite calls this `powersafe overwrite`), and what was synced stays.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass, field
from pathlib import Path

SECTORS = (512, 4096)
KINDS = ("none", "all", "beginning", "any", "torn")
"""Which of the changes of a file that are not durable are there after a cut."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a file that is not durable."""

    step: int
    """When it was made."""
    offset: int
    data: bytes | None
    """None: the file was given the length `offset`."""


@dataclass(slots=True)
class File:
    durable: bytearray = field(default_factory=bytearray)
    pending: list[Change] = field(default_factory=list)

    def latest(self) -> bytearray:
        """What every process reads while there is power."""
        content = bytearray(self.durable)
        for change in self.pending:
            _apply(content, change)
        return content


Names = dict[str, "int | None"]
"""Name -> node; None: the name is gone."""


@dataclass(slots=True)
class Folder:
    durable: dict[str, int] = field(default_factory=dict)
    now: dict[str, int] = field(default_factory=dict)
    """As every process sees it while there is power."""
    pending: list[tuple[int, Names]] = field(default_factory=list)
    """(step, names that were changed at once)."""


@dataclass
class Disk:
    """Nodes by number; 0 is the folder that holds everything else."""

    nodes: dict[int, File | Folder] = field(default_factory=lambda: {0: Folder()})

    def folder(self, number: int) -> Folder:
        node = self.nodes[number]
        assert isinstance(node, Folder)
        return node

    def file(self, number: int) -> File:
        node = self.nodes[number]
        assert isinstance(node, File)
        return node

    def find(self, path: str) -> int | None:
        """The node of a path below the top, as things are now; None where there is none."""
        number = 0
        for name in path.split("/") if path else []:
            node = self.nodes[number]
            if not isinstance(node, Folder) or name not in node.now:
                return None
            number = node.now[name]
        return number

    def name(self, step: int, folder: int, names: Names) -> None:
        """Change names of a folder, all at once."""
        here = self.folder(folder)
        here.pending.append((step, names))
        _rename(here.now, names)

    def make(self, step: int, folder: int, name: str, number: int, kind: type[File | Folder]) -> None:
        """A new file or folder, with a name."""
        self.nodes[number] = kind()
        self.name(step, folder, {name: number})

    def change(self, file: int, change: Change) -> None:
        self.file(file).pending.append(change)

    def sync(self, number: int, before: int) -> None:
        """Make durable what was done to a node before the step `before`."""
        node = self.nodes[number]
        if isinstance(node, File):
            for change in node.pending:
                if change.step < before:
                    _apply(node.durable, change)
            node.pending = [change for change in node.pending if change.step >= before]
        else:
            for step, names in node.pending:
                if step < before:
                    _rename(node.durable, names)
            node.pending = [(step, names) for step, names in node.pending if step >= before]

    def files(self) -> dict[str, bytes]:
        """Path -> content of every file as it is now, and of every folder (with `/` at its end) nothing."""
        found: dict[str, bytes] = {}
        waiting = [("", 0)]
        while waiting:
            prefix, number = waiting.pop()
            for name, below in self.folder(number).now.items():
                node = self.nodes[below]
                if isinstance(node, File):
                    found[prefix + name] = bytes(node.latest())
                else:
                    found[f"{prefix}{name}/"] = b""
                    waiting.append((f"{prefix}{name}/", below))
        return found


class Cut:
    """What one loss of power makes of a disk, from a seed; it can be written to a folder again and again.

    Attributes:
        lost: whether changes are missing.
        out_of_order: whether a change of a file is there and an earlier one is missing.
        torn: whether a write is there in part.
        names_lost: whether a change of names is missing.
    """

    def __init__(self, disk: Disk, seed: int) -> None:
        self.lost = self.out_of_order = self.torn = self.names_lost = False
        self._disk = disk
        self._dice = random.Random(seed)
        self._sector = self._dice.choices(SECTORS, [3, 1])[0]
        self._contents: dict[int, bytes] = {}
        """Of files that were written already: one may have two names."""

    def write(self, target: Path) -> None:
        """Write what is left to an empty folder."""
        self._write_folder(self._disk.folder(0), target)

    def _write_folder(self, folder: Folder, target: Path) -> None:
        names = dict(folder.durable)
        kept = self._dice.choice([0, len(folder.pending), self._dice.randint(0, len(folder.pending))])
        self.names_lost |= kept < len(folder.pending)
        for _, changed in folder.pending[:kept]:
            _rename(names, changed)
        for name, number in names.items():
            node = self._disk.nodes[number]
            if isinstance(node, Folder):
                (target / name).mkdir()
                self._write_folder(node, target / name)
            else:
                handle = os.open(target / name, os.O_WRONLY | os.O_CREAT, 0o600)
                try:
                    os.write(handle, self._content(number, node))
                finally:
                    os.close(handle)

    def _content(self, number: int, file: File) -> bytes:
        if number not in self._contents:
            self._contents[number] = self._left_of(file) if file.pending else bytes(file.durable)
        return self._contents[number]

    def _left_of(self, file: File) -> bytes:
        dice, count = self._dice, len(file.pending)
        kind = dice.choices(KINDS, [1, 1, 2, 3, 5])[0]
        content = bytearray(file.durable)
        end = {"none": 0, "beginning": dice.randrange(count)}.get(kind, count)
        share = dice.choice([0.2, 0.5, 0.8])
        missing = False
        for index, change in enumerate(file.pending):
            torn = (kind == "torn" and dice.random() < 0.5) or (kind == "beginning" and index == end)
            if torn and change.data is not None:
                missing |= self._tear(content, change.offset, change.data, share)
            elif index < end and (kind in ("all", "beginning") or dice.random() < share):
                self.out_of_order |= missing
                _apply(content, change)
            else:
                missing = True
        self.lost |= missing
        if dice.random() < 0.25:
            content.extend(bytes(max(len(file.latest()) - len(content), 0)))
        return bytes(content)

    def _tear(self, content: bytearray, offset: int, data: bytes, share: float) -> bool:
        """Write some sectors; whether one is missing."""
        start, kept, missing = 0, 0, 0
        while start < len(data):
            stop = start + self._sector - (offset + start) % self._sector
            if self._dice.random() < share:
                _apply(content, Change(0, offset + start, data[start:stop]))
                kept += 1
            else:
                missing += 1
            start = stop
        self.torn |= bool(kept and missing)
        return bool(missing)


def _apply(content: bytearray, change: Change) -> None:
    gap = change.offset - len(content)
    if gap > 0:
        content.extend(bytes(gap))
    if change.data is None:
        del content[change.offset :]
    else:
        content[change.offset : change.offset + len(change.data)] = change.data


def _rename(names: dict[str, int], changed: Names) -> None:
    for name, number in changed.items():
        if number is None:
            names.pop(name, None)
        else:
            names[name] = number
