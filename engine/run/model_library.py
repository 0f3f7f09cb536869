"""The models of an engine as a person handles them: fetched, removed again, and chosen for roles."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager

from engine.config import EngineConfig
from engine.errors import EngineError
from engine.models.catalogue import ROLES, Resolution, find_answering, resolve
from engine.models.model_files import fetch_model
from engine.models.model_source import is_source
from engine.models.naming import same_model
from engine.models.protocol import ModelInfo, PullProgress
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

    async def endpoints_of(self, model: str) -> list[str]:
        """The endpoints that have a model, in the order of the configuration.

        Raises:
            EngineError: there is no backend.
        """
        return [endpoint.name for endpoint in (await self._connection.get()).pool.having(model)]


def chosen(config: EngineConfig, installed: Sequence[ModelInfo], model: str | None, role: str | None) -> EngineConfig:
    """A configuration with a person's choice of the model that answers.

    Args:
        config: as it is.
        installed: what there is; the model must be among it.
        model: its name; None leaves the choice to the program again.
        role: for which role, without `@`; None: for every role. Where the configuration had one model for every role,
            the other roles keep that one.

    Raises:
        EngineError: there is no such role, or no such model, or it only makes embeddings.
    """
    if role is not None and role not in ROLES:
        resolve(f"@{role}", installed, overrides={})  # raises, and names the roles
    if model is not None:
        model = find_answering(model, installed).name
    if role is None:
        return config.model_copy(update={"model": model, "roles": {}} if model is None else {"model": model})
    roles = dict(config.roles) if config.model is None else dict.fromkeys(ROLES, config.model)
    roles.pop(role, None)
    return config.model_copy(update={"model": None, "roles": roles if model is None else {**roles, role: model}})


def still_set(config: EngineConfig, model: str) -> list[str | None]:
    """The roles, without `@`, for which a configuration names a model; None stands for every role."""
    if config.model is not None and same_model(config.model, model):
        return [None]
    return [role for role, name in config.roles.items() if same_model(name, model)]


def roles_of(config: EngineConfig, installed: Sequence[ModelInfo]) -> dict[str, Resolution | EngineError]:
    """Role, without `@` -> the model that answers for it, or why none does."""
    found: dict[str, Resolution | EngineError] = {}
    for role in ROLES:
        try:
            found[role] = resolve(f"@{role}", installed, overrides=config.roles, only=config.model)
        except EngineError as error:
            found[role] = error
    return found


@asynccontextmanager
async def _closing(steps: AsyncIterator[PullProgress]) -> AsyncIterator[None]:
    """Close an iterator that is a generator, so that what it holds is let go of at once."""
    try:
        yield
    finally:
        if isinstance(steps, AsyncGenerator):
            await steps.aclose()
