"""What processes write and sync below a folder, and what they tell: recorded with strace, read as steps for a disk."""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.faults.power_disk import Change, Disk, File, Folder, Names

WRITES = ("write", "writev", "pwrite64", "ftruncate", "truncate")
SYNCS = ("fsync", "fdatasync")
NAMES = ("unlink", "unlinkat", "rename", "renameat", "renameat2", "link", "linkat", "mkdir", "mkdirat", "rmdir")
OPENS = ("open", "openat", "creat")
OTHERS = ("pwritev", "pwritev2", "sendfile", "copy_file_range", "sync_file_range", "fallocate")
"""Calls that are looked for and not understood: nothing that is tested here makes them."""
CALLS = WRITES + SYNCS + NAMES + OPENS + OTHERS
NOT_KEPT = "-shm"
"""Ending of files that are shared memory: they do not survive, and SQLite makes them anew."""

_ALL = 10**9
"""Result of a write that was interrupted: all of it, if anything."""
_KILLED = "= ?"
"""How a call ends that a kill interrupted, unless it does not end at all."""
_LINE = re.compile(r"(\d+) +(.*)")
_RESUMED = re.compile(r"<\.\.\. \w+ resumed>(.*)")
_CALL = re.compile(r"(\w+)\((.*)\) += (-?\d+)")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_HANDLE = re.compile(r"(\d+|AT_FDCWD)<((?:\\x[0-9a-f]{2})*)>")


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened."""

    do: Callable[[Disk], None] | None = None
    """What it does to a disk."""
    told: dict[str, Any] | None = None
    """What was told to a person."""
    sync: bool = False
    first: bool = False
    """Whether a process begins with it."""


class Unfaithful(Exception):
    """The recording is not what the processes did."""


class Recording:
    """Steps of one process after the other.

    Args:
        top: the folder that is followed; its parents do not count.
        told: the file to which processes write what they tell, as lines of JSON.
    """

    def __init__(self, top: Path, told: Path) -> None:
        self.steps: list[Step] = []
        self.disk = Disk()
        """After all of them."""
        self._top = str(top)
        self._told = str(told)
        self._numbers = itertools.count(1)
        self._open: dict[int, tuple[int, int]] = {}
        """File descriptor -> (node, position)."""
        self._given_up: list[Callable[[], None]] = []
        """Changes of which nobody knows whether they were made, for the process was killed meanwhile."""

    def has(self) -> None:
        """Take what is in the folder as it is; it is durable."""
        for path in sorted(Path(self._top).rglob("*")):
            assert path.is_dir()
            self._make(str(path), Folder)
        for number in self.disk.nodes:
            self._step(partial(Disk.sync, number=number, before=len(self.steps)))

    def read(self, trace: Path) -> None:
        """Add what one process did.

        Raises:
            Unfaithful: what is on the disk now is something else.
        """
        self._open.clear()
        self._given_up.clear()
        self.steps.append(Step(first=True))
        begun: dict[str, tuple[str, int]] = {}
        with trace.open() as lines:
            for line in lines:
                match = _LINE.match(line)
                if match is None:
                    continue
                thread, text = match.groups()
                if text.endswith("<unfinished ...>"):
                    text = text.removesuffix("<unfinished ...>")
                    begun[thread] = (text, len(self.steps))
                    self._told_by(text)
                elif (rest := _RESUMED.match(text)) is not None:
                    if thread in begun:
                        text, at = begun.pop(thread)
                        self._call(text + rest[1], at, told=True)
                elif text.endswith(_KILLED):
                    self._told_by(text)
                    self._give_up(text.removesuffix(_KILLED).rstrip().removesuffix(")"), len(self.steps))
                else:
                    self._call(text, len(self.steps), told=False)
        for text, at in begun.values():
            self._give_up(text, at)
        self._check()

    def _give_up(self, text: str, at: int) -> None:
        """A call during which the process was killed: it may have been made."""
        if not text.startswith(SYNCS):
            self._given_up.append(partial(self._call, f"{text}) = {_ALL}", at, told=True))

    def _check(self) -> None:
        """Compare with what is there, with any of the calls of which nobody knows."""
        there, before = _files_in(Path(self._top)), len(self.steps)
        for count in range(len(self._given_up) + 1):
            for calls in itertools.combinations(self._given_up, count):
                for call in calls:
                    call()
                if self.disk.files() == there:
                    return
                if calls:
                    self._go_back(before)
        mine = self.disk.files()
        differ = sorted(name for name in mine.keys() | there.keys() if mine.get(name) != there.get(name))
        raise Unfaithful(f"{differ} are not as recorded, whichever of {len(self._given_up)} calls had been made")

    def _go_back(self, steps: int) -> None:
        del self.steps[steps:]
        self.disk = Disk()
        for step in self.steps:
            if step.do is not None:
                step.do(self.disk)

    # -- calls -------------------------------------------------------------------------------------------------------

    def _told_by(self, text: str) -> None:
        if text.startswith("writev(") and (handle := _HANDLE.search(text)) and _plain(handle[2]) == self._told:
            said = b"".join(_bytes(part) for part in _TEXT.findall(text))
            for line in said.splitlines():
                self.steps.append(Step(told=json.loads(line)))

    def _call(self, text: str, at: int, *, told: bool) -> None:
        """One call that came to its end; it had begun when there were `at` steps."""
        match = _CALL.match(text)
        if match is None or int(match[3]) < 0:
            return
        name, arguments, result = match[1], match[2], int(match[3])
        if not told:
            self._told_by(text)
        if name in OPENS:
            self._opened(name, arguments, result)
        elif name in SYNCS:
            if (node := self._node(arguments)) is not None:
                self._step(partial(Disk.sync, number=node, before=at), sync=True)
        elif name in WRITES:
            self._written(name, arguments, result)
        elif name in NAMES:
            self._named(name, _paths(arguments))
        elif self._top in "".join(_plain(path) for _, path in _HANDLE.findall(arguments)):
            raise Unfaithful(f"{name} is not understood")

    def _opened(self, name: str, arguments: str, handle: int) -> None:
        (path,) = _paths(arguments)
        if not self._inside(path) or path.endswith(NOT_KEPT):
            return
        node = self.disk.find(self._below(path))
        if node is None:
            if "O_CREAT" not in arguments and name != "creat":
                raise Unfaithful(f"{path} was opened, and is not there")
            node = self._make(path, File)
        elif "O_TRUNC" in arguments or name == "creat":
            self._change(node, 0, None)
        self._open[handle] = (node, 0)

    def _written(self, name: str, arguments: str, result: int) -> None:
        if name == "truncate":
            (path,) = _paths(arguments)
            if self._inside(path) and (found := self.disk.find(self._below(path))) is not None:
                self._change(found, int(arguments.rpartition(",")[2]), None)
            return
        node = self._node(arguments)
        if node is None:
            return
        data = b"".join(_bytes(part) for part in _TEXT.findall(arguments))[:result]
        last = arguments.rpartition(",")[2]
        if name == "ftruncate":
            self._change(node, int(last), None)
        elif name == "pwrite64":
            self._change(node, int(last), data)
        else:
            handle = int(arguments.partition("<")[0])
            position = self._open[handle][1]
            self._change(node, position, data)
            self._open[handle] = (node, position + len(data))

    def _named(self, name: str, paths: list[str]) -> None:
        if not any(self._inside(path) for path in paths):
            return
        if name.startswith("mkdir"):
            self._make(paths[0], Folder)
        elif name.startswith(("unlink", "rmdir")):
            self._names(paths[0], {_name(paths[0]): None})
        else:
            source, target = paths
            node = self.disk.find(self._below(source))
            if name.startswith("link"):
                self._names(target, {_name(target): node})
            elif Path(source).parent == Path(target).parent:
                self._names(target, {_name(source): None, _name(target): node})
            else:
                raise Unfaithful(f"{name} between folders is not understood")

    # -- steps -------------------------------------------------------------------------------------------------------

    def _step(self, do: Callable[[Disk], None], *, sync: bool = False) -> None:
        do(self.disk)
        self.steps.append(Step(do, sync=sync))

    def _make(self, path: str, kind: type[File | Folder]) -> int:
        """A new file or folder."""
        folder, number = self._folder_of(path), next(self._numbers)
        self._step(partial(Disk.make, step=len(self.steps), folder=folder, name=_name(path), number=number, kind=kind))
        return number

    def _names(self, path: str, names: Names) -> None:
        if not path.endswith(NOT_KEPT):
            self._step(partial(Disk.name, step=len(self.steps), folder=self._folder_of(path), names=names))

    def _change(self, node: int, offset: int, data: bytes | None) -> None:
        self._step(partial(Disk.change, file=node, change=Change(len(self.steps), offset, data)))

    def _node(self, arguments: str) -> int | None:
        """The node of a call's file descriptor; None where it is none of ours."""
        match = _HANDLE.match(arguments)
        if match is None or not self._inside(_plain(match[2])) or _plain(match[2]).endswith(NOT_KEPT):
            return None
        return self._open[int(match[1])][0]

    def _folder_of(self, path: str) -> int:
        found = self.disk.find(self._below(str(Path(path).parent)))
        if found is None:
            raise Unfaithful(f"the folder of {path} is not there")
        return found

    def _inside(self, path: str) -> bool:
        return path == self._top or path.startswith(self._top + "/")

    def _below(self, path: str) -> str:
        return path[len(self._top) + 1 :]


def _paths(arguments: str) -> list[str]:
    """The paths that a call names, with the folders that it gives for them."""
    parts = re.findall(rf"(?:{_HANDLE.pattern}, )?{_TEXT.pattern}", arguments)
    return [str(Path(_plain(folder), _plain(path))) for _, folder, path in parts]


def _name(path: str) -> str:
    return Path(path).name


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


def _plain(text: str) -> str:
    return os.fsdecode(_bytes(text))


def _files_in(top: Path) -> dict[str, bytes]:
    """Like `Disk.files`, of a real folder."""
    found = {}
    for path in top.rglob("*"):
        if not path.name.endswith(NOT_KEPT):
            name = str(path.relative_to(top))
            found[f"{name}/" if path.is_dir() else name] = b"" if path.is_dir() else path.read_bytes()
    return found
