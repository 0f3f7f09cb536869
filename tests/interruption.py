"""What a crash can leave of a run: a prefix of its log that ends where a commit can end."""

from __future__ import annotations

import asyncio
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
            outermost, first = not log._in_block, log._next
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
