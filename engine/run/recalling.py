"""Recaller: finds what a run is told from long-term memory when it is prepared, and counts what was of use."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence

from engine import events as ev
from engine.config import MemoryConfig
from engine.errors import EngineError
from engine.memory.long_term import Embed, Found, LongTermMemory
from engine.run.connection import Connected
from engine.store import memories as stored
from engine.store.database import Database, StoreError


class Recaller:
    """The long-term memory as runs use it.

    Args:
        config: as it is now.
        database: the store; None: nothing is remembered.
        switched_off: whether memory is off for a session that is not in the store.
    """

    def __init__(
        self,
        config: Callable[[], MemoryConfig],
        database: Callable[[], Database | None],
        switched_off: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._config = config
        self._database = database
        self._switched_off = switched_off
        self._long_term: LongTermMemory | None = None
        self._some: bool | None = None

    def changed(self) -> None:
        """Memories came or went: whether there are any is looked up anew."""
        self._some = None

    async def recalled(self, question: str, session: str | None, connected: Connected) -> tuple[ev.Recalled, ...]:
        """What a run is told of. Nothing where memory is switched off, or the store cannot be read or written now: no
        run fails for what it might have been told besides."""
        database = self._database()
        if database is None or not self._config().enabled:
            return ()
        if session is not None and self._switched_off(session):
            return ()
        with contextlib.suppress(StoreError):
            if await self._has_some(database) and await stored.session_recalls(database, session):
                return (await self.find(question, connected)).items
        return ()

    async def used(self, recalled: Sequence[ev.Recalled]) -> None:
        """Count the use of what a run recalled that has committed; where the store does not take it, it is not."""
        database = self._database()
        if database is not None and not database.read_only and recalled:
            with contextlib.suppress(StoreError):
                await stored.mark_used(database, [each.id for each in recalled], now_ms())

    async def find(self, question: str, connected: Connected | None, limit: int | None = None) -> Found:
        """What fits a question.

        Args:
            question: the person's text.
            connected: the backend, for embeddings; None: by words alone.
            limit: at most so many; default: as the settings say.

        Raises:
            StoreError: the database cannot be read, or does not take up what is new.
        """
        database, config = self._database(), self._config()
        if database is None:
            return Found()
        if self._long_term is None:
            self._long_term = LongTermMemory(config.half_life_days)
        embed, name = await _embedding(connected)
        return await self._long_term.recall(
            database,
            question,
            limit=config.recall if limit is None else limit,
            max_tokens=config.max_tokens,
            now_ms=now_ms(),
            embed=embed,
            embedder=name,
        )

    async def _has_some(self, database: Database) -> bool:
        if database.read_only:  # then another process may have changed it
            return await stored.any_there(database)
        if self._some is None:
            self._some = await stored.any_there(database)
        return self._some


async def _embedding(connected: Connected | None) -> tuple[Embed | None, str]:
    """What makes embeddings, and its name; a backend that cannot be asked makes none."""
    if connected is None:
        return None, ""
    try:
        embedder = await connected.embeddings.embedder(await connected.directory.installed())
    except EngineError:
        return None, ""
    return (None, "") if embedder is None else (embedder.vector, embedder.digest or embedder.model)


def now_ms() -> int:
    """Unix time in milliseconds."""
    return time.time_ns() // 1_000_000
