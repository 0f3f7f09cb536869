"""Bookmarks: places in runs that a person marked. They stand in a file beside the database, which thus stays as it is.

    {"version": 1, "runs": {"<transaction>": [[12, 0], [31, 2]]}}

A place is the number of the run's own event and how many events of the engine followed it, so that it is the same place
in a run that was exported, or imported. That is why bookmarks of runs that are gone stay: a file of the run may be
opened again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import EngineError, ErrorClass
from engine.events import Event

FILE_NAME = "bookmarks.json"
_VERSION = 1
_RUNS, _IN_RUN = 1000, 200
"""Runs with bookmarks that are kept, the latest ones; bookmarks of one run."""
_MAX_BYTES = 8 * 2**20


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A moment of a run."""

    seq: int
    """Of the run's own event; 0 before the first."""
    after: int = 0
    """Events of the engine since then."""


def place_of(events: Sequence[Event], position: int) -> Place:
    """The place after `position` events."""
    after = 0
    for event in reversed(events[:position]):
        if event.tx is not None:
            return Place(event.seq, after)
        after += 1
    return Place(0, after)


def position_of(events: Sequence[Event], place: Place) -> int:
    """How many events there are up to a place."""
    at = next((n for n, event in enumerate(events, 1) if event.tx is not None and event.seq >= place.seq), len(events))
    if not place.seq:
        at = 0
    following = 0
    while following < place.after and at + following < len(events) and events[at + following].tx is None:
        following += 1
    return at + following


class Bookmarks:
    """The bookmarks of all runs.

    Args:
        folder: where the file is; None keeps them until the program ends.
    """

    def __init__(self, folder: Path | None) -> None:
        self._file = folder / FILE_NAME if folder is not None and folder.is_dir() else None
        self._runs: dict[str, list[Place]] = {}
        self._turn = asyncio.Lock()

    def of(self, tx: str) -> Sequence[Place]:
        """The bookmarks of a run, as they were read last; in order."""
        return tuple(self._runs.get(tx, ()))

    async def read(self) -> None:
        """Read the file.

        Raises:
            EngineError: it cannot be read, or is none; what is known stays.
        """
        async with self._turn:
            await self._read()

    async def toggle(self, tx: str, place: Place) -> bool:
        """Set a bookmark, or remove it; true where it is set now.

        Raises:
            EngineError: the file cannot be read or written; nothing has changed.
        """
        async with self._turn:
            await self._read()
            places = list(self._runs.get(tx, ()))
            there = place in places
            if there:
                places.remove(place)
            elif len(places) >= _IN_RUN:
                raise _refused(f"A run has at most {_IN_RUN} bookmarks.", "Remove one of them first.")
            else:
                places = sorted([*places, place])
            runs = {key: value for key, value in self._runs.items() if key != tx}
            if places:
                runs[tx] = places  # at the end: the runs that were marked latest are kept
            runs = dict(list(runs.items())[-_RUNS:])
            if self._file is not None:
                await asyncio.to_thread(_write, self._file, runs)
            self._runs = runs
            return not there

    async def _read(self) -> None:
        if self._file is not None:
            self._runs = await asyncio.to_thread(_read, self._file)


def _refused(words: str, remedy: str) -> EngineError:
    return EngineError(ErrorClass.INVALID_REQUEST, "bookmarks", words, remedy=remedy)


def _read(file: Path) -> dict[str, list[Place]]:
    try:
        with file.open("rb") as stream:
            text = stream.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise _refused(f"{file} cannot be read: {error.strerror}.", "Make it readable, or remove it.") from error
    try:
        return _runs(json.loads(text if len(text) <= _MAX_BYTES else b""))
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        raise _refused(f"{file} holds no bookmarks.", "Remove it; bookmarks are then begun afresh.") from error


def _runs(fields: Any) -> dict[str, list[Place]]:
    if fields["version"] != _VERSION:
        raise ValueError
    return {str(tx): sorted(Place(int(seq), int(after)) for seq, after in places)
            for tx, places in fields["runs"].items()}  # fmt: skip


def _write(file: Path, runs: dict[str, list[Place]]) -> None:
    """Write the whole file under another name, which then takes its place: a reader sees the old or the new one."""
    fields = {tx: [[place.seq, place.after] for place in places] for tx, places in runs.items()}
    part = file.with_name(f"{file.name}.part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump({"version": _VERSION, "runs": fields}, stream)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(file)
    except OSError as error:
        raise _refused(f"{file} cannot be written: {error.strerror}.", "Make room, or the folder writable.") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
