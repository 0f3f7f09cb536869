"""Answering: the models behind an engine: which there are, which of them answers, and whether they may be called."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Literal

from engine import events as ev
from engine.config import EngineConfig, with_models_folder
from engine.errors import EngineError
from engine.events import BreakerSnapshot
from engine.graph.spec import GraphSpec
from engine.health.registry import BreakerRegistry
from engine.models.catalogue import Resolution
from engine.models.protocol import ModelBackend, ModelInfo
from engine.run.connection import Connection
from engine.run.model_library import ModelLibrary, chosen, roles_of
from engine.run.remembering import Remembering
from engine.run.resolution import resolve_models
from engine.run.session_summary import nothing_said, source_of, summary_of_session
from engine.run.summarising import resolve_summariser
from engine.run.warming import warm
from engine.store.rows import MemoryRow


class Answering(Remembering):
    """The half of an engine that finds, loads and chooses models, and guards them with circuit breakers."""

    def __init__(self, config: EngineConfig, data_dir: Path | None) -> None:
        super().__init__()
        self.data_dir = data_dir
        self.config = with_models_folder(config, data_dir)
        self.notices: list[str] = []
        """Sentences for the person about what opening found, and later about a backend that was passed over."""
        self._breakers = BreakerRegistry(self.config.breaker, emit=self._emit)
        self._connection = Connection(self.config, self._breakers, self._emit, self.notices, data_dir)
        self._background: set[asyncio.Task[None]] = set()
        self._warming: asyncio.Task[None] | None = None

    async def prepare(self, graph: GraphSpec) -> dict[str, str]:
        """Make ready what the graph needs, so that its first run does not wait: find the backend, start its model.

        What is wrong is also told to everybody, as the backend's state.

        Returns:
            Model reference in the graph -> the model that answers it.

        Raises:
            EngineError: no backend, or a reference that no installed model answers; the remedy is exact.
        """
        try:
            connected = await self._connection.get()
            models = (await resolve_models(graph, connected.directory, self.config)).models
            await connected.warm(graph)
        except EngineError as error:
            self._emit(
                ev.BackendChanged(
                    endpoint=self.config.backend,
                    backend=self.config.backend,
                    status="offline",
                    detail=error.message,
                    remedy=error.remedy,
                )
            )
            raise
        return models

    def warm(self, graph: GraphSpec) -> None:
        """Begin to load the models that a graph needs, while the person types; returns at once, and is silent.

        While it is still at it, further calls do nothing.
        """
        if self._warming is None or self._warming.done():
            self._warming = self._spawn(warm(graph, self._connection, self.config), "warming")

    async def backend(self) -> ModelBackend:
        """The backend, connected; looked for again when there was none before.

        Raises:
            EngineError: there is none; the remedy is exact.
        """
        return (await self._connection.get()).backend

    async def models(self) -> list[ModelInfo]:
        """The models installed in the backend.

        Raises:
            EngineError: there is no backend, or it cannot be asked.
        """
        return await (await self._connection.get()).directory.installed()

    @property
    def library(self) -> ModelLibrary:
        """To fetch and remove models; no backend is needed to fetch a file."""
        return ModelLibrary(self.config, self._connection)

    async def use(self, model: str | None, role: str | None = None) -> None:
        """Choose which model answers in the runs that begin from now on, as long as this engine is open.

        Args:
            model: name of an installed model; None leaves the choice to the program again.
            role: for which role, without `@`; None: for every role.

        Raises:
            EngineError: there is no such role or model, it only makes embeddings, or the backend cannot be asked.
        """
        self.config = chosen(self.config, [] if model is None else await self.models(), model, role)

    async def roles(self) -> dict[str, Resolution | EngineError]:
        """Role, without `@` -> the model that answers for it, or why none does.

        Raises:
            EngineError: there is no backend, or it cannot be asked.
        """
        return roles_of(self.config, await self.models())

    async def summarise_session(self, session: str) -> MemoryRow:
        """Have a model write a summary of a session, and remember it, with the session's latest run as its source.

        Args:
            session: its id.

        Raises:
            EngineError: not_found: there is no such session, or no model that is large enough answers for @summariser;
                invalid_request: nothing was said in it, or there is no store; or the model failed.
            StoreError: the database is open for reading only, or does not take it.
        """
        self._storing()
        messages = await self.session_history(session)
        if not messages:
            raise nothing_said(session)
        connected = await self._connection.get()
        summariser = await resolve_summariser(connected.directory, self.config)
        text = await summary_of_session(messages, connected, summariser)
        return await self.remember(text, "summary", transaction=source_of(messages), session=session)

    def breakers(self) -> tuple[BreakerSnapshot, ...]:
        """All circuit breakers, by key."""
        return self._breakers.snapshots()

    def force_breaker(self, key: str, mode: Literal["open", "closed", "disabled", "auto"]) -> None:
        """Set a breaker by hand.

        Raises:
            EngineError: not_found.
        """
        self._breakers.force(key, mode)

    def _spawn(self, coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """A background task that the engine owns: it is cancelled and awaited before the engine is closed."""
        task = asyncio.create_task(coroutine, name=name)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    def _emit(self, body: ev.Body) -> None:
        self._log.append(body)
