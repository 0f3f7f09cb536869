"""The sessions and the long-term memory of the scripted engine: as the engine keeps them where nothing is recorded."""

from __future__ import annotations

import dataclasses
import time
from typing import Literal

from engine.errors import EngineError, ErrorClass
from engine.store.export_session import as_json, as_markdown
from engine.store.memories import MemoryKind
from engine.store.rows import MemoryRow, MessageRow, SessionHit, SessionRow
from engine.store.words import contains, snippet


class ScriptedMemory:
    """Sessions are numbered from 1 (`session-1`), and so are memories."""

    def __init__(self) -> None:
        self.kept: dict[str, SessionRow] = {}
        """Sessions by id."""
        self.said: dict[str, list[MessageRow]] = {}
        """Session -> its messages, the oldest first."""
        self.remembered: dict[int, MemoryRow] = {}
        self.memory_error: EngineError | None = None
        """Raised by everything that reads or changes memories."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def know(self, session: str | None) -> None:
        """A test may name a session of its own."""
        if session is not None and session not in self.kept:
            self.kept[session] = SessionRow(session, session, self.now_ms(), self.now_ms(), 0)

    def keep_turn(self, session: str, question: str, answer: str, tx: str, number: int | None) -> None:
        """A committed run joins its session."""
        now = self.now_ms()
        said = self.said.setdefault(session, [])
        said += [MessageRow("user", question, tx, number, now), MessageRow("assistant", answer, tx, number, now)]
        self.kept[session] = dataclasses.replace(self.kept[session], messages=len(said), updated_ms=now)

    async def sessions(self) -> list[SessionRow]:
        return sorted(self.kept.values(), key=lambda row: (-row.updated_ms, row.id))

    async def session(self, reference: str) -> SessionRow:
        rows = await self.sessions()
        found = [row for row in rows if reference in (row.id, row.name)]
        if len(found) > 1:
            raise EngineError(ErrorClass.NOT_FOUND, "session_ambiguous", f"{reference!r} fits {len(found)} sessions.")
        if not found:
            raise EngineError(ErrorClass.NOT_FOUND, "session_not_found", f"There is no session {reference!r}.")
        return found[0]

    async def create_session(self, name: str = "") -> SessionRow:
        row = SessionRow(f"session-{len(self.kept) + 1}", name or "session", self.now_ms(), self.now_ms(), 0)
        self.kept[row.id] = row
        return row

    async def rename_session(self, session: str, name: str) -> SessionRow:
        if not name.strip():
            raise EngineError(ErrorClass.INVALID_REQUEST, "name_empty", "The name is empty.")
        self.kept[session] = dataclasses.replace(self.kept[session], name=name.strip())
        return self.kept[session]

    async def set_session_memory(self, session: str, on: bool) -> SessionRow:
        self.kept[session] = dataclasses.replace(self.kept[session], memory=on)
        return self.kept[session]

    async def delete_session(self, session: str) -> None:
        del self.kept[session]
        self.said.pop(session, None)

    async def session_history(self, session: str, *, limit: int | None = None) -> list[MessageRow]:
        return self.said.get(session, [])[-(limit or 0) :]

    async def search_sessions(self, text: str, limit: int = 20) -> list[SessionHit]:
        return [
            SessionHit(
                id_, self.kept[id_].name, each.role, each.tx, each.number, each.content, snippet(text, each.content), 0
            )
            for id_, said in self.said.items() for each in said if contains(text, each.content)
        ][:limit]  # fmt: skip

    async def export_session(self, session: str, format: Literal["markdown", "json"] = "markdown") -> str:  # noqa: A002
        row, said = self.kept[session], await self.session_history(session)
        return as_json(row, said) if format == "json" else as_markdown(row, said)

    async def remember(
        self, text: str, kind: MemoryKind = "note", *, transaction: str = "", session: str = ""
    ) -> MemoryRow:
        self._fail()
        number, now = max(self.remembered, default=0) + 1, self.now_ms()
        row = MemoryRow(number, kind, text, transaction, None, session, False, now, now, now, 0)
        self.remembered[number] = row
        return row

    async def memory(self, number: int) -> MemoryRow:
        self._fail()
        if number not in self.remembered:
            raise EngineError(ErrorClass.NOT_FOUND, "memory_not_found", f"There is no memory {number}.")
        return self.remembered[number]

    async def memories(self, limit: int = 100, *, before: int | None = None) -> list[MemoryRow]:
        self._fail()
        rows = sorted(self.remembered.values(), key=lambda row: -row.id)
        return [row for row in rows if before is None or row.id < before][:limit]

    async def search_memories(self, text: str, limit: int = 20) -> list[MemoryRow]:
        words = text.lower().split()
        return [row for row in await self.memories() if all(word in row.text.lower() for word in words)][:limit]

    async def edit_memory(self, number: int, text: str) -> MemoryRow:
        self.remembered[number] = dataclasses.replace(await self.memory(number), text=text)
        return self.remembered[number]

    async def pin_memory(self, number: int, pinned: bool = True) -> None:
        self.remembered[number] = dataclasses.replace(await self.memory(number), pinned=pinned)

    async def forget_memory(self, number: int) -> None:
        await self.memory(number)
        del self.remembered[number]

    def _fail(self) -> None:
        if self.memory_error is not None:
            raise self.memory_error
