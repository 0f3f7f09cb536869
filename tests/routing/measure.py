"""Measures routing on the development set: `uv run python -m tests.routing.measure`."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pprint import pprint

from engine.config import EmbeddedConfig
from engine.models.embedded import EmbeddedBackend
from engine.nodes.route_evaluation import RoutingFigures, evaluate
from engine.routing.embedder import Embedder
from engine.routing.shipped_vectors import shipped_vectors
from tests.routing.material import development_set, shipped_router


async def by_words() -> RoutingFigures:
    """Without any embeddings."""
    return await evaluate(shipped_router(), development_set(), None)


async def by_embeddings() -> RoutingFigures:
    """With those of the bundled model."""
    backend = EmbeddedBackend(EmbeddedConfig(), emit=lambda _: None)
    try:
        model = (await backend.models())[0]
        embedder = Embedder(model, backend, shipped_vectors()[model.digest])
        await embedder.vector("Hello")
        return await evaluate(shipped_router(), development_set(), embedder)
    finally:
        await backend.aclose()


if __name__ == "__main__":
    for found in (asyncio.run(by_words()), asyncio.run(by_embeddings())):
        pprint(asdict(found))
