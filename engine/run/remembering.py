"""Remembering: what an engine keeps for good: memories are stored, searched, edited, pinned, forgotten and recalled."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import AsyncIterator

from engine.config import EngineConfig
from engine.errors import EngineError, ErrorClass
from engine.memory.long_term import Found
from engine.run.recalling import Recaller, now_ms
from engine.run.teaching import Teaching
from engine.store import memories as stored
from engine.store.memories import Memory, MemoryKind
from engine.store.rows import MemoryRow

_PAGE = 500
"""Memories read at a time for a file."""


class Remembering(Teaching):
    """The part of an engine that is its long-term memory."""

    config: EngineConfig

    def __init__(self) -> None:
        super().__init__()
        self._recalling = Recaller(
            lambda: self.config.memory,
            lambda: self._database,
            lambda session: session in self._in_memory and not self._in_memory[session].row.memory,
        )

    async def remember(
        self, text: str, kind: MemoryKind = "note", *, transaction: str = "", session: str = ""
    ) -> MemoryRow:
        """Store a memory, for the runs that begin from now on; the same text twice is one memory.

        Args:
            text: at most `engine.store.memories.MOST_CHARACTERS`.
            kind: note, fact or summary.
            transaction: id of the run that it comes from, which must have committed.
            session: id of the session that it comes from.

        Raises:
            EngineError: invalid_request: the text is empty or too long, the run did not commit, all memories that are
                kept are pinned, or there is no store.
            StoreError: the database is open for reading only, or does not take it.
        """
        if kind not in stored.KINDS:
            raise EngineError(
                ErrorClass.INVALID_REQUEST,
                "memory_kind",
                f"{str(kind)[:40]!r} is no kind of memory.",
                remedy=f"Use one of {', '.join(stored.KINDS)}.",
            )
        database = self._storing()
        new = Memory(kind, text, transaction, session)
        try:
            number = await stored.add(database, new, now_ms(), most=self.config.memory.max_items)
        finally:
            self._recalling.changed()
        return await self.memory(number)

    async def memory(self, number: int) -> MemoryRow:
        """One memory.

        Raises:
            EngineError: not_found; invalid_request: there is no store.
            StoreError: the database cannot be read.
        """
        row = (await stored.by_id(self._storing(), [number])).get(number)
        if row is None:
            raise stored.not_found(number)
        return row

    async def memories(self, limit: int = 100, *, before: int | None = None) -> list[MemoryRow]:
        """The memories, the newest first; `before`: only those with a lower id.

        Raises:
            StoreError: the database cannot be read.
        """
        if self._database is None:
            return []
        return await stored.memories(self._database, limit=limit, before=before)

    async def search_memories(self, text: str, limit: int = 20) -> list[MemoryRow]:
        """The memories that have every word of a text, the best first.

        Raises:
            StoreError: the database cannot be read.
        """
        if self._database is None:
            return []
        return [row for row, _ in await stored.search(self._database, text, limit=limit)]

    async def edit_memory(self, number: int, text: str) -> MemoryRow:
        """Give a memory another text.

        Raises:
            EngineError: not_found; invalid_request: the text is empty, too long or known already, or there is no store.
            StoreError: the database is open for reading only, or does not take it.
        """
        await stored.edit(self._storing(), number, text, now_ms())
        return await self.memory(number)

    async def pin_memory(self, number: int, pinned: bool = True) -> None:
        """Let a memory neither fade nor make room for others; False: let it again.

        Raises:
            EngineError: not_found; invalid_request: there is no store.
            StoreError: the database is open for reading only, or does not take it.
        """
        await stored.pin(self._storing(), number, pinned)

    async def forget_memory(self, number: int) -> None:
        """Delete a memory. What runs recalled of it stays in their events as long as these are kept.

        Raises:
            EngineError: not_found; invalid_request: there is no store.
            StoreError: the database is open for reading only, or does not take it.
        """
        try:
            await stored.forget(self._storing(), number)
        finally:
            self._recalling.changed()

    async def export_memories(self) -> AsyncIterator[str]:
        """The memories as lines of JSON, the newest first.

        Raises:
            StoreError: the database cannot be read.
        """
        before: int | None = None
        while rows := await self.memories(_PAGE, before=before):
            for row in rows:
                yield json.dumps(dataclasses.asdict(row), ensure_ascii=False)
            before = rows[-1].id

    async def recall(self, question: str, limit: int | None = None) -> Found:
        """What fits a question by words, whether or not memory is switched on.

        Raises:
            StoreError: the database cannot be read.
        """
        return await self._recalling.find(question, None, limit)
