"""Connection: the backend of an engine, found when it is first needed, and what is made with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from engine.config import EngineConfig
from engine.events import BackendChanged, Body
from engine.health.registry import BreakerRegistry
from engine.models.caller import ModelCaller
from engine.models.detect import choose_backend
from engine.models.pool import Endpoint, Pool
from engine.models.protocol import ModelBackend
from engine.run.resolution import ModelDirectory


@dataclass(frozen=True, slots=True)
class Connected:
    """A backend that was found."""

    backend: ModelBackend
    directory: ModelDirectory
    caller: ModelCaller


class Connection:
    """Finds the backend once; looks again when there was none."""

    def __init__(
        self, config: EngineConfig, breakers: BreakerRegistry, emit: Callable[[Body], None], notices: list[str]
    ) -> None:
        self._config = config
        self._breakers = breakers
        self._emit = emit
        self._notices = notices
        self._connected: Connected | None = None
        self._lock = asyncio.Lock()

    async def get(self) -> Connected:
        """The backend with its model directory and caller.

        Raises:
            EngineError: there is none; the remedy is exact.
        """
        async with self._lock:
            if self._connected is None:
                backend = await choose_backend(self._config, emit=self._heard)
                pool = Pool([Endpoint(backend, _concurrency(backend, self._config))], self._breakers)
                self._connected = Connected(backend, ModelDirectory(backend), ModelCaller(pool, self._config.retry))
            return self._connected

    def _heard(self, body: Body) -> None:
        """What the search says goes to everybody; a backend that was passed over also to the person."""
        if isinstance(body, BackendChanged) and body.status == "offline" and self._connected is None:
            self._notices.append(f"{body.detail} {body.remedy}".strip())
        self._emit(body)

    async def aclose(self) -> None:
        if self._connected is not None:
            await self._connected.backend.aclose()
            self._connected = None


def _concurrency(backend: ModelBackend, config: EngineConfig) -> int:
    """Calls at a time per model: what the server really works on in parallel; more would only wait there, unseen."""
    return {"embedded": config.embedded.slots, "ollama": 1}.get(backend.kind, 4)
