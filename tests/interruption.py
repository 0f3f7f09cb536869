"""What a crash can leave of a run: a prefix of its log that ends where a commit can end."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine import events as ev
from engine.bus import EventBus
from engine.store.database import Database
from engine.store.log import EventLog, TxStream


class Watched:
    """The events of a run as they are appended, and which of them are written together."""

    def __init__(self, seen: Callable[[ev.Event], None] = lambda _event: None) -> None:
        self.events: list[ev.Event] = []
        self._seen = seen
        self._inside: set[int] = set()

    @property
    def cuts(self) -> list[int]:
        """Lengths of the log that a crash can leave, but for the whole of it."""
        return [n for n in range(1, len(self.events)) if self.events[n - 1].gseq not in self._inside]

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch the runs inside."""
        append, block = EventLog.append, EventLog.block

        def appended(log: EventLog, body: ev.Body, stream: TxStream | None = None) -> ev.Event:
            event = append(log, body, stream)
            if event.tx is not None:
                self.events.append(event)
                self._seen(event)
            return event

        @contextmanager
        def together(log: EventLog) -> Iterator[None]:
            outermost, first = not log._depth, log._next
            with block(log):
                yield
            if outermost:
                self._inside.update(range(first, log._next - 1))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(EventLog, "append", appended)
            patch.setattr(EventLog, "block", together)
            yield


async def leave(events: Sequence[ev.Event], folder: Path) -> None:
    """A database as a process leaves it that was killed when exactly these events were on disk."""
    database = await Database.open(folder)
    log = EventLog(EventBus(), database)
    stream = log.stream(events[0].tx or "")
    writer = asyncio.create_task(log.write_forever())
    for event in events:
        log.append(event.body, stream)
    await log.flush()
    log.close()
    await writer
    await database.close()


class Snapshots:
    """The world after each event of a run: a crash there leaves exactly this."""

    def __init__(self, workspace: Path, folder: Path) -> None:
        self.data = workspace.parent / "data"
        self._folder = folder
        self._workspace = workspace
        self._undo = self.data / "undo"
        self.log = Watched(self._take)

    def _take(self, event: ev.Event) -> None:
        for place in (self._workspace, self._undo):
            if place.exists():
                shutil.copytree(place, self._folder / f"{event.seq}" / place.name)

    def changed(self, world: int) -> bool:
        """Whether files of the workspace changed between an event and the next."""
        before, after = (self._folder / f"{number}" / self._workspace.name for number in (world, world + 1))
        return _contents(before) != _contents(after)

    async def restore(self, cut: int, world: int) -> None:
        """A data folder with the log as it was after `cut` events, and the files as they were after `world`."""
        self.data = self._workspace.parent / f"data_{cut}_{world}"
        shutil.rmtree(self._workspace)
        shutil.copytree(self._folder / f"{world}" / self._workspace.name, self._workspace)
        undo = self._folder / f"{world}" / self._undo.name
        if undo.exists():
            shutil.copytree(undo, self.data / self._undo.name)
        await leave(self.log.events[:cut], self.data)


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
