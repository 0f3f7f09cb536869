"""Connection: the backend of an engine, found when it is first needed, and what is made with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from engine.config import EngineConfig
from engine.events import BackendChanged, Body
from engine.graph.spec import GraphSpec
from engine.health.registry import BreakerRegistry
from engine.models.answer_cache import AnswerCache
from engine.models.caller import ModelCaller
from engine.models.detect import choose_backend
from engine.models.endpoints import find_endpoints
from engine.models.pool import Pool
from engine.models.protocol import ModelBackend
from engine.routing.embedder import Embedder, Embeddings
from engine.routing.examples import examples_of, learning
from engine.run.resolution import ModelDirectory


@dataclass(frozen=True, slots=True)
class Connected:
    """The endpoints that were found."""

    pool: Pool
    directory: ModelDirectory
    caller: ModelCaller
    embeddings: Embeddings

    @property
    def backend(self) -> ModelBackend:
        """The one that is meant where only one can be."""
        return self.pool.first

    async def embedder(self, graph: GraphSpec) -> Embedder | None:
        """What makes embeddings for the routers of a graph; None where none of them learns, or no model makes any.

        Raises:
            EngineError: the installed models cannot be asked for.
        """
        return await self.embeddings.embedder(await self.directory.installed()) if learning(graph) else None

    async def warm(self, graph: GraphSpec) -> None:
        """Make ready in the background what the routers of a graph need, so that the first question does not wait.

        Raises:
            EngineError: the installed models cannot be asked for.
        """
        embedder = await self.embedder(graph)
        if embedder is not None:
            embedder.warm([examples_of(config) for config in learning(graph)])


class Connection:
    """Finds the backend once; looks again when there was none."""

    def __init__(
        self,
        config: EngineConfig,
        breakers: BreakerRegistry,
        emit: Callable[[Body], None],
        notices: list[str],
        data_dir: Path | None,
    ) -> None:
        self._config = config
        self._breakers = breakers
        self._emit = emit
        self._notices = notices
        self._data_dir = data_dir
        self._connected: Connected | None = None
        self._lock = asyncio.Lock()

    async def get(self) -> Connected:
        """The backend with its model directory and caller.

        Raises:
            EngineError: there is none; the remedy is exact.
        """
        async with self._lock:
            if self._connected is None:
                endpoints = await find_endpoints(self._config, emit=self._heard, choose=choose_backend)
                pool = Pool(endpoints, self._breakers, emit=self._heard)
                cache = AnswerCache(self._config.cache_ttl_s, self._config.cache_max_mb * 1_000_000)
                caller = ModelCaller(pool, self._config.retry, cache=cache)
                embeddings = Embeddings(pool, self._data_dir)
                self._connected = Connected(pool, ModelDirectory(pool), caller, embeddings)
            return self._connected

    def forget_models(self) -> None:
        """Ask for the installed models anew: one came or went."""
        if self._connected is not None:
            self._connected = replace(self._connected, directory=ModelDirectory(self._connected.pool))

    def _heard(self, body: Body) -> None:
        """What the search says goes to everybody; a backend that was passed over also to the person."""
        if isinstance(body, BackendChanged) and body.status == "offline" and self._connected is None:
            self._notices.append(f"{body.detail} {body.remedy}".strip())
        self._emit(body)

    async def aclose(self) -> None:
        if self._connected is not None:
            await self._connected.embeddings.aclose()
            await self._connected.pool.aclose()
            self._connected = None
