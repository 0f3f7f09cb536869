"""Warming: the models that a graph needs are loaded while the person still types."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from engine.config import EngineConfig
from engine.errors import EngineError
from engine.graph.spec import GraphSpec
from engine.run.connection import Connection
from engine.run.resolution import references, resolve_models

WARM_S = 60.0
"""Seconds after which it is given up: what is not loaded by then is loaded by the first question."""


async def warm(graph: GraphSpec, connection: Connection, config: EngineConfig) -> None:
    """Load the models without which the graph cannot run. What goes wrong is not said: the run will say it."""
    with suppress(EngineError, TimeoutError):
        async with asyncio.timeout(WARM_S):
            connected = await connection.get()
            resolved = await resolve_models(graph, connected.directory, config)  # starts the embedded model
            needed, _ = references(graph)
            for model in dict.fromkeys(resolved.models[reference] for reference in needed):
                await connected.pool.load(model)
