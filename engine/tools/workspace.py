"""Workspace: the folder that file tools are bound to, and the only way in which they touch the file system.

Paths are walked one name at a time from an open folder (`openat` with O_NOFOLLOW), so neither `..` nor an absolute path
nor a symbolic link leads out, not even one that is put in place meanwhile. Links are never followed, also not inside.
All methods block; tools call them in a thread.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from engine.errors import ConfigurationError, EngineError, ErrorClass
from engine.graph.problems import shorten

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class WorkspaceLimits:
    max_file_bytes: int = 10_000_000
    """Size of a file that is read, written, moved or deleted."""
    max_entries: int = 20_000
    """Entries that a listing or a search looks at."""
    max_depth: int = 32
    """Folders within folders."""


@dataclass(frozen=True, slots=True)
class FileState:
    """What a regular file is; plain JSON by `asdict`."""

    digest: str
    """SHA-256 of its bytes, in hexadecimal."""
    size: int
    mode: int
    """Permission bits."""
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a folder."""

    path: str
    kind: str
    """file, folder, link or other."""
    size: int


class Workspace:
    """A folder, named by its real path.

    Raises:
        ConfigurationError: code `no_workspace`: there is no such folder.
    """

    def __init__(self, root: Path | str, limits: WorkspaceLimits | None = None) -> None:
        try:
            self.root = Path(root).expanduser().resolve(strict=True)
            status = self.root.stat()
        except (OSError, ValueError, RuntimeError) as exc:
            raise _no_workspace(str(root)) from exc
        if not stat.S_ISDIR(status.st_mode):
            raise _no_workspace(str(root))
        self._identity = (status.st_dev, status.st_ino)
        self.limits = limits or WorkspaceLimits()

    def normal(self, path: str) -> str:
        """A path as it is recorded: relative to the root, `/` between names, `.` for the root itself.

        Raises:
            EngineError: class TOOL_REFUSED, code `outside_workspace`.
        """
        return "/".join(self._names(path)) or "."

    def _names(self, path: str) -> list[str]:
        names = [name for name in path.split("/") if name not in ("", ".")]
        if path.startswith(("/", "~")) or ".." in names:
            raise _refused(
                "outside_workspace", f"{shorten(path)} leads out of the workspace.", "Give a path inside it."
            )
        too_long = len(names) > self.limits.max_depth or any(
            len(name.encode("utf-8", "replace")) > 255 for name in names
        )
        if too_long or any(ord(character) < 32 or 0xD800 <= ord(character) < 0xE000 for character in path):
            raise _invalid("not_a_path", f"{shorten(path)} is no usable path.", "Give a shorter, plain path.")
        return names

    @contextmanager
    def folder(self, names: list[str], *, create: bool = False) -> Iterator[int]:
        """A descriptor of a folder, reached without following any link; `create` makes what is missing."""
        try:
            here = os.open(self.root, _FOLDER)
        except OSError as exc:
            raise _no_workspace(str(self.root)) from exc
        try:
            status = os.fstat(here)
            if (status.st_dev, status.st_ino) != self._identity:
                raise _refused("workspace_changed", "The workspace is another folder now.", "Start the program again.")
            for index, name in enumerate(names):
                below = _open_folder(here, name, "/".join(names[: index + 1]), create)
                os.close(here)
                here = below
            yield here
        finally:
            os.close(here)

    @contextmanager
    def _place(self, path: str, *, create: bool = False) -> Iterator[tuple[int, str]]:
        """(descriptor of its folder, its name) of a file."""
        names = self._names(path)
        if not names:
            raise _invalid("not_a_file", "The workspace itself is no file.", "Give the path of a file.")
        with self.folder(names[:-1], create=create) as here:
            yield here, names[-1]

    def read(self, path: str) -> tuple[bytes, FileState]:
        """The bytes of a regular file.

        Raises:
            EngineError: NOT_FOUND, INVALID_REQUEST (no regular file), RESOURCE (larger than the limit), TOOL_REFUSED.
        """
        with self._place(path) as (here, name):
            return _read(here, name, path, self.limits.max_file_bytes)

    def state(self, path: str) -> FileState | None:
        """What a file is; None where there is nothing. Raises like `read`."""
        try:
            return self.read(path)[1]
        except EngineError as exc:
            if exc.error_class is ErrorClass.NOT_FOUND:
                return None
            raise

    def write(
        self,
        path: str,
        content: bytes,
        *,
        temporary: str,
        before_change: Callable[[], None],
        mode: int | None = None,
        mtime_ns: int | None = None,
        new: bool = False,
    ) -> None:
        """Put a file in place at once, whole and flushed; there is never a part of it.

        Args:
            temporary: name for the file until it is whole, in the same folder.
            before_change: called when the next step changes the file; may raise.
            mode: permission bits; default: as for any new file.
            mtime_ns: time of modification, Unix time in nanoseconds; default: now.
            new: fail where a file is there already.
        """
        if len(content) > self.limits.max_file_bytes:
            raise _too_large(path, self.limits.max_file_bytes)
        with self._place(path, create=True) as (here, name):
            _forget(here, temporary)
            try:
                _write_temporary(here, temporary, content, mode, mtime_ns)
                before_change()
                if new:
                    os.link(temporary, name, src_dir_fd=here, dst_dir_fd=here, follow_symlinks=False)
                else:
                    os.rename(temporary, name, src_dir_fd=here, dst_dir_fd=here)
            except FileExistsError as exc:
                raise _refused("file_exists", f"{shorten(path)} is there already.", "Choose another name.") from exc
            except OSError as exc:
                raise _system(path, exc) from exc
            finally:
                _forget(here, temporary)
            os.fsync(here)

    def amend(self, path: str, state: FileState) -> None:
        """Give a file its permission bits and time, without touching its bytes."""
        with self._place(path) as (here, name):
            handle = _open_file(here, name, path)
            try:
                os.fchmod(handle, state.mode)
                os.utime(handle, ns=(state.mtime_ns, state.mtime_ns))
                os.fsync(handle)
            finally:
                os.close(handle)

    def remove(self, path: str) -> None:
        """Remove a file; nothing happens where there is none."""
        with suppress_missing(), self._place(path) as (here, name):
            try:
                os.unlink(name, dir_fd=here)
            except OSError as exc:
                raise _system(path, exc) from exc
            os.fsync(here)

    def move(self, source: str, target: str) -> None:
        """Move a file to a name that is free; the file is never without a name.

        Raises:
            EngineError: TOOL_REFUSED, code `file_exists`; else like `read`.
        """
        with self._place(source) as (old, old_name), self._place(target, create=True) as (new, new_name):
            try:
                os.link(old_name, new_name, src_dir_fd=old, dst_dir_fd=new, follow_symlinks=False)
                os.fsync(new)
                os.unlink(old_name, dir_fd=old)
                os.fsync(old)
            except FileExistsError as exc:
                raise _refused("file_exists", f"{shorten(target)} is there already.", "Choose another name.") from exc
            except OSError as exc:
                raise _system(source, exc) from exc

    def missing_folders(self, path: str) -> list[str]:
        """The folders that `write` would make for this file, outermost first."""
        names = self._names(path)[:-1]
        for count in range(1, len(names) + 1):
            try:
                with self.folder(names[:count]):
                    continue
            except EngineError as exc:
                if exc.error_class is not ErrorClass.NOT_FOUND:
                    raise
            return ["/".join(names[:length]) for length in range(count, len(names) + 1)]
        return []

    def remove_folder(self, path: str) -> None:
        """Remove a folder that is empty; nothing happens to one that is not, or is not there."""
        with suppress_missing(), self._place(path) as (here, name), suppress(OSError):
            os.rmdir(name, dir_fd=here)
            os.fsync(here)

    def forget_temporary(self, path: str, temporary: str) -> None:
        """Remove what an interrupted `write` of this file left."""
        with suppress_missing(), self._place(path) as (here, _):
            _forget(here, temporary)

    def walk(self, path: str, *, recursive: bool, check: Callable[[], None]) -> Iterator[Entry]:
        """The entries below a folder, sorted by name within each folder; links are listed and not followed.

        Args:
            check: called for every entry; may raise, to stop.

        Raises:
            EngineError: like `read`; RESOURCE, code `too_many_entries`.
        """
        seen = 0
        waiting = [self._names(path)]
        while waiting:
            names = waiting.pop()
            below: list[list[str]] = []
            for entry in self._entries(names, top=not seen):
                check()
                seen += 1
                if seen > self.limits.max_entries:
                    message = f"There are more than {self.limits.max_entries:,} entries."
                    raise EngineError(
                        ErrorClass.RESOURCE, "too_many_entries", message, remedy="Look into a folder further down."
                    )
                yield entry
                inner = entry.path.split("/")
                if recursive and entry.kind == "folder" and len(inner) < self.limits.max_depth:
                    below.append(inner)
            waiting.extend(reversed(below))

    def _entries(self, names: list[str], *, top: bool) -> list[Entry]:
        try:
            with self.folder(names) as here, os.scandir(here) as found:
                entries = []
                for item in found:
                    with suppress(OSError):  # gone meanwhile
                        entries.append(_entry(names, item))
                    if len(entries) > self.limits.max_entries:
                        break
        except (EngineError, OSError) as exc:
            if top:
                raise exc if isinstance(exc, EngineError) else _system("/".join(names), exc) from exc
            return []  # a folder that went away or may not be read does not spoil the listing
        return sorted(entries, key=lambda entry: entry.path)


def _entry(names: list[str], item: os.DirEntry[str]) -> Entry:
    status = item.stat(follow_symlinks=False)
    kinds = {stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "link"}
    kind = kinds.get(stat.S_IFMT(status.st_mode), "other")
    return Entry("/".join([*names, item.name]), kind, status.st_size if kind == "file" else 0)


def _open_folder(here: int, name: str, path: str, create: bool) -> int:
    if create:
        try:
            os.mkdir(name, dir_fd=here)
            os.fsync(here)
        except FileExistsError:
            pass
        except OSError as exc:
            raise _system(path, exc) from exc
    try:
        return os.open(name, _FOLDER, dir_fd=here)
    except OSError as exc:
        raise _explained(here, name, path, exc, "folder") from exc


def _open_file(here: int, name: str, path: str) -> int:
    try:
        # not blocking: opening a named pipe would otherwise wait for its writer
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=here)
    except OSError as exc:
        raise _explained(here, name, path, exc, "file") from exc
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise _invalid("not_a_file", f"{shorten(path)} is no regular file.", "Give the path of a file.")
    return handle


def _read(here: int, name: str, path: str, limit: int) -> tuple[bytes, FileState]:
    handle = _open_file(here, name, path)
    try:
        parts, size = [], 0
        while chunk := os.read(handle, min(_CHUNK, limit + 1 - size)):
            parts.append(chunk)
            size += len(chunk)
            if size > limit:
                raise _too_large(path, limit)
        status = os.fstat(handle)
    except OSError as exc:
        raise _system(path, exc) from exc
    finally:
        os.close(handle)
    content = b"".join(parts)
    return content, FileState(
        hashlib.sha256(content).hexdigest(), len(content), stat.S_IMODE(status.st_mode), status.st_mtime_ns
    )


def _write_temporary(here: int, name: str, content: bytes, mode: int | None, mtime_ns: int | None) -> None:
    handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666, dir_fd=here)
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(handle, rest[:_CHUNK]) :]
        if mode is not None:
            os.fchmod(handle, mode)
        if mtime_ns is not None:
            os.utime(handle, ns=(mtime_ns, mtime_ns))
        os.fsync(handle)
    finally:
        os.close(handle)


def _forget(here: int, name: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=here)


@contextmanager
def suppress_missing() -> Iterator[None]:
    """Take a missing file or folder for the wanted state."""
    try:
        yield
    except EngineError as exc:
        if exc.error_class is not ErrorClass.NOT_FOUND:
            raise


def _explained(here: int, name: str, path: str, exc: OSError, wanted: str) -> EngineError:
    try:
        mode = os.lstat(name, dir_fd=here).st_mode
    except OSError:
        mode = 0
    if stat.S_ISLNK(mode):
        message = f"{shorten(path)} is a symbolic link, and links are not followed."
        return _refused("symbolic_link", message, "Give the path of what it points to, if that is in the workspace.")
    if mode and exc.errno in (errno.ENOTDIR, errno.ELOOP, errno.EISDIR):
        return _invalid(f"not_a_{wanted}", f"{shorten(path)} is no {wanted}.", f"Give the path of a {wanted}.")
    return _system(path, exc)


def _system(path: str, exc: OSError) -> EngineError:
    shown = shorten(path) or "."
    if isinstance(exc, FileNotFoundError):
        message = f"There is no {shown} in the workspace."
        return EngineError(
            ErrorClass.NOT_FOUND, "no_such_file", message, remedy="List the folder to see what is there."
        )
    if isinstance(exc, IsADirectoryError | NotADirectoryError):
        return _invalid("not_a_file", f"{shown} is no regular file.", "Give the path of a file.")
    reason = os.strerror(exc.errno) if exc.errno else "unknown reason"
    remedy = "Look whether the disk and the folder can be written to and have space, then ask again."
    return EngineError(ErrorClass.RESOURCE, "os_error", f"The system refused {shown}: {reason}.", remedy=remedy)


def _too_large(path: str, limit: int) -> EngineError:
    message = f"{shorten(path)} has more than {limit:,} bytes."
    return EngineError(ErrorClass.RESOURCE, "file_too_large", message, remedy="Work with a smaller file.")


def _no_workspace(root: str) -> ConfigurationError:
    remedy = "Name an existing folder as the workspace."
    return ConfigurationError("no_workspace", f"The workspace {shorten(root)} is no folder.", remedy=remedy)


def _refused(code: str, message: str, remedy: str) -> EngineError:
    return EngineError(ErrorClass.TOOL_REFUSED, code, message, remedy=remedy)


def _invalid(code: str, message: str, remedy: str) -> EngineError:
    return EngineError(ErrorClass.INVALID_REQUEST, code, message, remedy=remedy)
