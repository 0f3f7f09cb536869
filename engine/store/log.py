"""The event log: numbers every event, writes it, and publishes it, in this order of authority.

What is on disk is always a gap-free prefix of what was emitted. Events are published in `gseq` order; one whose body
is a `BARRIER` is published (and everything after it) only when it is on disk.

With durability `grouped` all others are published at once, and are on disk within 100 ms: after a power cut the last
100 ms of a run that had not ended may be missing, never anything of one that had. With `strict` every event is a
barrier: nobody sees anything that is not on disk, which costs one sync of the disk for whatever came in during the one
before. In both, a store that refuses to write for longer than the patience ends the runs, and the reason is published
without being on disk, for else nobody would ever be told.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from engine.bus import EventBus
from engine.config import Durability
from engine.errors import EngineError, ErrorClass
from engine.events import TERMINAL, Body, Committed, Event, RolledBack, Sync, encode
from engine.store.checksum import checksum
from engine.store.database import Database, StoreError, store_error

GROUP = 256
"""Rows in one commit at most."""
LAZY_S = 0.05
"""How long an event may wait for company before it is written."""
KEPT = 50_000
"""Latest events that a log without a database keeps in memory."""
MAX_UNSYNCED = 4096
"""With more unsynced events than this, runs pause at the next node boundary."""
PATIENCE_S = 10.0
"""How long a refusing store is waited for before runs are told to end."""


@dataclass(slots=True)
class TxStream:
    """Numbering of one transaction's events; `start` is on the log's monotonic clock, in seconds."""

    tx: str
    start: float
    seq: int = 0


class Block:
    """See `EventLog.block`. One value serves all: every visit opens one, and a generator costs as much as an event."""

    __slots__ = ("_log",)

    def __init__(self, log: EventLog) -> None:
        self._log = log

    def __enter__(self) -> None:
        self._log.enter_block()

    def __exit__(self, *_: object) -> None:
        self._log.leave_block()


class EventLog:
    """The one place where events come into being.

    Args:
        bus: gets every event.
        database: None keeps the latest events in memory only: every event counts as durable at once.
        next_gseq: the first number to give.
        now: monotonic seconds.
        wall: Unix time in seconds.
        patience_s: seconds that a store may refuse to write before runs are told to end.
        durability: which events are published only when they are on disk; see the module.
    """

    def __init__(
        self,
        bus: EventBus,
        database: Database | None,
        *,
        next_gseq: int = 1,
        now: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        patience_s: float = PATIENCE_S,
        durability: Durability = "grouped",
    ) -> None:
        self._bus = bus
        self._database = database
        self._next = next_gseq
        self._now = now
        self._wall = wall
        self._patience = patience_s
        self._strict = durability == "strict"
        self._start = now()
        self._queue: deque[tuple[Event, str]] = deque()
        """Events that are not on disk, with their bodies as JSON: as they were when they were appended."""
        self._depth = 0
        self._block = Block(self)
        self._joined: set[int] = set()
        """Numbers of queued events that are written together with the next one."""
        self._would_leave: dict[int, tuple[str, ...]] = {}
        """Number of a queued commit -> what is left of its run if it is taken back."""
        self._held: deque[Event] = deque()
        self._synced = next_gseq - 1
        self._waiters: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._wake = asyncio.Event()
        self._urgent = asyncio.Event()
        self._progress = asyncio.Event()
        self._failing_since: float | None = None
        self._closing = False
        self._kept: deque[Event] = deque(maxlen=KEPT)
        self.error: StoreError | None = None
        """What the store said when it last refused to write; None when it writes."""

    # -- appending ---------------------------------------------------------------------------------------------------

    def append(self, body: Body, stream: TxStream | None = None) -> Event:
        """Number `body`, queue it for the disk and publish it (or hold it back until it is durable).

        Raises:
            EngineError: internal, when `body` holds something that is no JSON; it then has no number.
        """
        text = "" if self._database is None else _json_of(body)
        if stream is None:
            tx, seq, start = None, 0, self._start
        else:
            stream.seq += 1
            tx, seq, start = stream.tx, stream.seq, stream.start
        event = Event(self._next, tx, seq, int((self._now() - start) * 1000), int(self._wall() * 1000), body)
        self._next += 1
        if self._database is None:
            self._synced = event.gseq
            self._kept.append(event)
            self._bus.publish(event)
            return event
        self._queue.append((event, text))
        if self._depth:
            self._joined.add(event.gseq)
        self._wake.set()
        if body.SYNC or self._strict or len(self._queue) >= GROUP:  # a whole group waits for no company
            self._urgent.set()
        if self._held or (self._is_barrier(body) and not self.failed):
            self._held.append(event)
        else:
            self._bus.publish(event)
        return event

    def block(self) -> Block:
        """What is appended inside is written in one commit: after a crash all of it is there, or nothing.

        Nothing may be awaited inside. A block inside another one is part of it.
        """
        return self._block

    def enter_block(self) -> None:
        self._depth += 1

    def leave_block(self) -> None:
        self._depth -= 1
        if not self._depth:
            self._joined.discard(self._next - 1)

    def would_leave(self, commit: Event, left: tuple[str, ...]) -> None:
        """Say which effects stand that nobody takes back where the store never takes this commit, in words."""
        if left and commit.gseq > self._synced:
            self._would_leave[commit.gseq] = left

    def _is_barrier(self, body: Body) -> bool:
        return self._strict or body.SYNC is Sync.BARRIER

    def reserve(self, count: int) -> int:
        """Set aside `count` numbers that follow each other, for events that come from elsewhere; returns the first."""
        first = self._next
        self._next += count
        return first

    def stream(self, tx: str, *, seq: int = 0, t_ms: int = 0) -> TxStream:
        """The numbering of a new transaction, or of one that goes on after `seq` events and `t_ms` milliseconds."""
        return TxStream(tx, self._now() - t_ms / 1000, seq)

    # -- waiting -----------------------------------------------------------------------------------------------------

    async def synced(self, event: Event) -> None:
        """Wait until `event` is on disk.

        Raises:
            StoreError: the store refuses to write for longer than the patience.
        """
        if event.gseq <= self._synced:
            return
        if self.failed and self.error is not None:
            raise self.error
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append((event.gseq, future))
        self._urgent.set()
        await future

    @property
    def blocked(self) -> str:
        """Why runs must pause now; empty when they need not."""
        if self.error is not None:
            return self.error.message
        if len(self._queue) > MAX_UNSYNCED:
            return "The store is behind."
        return ""

    @property
    def failed(self) -> bool:
        """Whether the store has refused to write for longer than the patience."""
        return self._failing_since is not None and self._now() - self._failing_since >= self._patience

    async def unblocked(self) -> None:
        """Wait until the store writes again.

        Raises:
            StoreError: it refuses for longer than the patience.
        """
        while self.blocked:
            if self.failed and self.error is not None:
                raise self.error
            self._progress.clear()
            await self._progress.wait()

    # -- writing -----------------------------------------------------------------------------------------------------

    async def write_forever(self) -> None:
        """The writer: run it as one task for the life of the log; it ends after `close`, when all is written."""
        if self._database is None:
            return
        while True:
            await self._wake.wait()
            if not self._urgent.is_set() and not self._closing:
                try:
                    async with asyncio.timeout(LAZY_S):
                        await self._urgent.wait()
                except TimeoutError:
                    pass
            self._urgent.clear()
            if not await self._write_all(self._database):
                return
            if self._closing and not self._queue:
                return

    async def _write_all(self, database: Database) -> bool:
        """Write what is queued; False when the log is closing and the store refuses."""
        while self._queue:
            group = self._group()
            try:
                await database.insert_events(_rows(group))
            except Exception as exc:  # noqa: BLE001 - without the writer every run would wait forever
                self._refused(exc if isinstance(exc, StoreError) else store_error(exc, database.path))
                if self._closing:
                    return False
                await asyncio.sleep(0.25)
                continue
            self.error, self._failing_since = None, None
            for event, _ in group:
                self._queue.popleft()
                self._joined.discard(event.gseq)
                self._would_leave.pop(event.gseq, None)
            self._written(group[-1][0].gseq)
        self._wake.clear()
        return True

    def _group(self) -> list[tuple[Event, str]]:
        """What is written next: about `GROUP` events, but never a part of a block."""
        size = min(GROUP, len(self._queue))
        while size < len(self._queue) and self._queue[size - 1][0].gseq in self._joined:
            size += 1
        return [self._queue[i] for i in range(size)]

    def _written(self, gseq: int) -> None:
        self._synced = gseq
        self._progress.set()
        while self._waiters and self._waiters[0][0] <= gseq:
            future = self._waiters.popleft()[1]
            if not future.done():
                future.set_result(None)
        self._release()

    def _release(self) -> None:
        """Publish what was held back, up to the next barrier that is not on disk."""
        while self._held:
            event = self._held[0]
            if self._is_barrier(event.body) and event.gseq > self._synced and not self.failed:
                return
            self._bus.publish(self._held.popleft())

    def _refused(self, error: StoreError) -> None:
        if self._failing_since is None:
            self._failing_since = self._now()
        self.error = error
        self._progress.set()
        if self.failed:
            # nothing is dropped: the queue is still written when the store recovers; those who wait are told now
            self._take_back_commits(error)
            while self._waiters:
                future = self._waiters.popleft()[1]
                if not future.done():
                    future.set_exception(error)
            self._release()

    def _take_back_commits(self, error: StoreError) -> None:
        """A commit that nobody saw and that is not durable is none: all are told, now and later, that it failed."""
        taken_back: dict[int, Event] = {}
        for index, (event, _) in enumerate(self._queue):
            if isinstance(event.body, Committed):
                left = self._would_leave.pop(event.gseq, ())
                body = RolledBack("failed", error.info(), usage=event.body.usage, uncompensated=left)
                event = replace(event, body=body)
                taken_back[event.gseq] = event
                self._queue[index] = (event, _json_of(event.body))
        if taken_back:
            self._held = deque(taken_back.get(event.gseq, event) for event in self._held)

    def close(self) -> None:
        """Ask the writer to end when everything is written."""
        self._closing = True
        self._urgent.set()
        self._wake.set()

    # -- reading -----------------------------------------------------------------------------------------------------

    def kept(self, tx: str, *, after: int = 0) -> list[Event]:
        """Without a database: a transaction's events and those of the engine stream inside its span, from memory."""
        return span(self._kept, tx, after=after)

    def pending(self) -> list[Event]:
        """What was published and is not on disk yet."""
        end = self._held[0].gseq if self._held else self._next
        return [event for event, _ in self._queue if event.gseq < end]

    async def flush(self) -> None:
        """Wait until everything that was appended so far is on disk.

        Raises:
            StoreError: the store refuses to write for longer than the patience.
        """
        if self._queue:
            await self.synced(self._queue[-1][0])

    @property
    def unsynced(self) -> int:
        """How many events are not on disk yet."""
        return len(self._queue)


def span(events: Iterable[Event], tx: str, *, after: int = 0, began: bool = False) -> list[Event]:
    """A transaction's events and those of the engine stream between its begin and its end, in order.

    Args:
        events: in `gseq` order.
        tx: the transaction.
        after: only events with a higher `gseq`.
        began: whether its begin comes before `events`.
    """
    found = []
    for event in events:
        began = began or event.tx == tx
        if began and event.tx in (None, tx) and event.gseq > after:
            found.append(event)
        if event.tx == tx and isinstance(event.body, TERMINAL):
            break
    return found


def _json_of(body: Body) -> str:
    try:
        return encode(body)
    except (ValueError, TypeError, RecursionError) as exc:
        raise EngineError(
            ErrorClass.INTERNAL,
            "event_not_json",
            f"An event of kind {body.KIND} holds something that is no JSON ({str(exc)[:200]}).",
            remedy="This is a defect; please report it.",
        ) from exc


def _rows(events: list[tuple[Event, str]]) -> str:
    rows = []
    for e, text in events:
        crc = checksum(e.gseq, e.tx, e.seq, e.t_ms, e.wall_ms, e.body.KIND, e.body.V, text)
        rows.append((e.gseq, e.tx, e.seq, e.t_ms, e.wall_ms, e.body.KIND, e.body.V, text, crc))
    return json.dumps(rows, ensure_ascii=False)
