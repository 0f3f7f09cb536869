"""The endpoints of a configuration: its backend, and the further servers that it names."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from engine.config import EndpointConfig, EngineConfig
from engine.errors import EngineError
from engine.events import BackendChanged, Body
from engine.models.detect import PROBE_TIMEOUT_S
from engine.models.ollama import OllamaBackend
from engine.models.openai import OpenAIBackend
from engine.models.pool import Endpoint, standing
from engine.models.protocol import ModelBackend


class Choose(Protocol):
    """`engine.models.detect.choose_backend`."""

    def __call__(self, config: EngineConfig, *, emit: Callable[[Body], None]) -> Awaitable[ModelBackend]: ...


async def find_endpoints(config: EngineConfig, *, emit: Callable[[Body], None], choose: Choose) -> list[Endpoint]:
    """The backend of `config`, where it answers, and every further server, whether it answers or not.

    With `auto` the embedded model is taken only where no server answers.

    Raises:
        EngineError: nothing answers, or an address cannot be one.
    """
    others = _further(config)
    try:
        await asyncio.gather(*(each.ask(PROBE_TIMEOUT_S) for each in others), return_exceptions=True)
        for each in others:
            if each.failure is not None:
                emit(each.offline())
        first = await _backend(config, emit, choose, needed=all(each.failure is not None for each in others))
    except BaseException:
        for each in others:
            await each.backend.aclose()
        raise
    if first is None:
        found = others
    else:
        here = next((each for each in others if each.name == first.endpoint), None)
        if here is not None:  # the same server, named twice: what is said of it there counts
            others.remove(here)
            await here.backend.aclose()
        found = [Endpoint(first, concurrency_of(first, config) if here is None else here.concurrency), *others]
    if others:
        emit(standing(found))
    return found


def _further(config: EngineConfig) -> list[Endpoint]:
    """The further servers of a configuration, each once; nothing is asked of them yet."""
    endpoints = (further(each, config) for each in config.endpoints)
    return list({endpoint.name: endpoint for endpoint in endpoints}.values())


def further(endpoint: EndpointConfig, config: EngineConfig) -> Endpoint:
    """A further server as an endpoint; nothing is asked of it yet.

    Raises:
        EngineError: its address cannot be one.
    """
    backend: ModelBackend
    if endpoint.kind == "ollama":
        backend = OllamaBackend(
            endpoint.address, api_key=endpoint.api_key, window=config.window, keep_alive=config.ollama_keep_alive
        )
    else:
        backend = OpenAIBackend(endpoint.address, api_key=endpoint.api_key)
    return Endpoint(backend, endpoint.concurrency or _IN_PARALLEL[backend.kind])


_IN_PARALLEL = {"ollama": 1, "openai": 4}
"""Calls at a time per model: what such servers usually work on in parallel; more would only wait there, unseen."""


def concurrency_of(backend: ModelBackend, config: EngineConfig) -> int:
    """Calls at a time per model of the backend that was chosen."""
    if backend.kind == "embedded":
        return min(config.concurrency or config.embedded.slots, config.embedded.slots)
    return config.concurrency or _IN_PARALLEL.get(backend.kind, 4)


async def _backend(
    config: EngineConfig, emit: Callable[[Body], None], choose: Choose, *, needed: bool
) -> ModelBackend | None:
    """The backend of `config`; None where it does not answer and is not needed.

    Raises:
        EngineError: it does not answer, and is needed; or its address cannot be one.
    """
    if needed:
        return await choose(config, emit=emit)
    auto = config.backend == "auto"
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_S):
            return await choose(config.model_copy(update={"backend": "ollama"}) if auto else config, emit=emit)
    except TimeoutError:
        problem, remedy = f"The backend {config.backend} did not answer in time.", ""
    except EngineError as error:
        if error.code == "invalid_address":
            raise
        problem, remedy = error.message, error.remedy
    if not auto or config.ollama_host.strip():  # nobody asked for an Ollama that is not named
        emit(BackendChanged(config.backend, config.backend, "offline", problem, remedy))
    return None
