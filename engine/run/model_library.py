"""The models of an engine as a person handles them: fetched, and removed again."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

from engine.config import EngineConfig
from engine.models.model_files import fetch_model
from engine.models.model_source import is_source
from engine.models.protocol import PullProgress
from engine.run.connection import Connection


class ModelLibrary:
    """Fetches and removes models, wherever they belong.

    Args:
        config: with the folder of model files.
        connection: to the backend; not needed to fetch a file.
    """

    def __init__(self, config: EngineConfig, connection: Connection) -> None:
        self._config = config
        self._connection = connection

    async def pull(self, model: str) -> AsyncGenerator[PullProgress, None]:
        """Fetch a model. Closing the iterator stops it.

        Args:
            model: `hf:owner/repo/file.gguf` or an http(s) address, for the folder of the embedded models, whichever
                backend answers; anything else is a name in the backend's own library.

        Raises:
            EngineError: it cannot be fetched; the remedy says what to do.
        """
        if is_source(model):
            steps: AsyncIterator[PullProgress] = fetch_model(self._config.embedded, model)
        else:
            steps = (await self._connection.get()).backend.pull(model)
        async with _closing(steps):
            async for step in steps:
                yield step
        self._connection.forget_models()

    async def delete(self, model: str) -> None:
        """Remove a model from the disk of the backend that has it.

        Raises:
            EngineError: there is no such model, or it cannot be removed.
        """
        having = (await self._connection.get()).pool.having(model)
        await having[0].backend.delete(model)
        self._connection.forget_models()


@asynccontextmanager
async def _closing(steps: AsyncIterator[PullProgress]) -> AsyncIterator[None]:
    """Close an iterator that is a generator, so that what it holds is let go of at once."""
    try:
        yield
    finally:
        if isinstance(steps, AsyncGenerator):
            await steps.aclose()
