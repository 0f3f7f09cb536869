"""Sessions: conversations of several runs: listed, searched, renamed, deleted, exported.

Where nothing is recorded they live as long as the engine, and can do the same; their runs have no numbers.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field, replace
from typing import Literal

from engine.errors import EngineError, ErrorClass
from engine.events import Begin
from engine.message import replace_surrogates
from engine.run.records import Records
from engine.store import sessions as stored
from engine.store.export_session import as_json, as_markdown
from engine.store.rows import MessageRow, SessionHit, SessionRow
from engine.store.words import contains, snippet

NAME_CHARACTERS = 200
"""Of a session's name at most."""
_REMEDY = "`tinyllm-tui session list` shows the sessions."


@dataclass(slots=True)
class _Unrecorded:
    """A session that is kept in memory only."""

    row: SessionRow
    said: list[MessageRow] = field(default_factory=list)

    def shown(self) -> SessionRow:
        return replace(self.row, messages=len(self.said))


class Sessions(Records):
    """The part of an engine that keeps conversations."""

    def __init__(self) -> None:
        super().__init__()
        self._in_memory: dict[str, _Unrecorded] = {}
        """Id -> a session that is kept in memory only."""

    async def sessions(self) -> list[SessionRow]:
        """The sessions, latest use first.

        Raises:
            StoreError: the database cannot be read.
        """
        rows = [each.shown() for each in self._in_memory.values()]
        if self._database is not None:
            rows += await stored.sessions(self._database)
        return sorted(rows, key=lambda row: (-row.updated_ms, row.id))

    async def session(self, reference: str) -> SessionRow:
        """One session by id, exact name, or unique beginning of an id.

        Raises:
            EngineError: not_found, or the reference fits several.
            StoreError: the database cannot be read.
        """
        rows = await self.sessions()
        for found in (
            [row for row in rows if row.id == reference],
            [row for row in rows if row.name == reference],
            [row for row in rows if reference and row.id.startswith(reference)],
        ):
            if len(found) == 1:
                return found[0]
            if found:
                raise EngineError(
                    ErrorClass.NOT_FOUND,
                    "session_ambiguous",
                    f"{reference!r} fits {len(found)} sessions.",
                    remedy="Give more of the id; `tinyllm-tui session list` shows it.",
                )
        raise _not_found(reference)

    async def create_session(self, name: str = "") -> SessionRow:
        """A new, empty session; where nothing is recorded it lives as long as this engine.

        Raises:
            StoreError: the database does not take it.
        """
        now = time.time_ns() // 1_000_000
        row = SessionRow(uuid.uuid4().hex, _one_line(name) or "session", now, now, 0)
        if self._recording is not None:
            await stored.create_session(self._recording, row)
        else:
            self._in_memory[row.id] = _Unrecorded(row)
        return row

    async def rename_session(self, session: str, name: str) -> SessionRow:
        """Give a session another name, which may be that of another one too.

        Args:
            session: its id.
            name: made one line, and cut to `NAME_CHARACTERS`.

        Raises:
            EngineError: not_found; or invalid_request, for an empty name.
            StoreError: the database is open for reading only, or does not take it.
        """
        wanted = _one_line(name)
        if not wanted:
            raise EngineError(
                ErrorClass.INVALID_REQUEST, "name_empty", "The name is empty.", remedy="Give the session a name."
            )
        if session in self._in_memory:
            kept = self._in_memory[session]
            kept.row = replace(kept.row, name=wanted)
        elif self._database is None or not await stored.rename_session(self._database, session, wanted):
            raise _not_found(session)
        return await self._row(session)

    async def set_session_memory(self, session: str, on: bool) -> SessionRow:
        """Say whether the next runs of a session use long-term memory.

        Args:
            session: its id.
            on: true for a new session.

        Raises:
            EngineError: not_found.
            StoreError: the database is open for reading only, or does not take it.
        """
        if session in self._in_memory:
            kept = self._in_memory[session]
            kept.row = replace(kept.row, memory=on)
        elif self._database is None or not await stored.set_session_memory(self._database, session, on):
            raise _not_found(session)
        return await self._row(session)

    async def delete_session(self, session: str) -> None:
        """Remove a session with all that was said in it, also from the search. Its transactions stay.

        Args:
            session: its id.

        Raises:
            EngineError: not_found; or invalid_request, while a run of it goes on or waits to be gone on with.
            StoreError: the database is open for reading only, or does not take it.
        """
        if session in self._runs.values():
            raise stored.session_busy()
        if self._in_memory.pop(session, None) is not None:
            return
        if self._database is None or not await stored.delete_session(self._database, session):
            raise _not_found(session)

    async def session_messages(self, session: str) -> list[tuple[str, str, str]]:
        """(role, content, transaction) of a session's latest messages, oldest first.

        Raises:
            EngineError: not_found.
            StoreError: the database cannot be read.
        """
        if session in self._in_memory:
            return [(each.role, each.content, each.tx) for each in self._in_memory[session].said]
        if self._database is None or not await stored.session_exists(self._database, session):
            raise _not_found(session)
        return await stored.session_messages(self._database, session)

    async def session_factors(self, session: str) -> dict[str, float]:
        """Model -> correction of the estimates of tokens that the session's latest run had learnt; nothing of a session
        that is kept in memory only.

        Raises:
            StoreError: the database cannot be read.
        """
        if self._database is None or session in self._in_memory:
            return {}
        return await stored.session_factors(self._database, session)

    async def session_history(self, session: str, *, limit: int | None = None) -> list[MessageRow]:
        """What was said in a session, oldest first.

        Args:
            session: its id.
            limit: only so many messages, the latest; None: all of them.

        Raises:
            EngineError: not_found.
            StoreError: the database cannot be read.
        """
        if session in self._in_memory:
            said = self._in_memory[session].said
            return said[-limit:] if limit else list(said)
        if self._database is None or not await stored.session_exists(self._database, session):
            raise _not_found(session)
        return await stored.session_history(self._database, session, limit=limit)

    async def search_sessions(self, text: str, limit: int = 20) -> list[SessionHit]:
        """The messages of all sessions that have every word of a text, the best first.

        Args:
            text: words; nothing else in it has a meaning. Without a word there are no hits.
            limit: at most so many.

        Raises:
            StoreError: the database cannot be read, or does not take up what is new.
        """
        hits = self._search_unrecorded(text)[:limit]
        if self._database is not None and len(hits) < limit:
            hits += await stored.search_sessions(self._database, text, limit=limit - len(hits))
        return hits

    def _search_unrecorded(self, text: str) -> list[SessionHit]:
        """The newest first."""
        hits = [
            SessionHit(
                kept.row.id, kept.row.name, each.role, each.tx, each.number, each.content,
                snippet(text, each.content), each.created_ms,
            )
            for kept in self._in_memory.values() for each in kept.said if contains(text, each.content)
        ]  # fmt: skip
        return sorted(hits, key=lambda hit: hit.created_ms, reverse=True)

    async def export_session(self, session: str, format: Literal["markdown", "json"] = "markdown") -> str:  # noqa: A002
        """A session as one document, for people or for programs (see `engine.store.export_session`).

        Args:
            session: its id.
            format: of the document.

        Raises:
            EngineError: not_found.
            StoreError: the database cannot be read.
        """
        row = await self._row(session)
        messages = await self.session_history(session)
        return as_json(row, messages) if format == "json" else as_markdown(row, messages)

    async def _row(self, session: str) -> SessionRow:
        if session in self._in_memory:
            return self._in_memory[session].shown()
        row = None if self._database is None else await stored.session(self._database, session)
        if row is None:
            raise _not_found(session)
        return row

    def _keep_turn(self, session: str, begin: Begin, answer: str, tx: str) -> None:
        """A committed run that is not recorded joins its session in memory."""
        kept = self._in_memory[session]
        now = time.time_ns() // 1_000_000
        turn = [MessageRow("user", begin.question, tx, None, now), MessageRow("assistant", answer, tx, None, now)]
        replaced = [index for index, each in enumerate(kept.said) if begin.replaces and each.tx == begin.replaces]
        kept.said[replaced[0] if replaced else len(kept.said) :] = [
            *turn, *(kept.said[replaced[-1] + 1 :] if replaced else ()),
        ]  # fmt: skip
        kept.row = replace(kept.row, updated_ms=now)


def _one_line(name: str) -> str:
    return " ".join(replace_surrogates(name).split())[:NAME_CHARACTERS].strip()


def _not_found(session: str) -> EngineError:
    return EngineError(
        ErrorClass.NOT_FOUND, "session_not_found", f"There is no session {session[:100]!r}.", remedy=_REMEDY
    )
