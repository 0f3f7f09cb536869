"""Undo of changes to files: copies made and flushed before the change, put back exactly, any number of times.

A change is a set of files with the state of each before it and what it will be afterwards. After a crash each of them
is in one of the two states, so the undo needs not know how far the change came: it puts back the ones that are not as
before. A file in a third state was changed by somebody else, and then nothing is touched.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from engine.errors import ConfigurationError, EngineError, ErrorClass
from engine.graph.problems import shorten
from engine.tools.protocol import ToolContext, UndoRecord
from engine.tools.workspace import FileState, Workspace, suppress_missing

_DONE = "undone"


@dataclass(frozen=True, slots=True)
class Change:
    """What a call will make of one file."""

    path: str
    after: bytes | None
    """Its bytes afterwards; None where it will be gone."""


def temporary_name(call: str) -> str:
    """The name under which a call's file is written until it is whole."""
    return f".tinyllm-{_folder_name(call)[:16]}.tmp"


def prepare(workspace: Workspace, context: ToolContext, changes: Sequence[Change]) -> UndoRecord:
    """Copy what the changes will destroy, durably, and describe how to take them back.

    Raises:
        ConfigurationError: code `no_undo_folder`: there is no place for copies, or it is inside the workspace.
        EngineError: a file cannot be read or copied.
    """
    folder = _undo_folder(context)
    if folder.parent.resolve().is_relative_to(workspace.root):
        message = "Undo copies would lie inside the workspace, where tools can change them."
        raise ConfigurationError("no_undo_folder", message, remedy="Choose another folder as the workspace.")
    _make_folder(folder)
    files = []
    for index, change in enumerate(changes):
        path, before = workspace.normal(change.path), None
        with suppress_missing():
            content, before = workspace.read(path)
            _write_copy(folder / str(index), content)
        after = None if change.after is None else hashlib.sha256(change.after).hexdigest()
        files.append({"path": path, "before": None if before is None else asdict(before), "after": after})
    _sync_folder(folder)
    folders = [
        each for change in changes if change.after is not None for each in workspace.missing_folders(change.path)
    ]
    return {"root": str(workspace.root), "files": files, "folders": folders}


def verify(workspace: Workspace, record: UndoRecord) -> None:
    """Make sure that the files still are what was copied.

    Raises:
        EngineError: class TOOL_REFUSED, code `changed_meanwhile`.
    """
    for file in record["files"]:
        before, now = _state(file["before"]), workspace.state(file["path"])
        if (before and before.digest) != (now and now.digest):
            raise EngineError(
                ErrorClass.TOOL_REFUSED,
                "changed_meanwhile",
                f"{shorten(file['path'])} was changed by somebody else just now.",
                remedy="Look at it again, and repeat the call.",
            )


def restore(record: UndoRecord, context: ToolContext, check: Callable[[], None]) -> None:
    """Put everything back as it was before the call.

    Args:
        check: called before each file; may raise, to stop (the next undo goes on).

    Raises:
        EngineError: class TOOL_REFUSED, code `undo_conflict`: a file was changed by somebody else, nothing was touched;
            class RESOURCE, code `undo_lost`: the copies are gone or damaged.
    """
    folder = _undo_folder(context)
    if (folder / _DONE).exists():
        return
    workspace = Workspace(record["root"], context.workspace.limits if context.workspace else None)
    temporary = temporary_name(context.call)
    steps = [_step(workspace, folder / str(index), file) for index, file in enumerate(record["files"])]
    for file, step in zip(reversed(record["files"]), reversed(steps), strict=True):
        check()
        workspace.forget_temporary(file["path"], temporary)
        if step is not None:
            step(temporary)
    for path in reversed(record["folders"]):
        workspace.remove_folder(path)
    _make_folder(folder)
    _write_copy(folder / _DONE, b"")
    _sync_folder(folder)


def _step(workspace: Workspace, copy: Path, file: UndoRecord) -> Callable[[str], None] | None:
    """What puts one file back; None where it is as it was."""
    path, before = file["path"], _state(file["before"])
    try:
        now = workspace.state(path)
    except EngineError as exc:
        raise _conflict(path, exc.message) from exc
    if now == before:
        return None
    if before is None:
        if now is None or now.digest != file["after"]:
            raise _conflict(path, "It has other contents now.")
        return lambda _temporary: workspace.remove(path)
    if now is not None and now.digest == before.digest:
        return lambda _temporary: workspace.amend(path, before)
    if (now and now.digest) != file["after"]:
        raise _conflict(path, "It has other contents now." if now else "Somebody else removed it.")
    content = _read_copy(copy, before)
    return lambda temporary: workspace.write(
        path, content, temporary=temporary, before_change=lambda: None, mode=before.mode, mtime_ns=before.mtime_ns
    )


def _state(value: dict[str, object] | None) -> FileState | None:
    return None if value is None else FileState(**value)  # type: ignore[arg-type]


def _conflict(path: str, reason: str) -> EngineError:
    return EngineError(
        ErrorClass.TOOL_REFUSED,
        "undo_conflict",
        f"The change of {shorten(path)} was not taken back: somebody else changed it afterwards. {reason}",
        remedy="Compare it with the undo copy, and put it right by hand.",
    )


def _undo_folder(context: ToolContext) -> Path:
    if context.undo_dir is None or not context.call:
        message = "A tool that changes files needs a place for undo copies."
        raise ConfigurationError("no_undo_folder", message, remedy="Open the engine with a data folder.")
    return context.undo_dir / _folder_name(context.call)


def _folder_name(call: str) -> str:
    return hashlib.sha256(call.encode()).hexdigest()[:32]


def _make_folder(folder: Path) -> None:
    """Make a folder that only this person can read, and flush the names of all that were made."""
    missing = []
    here = folder
    while not here.exists():
        missing.append(here)
        here = here.parent
    for each in reversed(missing):
        with suppress(FileExistsError):
            each.mkdir(mode=0o700)
        _sync_folder(each.parent)


def _write_copy(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        path.unlink(missing_ok=True)  # half a copy helps nobody, and may hold the last space that the store needs
        raise


def _read_copy(path: Path, before: FileState) -> bytes:
    content = path.read_bytes() if path.is_file() else None
    if content is None or hashlib.sha256(content).hexdigest() != before.digest:
        message = f"The undo copy of a file is gone or damaged ({path.name} in {path.parent.name})."
        raise EngineError(ErrorClass.RESOURCE, "undo_lost", message, remedy="Restore the file from a backup.")
    return content


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
