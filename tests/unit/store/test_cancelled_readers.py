"""Readers that are cancelled: whatever their thread was doing, nothing of them is left when the database is closed."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

from engine.store.database import Database


def sqlite_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if "_connection_worker_thread" in thread.name]


async def test_a_read_that_is_cancelled_at_any_moment_leaves_no_thread(tmp_path: Path) -> None:
    before = len(sqlite_threads())
    database = await Database.open(tmp_path)
    for turns in range(12):
        read = asyncio.create_task(database.fetch("SELECT count(*) FROM events"))
        for _ in range(turns):
            await asyncio.sleep(0)
        read.cancel()
        await asyncio.gather(read, return_exceptions=True)
    await database.close()
    for thread in [thread for thread in threading.enumerate() if "_connection_worker_thread" in thread.name]:
        await asyncio.to_thread(thread.join, 10)
    assert len(sqlite_threads()) == before
