"""A store on a real file with its writer running, and a gate in front of its database."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine import events as ev
from engine.bus import EventBus, Subscription
from engine.config import Durability
from engine.store.database import FILE_NAME, Database
from engine.store.log import PATIENCE_S, EventLog

GRAPH: dict[str, Any] = {"id": "graph.test", "nodes": [{"id": "start", "type": "entry"}], "edges": []}


class GatedDatabase:
    """The real database, of which a test decides when it writes: it stands in for a slow or refusing disk."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.path = database.path
        self.open = asyncio.Event()
        self.open.set()
        self.refusal: Exception | None = None
        self.waiting = asyncio.Event()
        self.groups = 0

    async def insert_events(self, rows_json: str) -> None:
        self.waiting.set()
        await self.open.wait()
        if self.refusal is not None:
            raise self.refusal
        await self._database.insert_events(rows_json)
        self.groups += 1


@dataclass(slots=True)
class Store:
    database: Database
    gate: GatedDatabase
    bus: EventBus
    log: EventLog
    everything: Subscription

    def published(self) -> list[ev.Event]:
        return [item for item in self.everything.drain() if isinstance(item, ev.Event)]

    def stored(self) -> list[tuple[int, str]]:
        """(gseq, kind) of what is in the file, as another program sees it."""
        return read(self.database.path, "SELECT gseq, kind FROM events ORDER BY gseq")


def read(path: Path, sql: str) -> list[Any]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


@asynccontextmanager
async def open_store(
    folder: Path,
    *,
    now: Callable[[], float] | None = None,
    patience_s: float = PATIENCE_S,
    durability: Durability = "grouped",
) -> AsyncIterator[Store]:
    database = await Database.open(folder)
    gate = GatedDatabase(database)
    bus = EventBus()
    clock: dict[str, Any] = {"now": now} if now else {}
    log = EventLog(bus, gate, patience_s=patience_s, durability=durability, **clock)  # type: ignore[arg-type]
    writer = asyncio.create_task(log.write_forever())
    try:
        yield Store(database, gate, bus, log, bus.subscribe(size=100_000))
    finally:
        gate.open.set()
        log.close()
        async with asyncio.timeout(10):  # a writer that died or hangs fails the test instead of stopping all
            await writer
        await database.close()


def begin(number: int = 1, **fields: Any) -> ev.Begin:
    return ev.Begin(
        graph=GRAPH, graph_hash="h", question=fields.pop("question", "Why?"), session=fields.pop("session", None),
        number=number, **fields,
    )  # fmt: skip


def note(text: str = "x") -> ev.Body:
    """Some lazy body."""
    return ev.NodeStarted(text, 1, 1)


FILE = FILE_NAME
