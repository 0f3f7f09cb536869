"""Which backend answers: the one that was asked for, or with `auto` the best that there is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from engine.config import EngineConfig
from engine.errors import ConfigurationError, EngineError
from engine.events import BackendChanged, Body
from engine.models.address import normalise_host
from engine.models.catalogue import can_chat
from engine.models.embedded import EmbeddedBackend, check_embedded
from engine.models.gguf import FILE_PROBLEMS
from engine.models.ollama import OllamaBackend
from engine.models.openai import OpenAIBackend
from engine.models.protocol import ModelBackend

PROBE_TIMEOUT_S = 3.0
"""Seconds that `auto` waits for Ollama."""
_INSTALL = (
    "Install Ollama (https://ollama.com/download) and run `ollama pull qwen2.5:3b`, "
    "or `pip install xllamacpp` and name a GGUF file in `embedded.model_path`."
)


async def choose_backend(config: EngineConfig, *, emit: Callable[[Body], None]) -> ModelBackend:
    """The backend for `config`, ready to answer (the embedded one starts its child with the first request).

    Raises:
        EngineError: there is none; the message says what was tried, the remedy what to do.
    """
    match config.backend:
        case "ollama":
            return await _ollama(config, emit)
        case "openai":
            return await _openai(config, emit)
        case "embedded":
            return await _embedded(config, emit)
        case "auto":
            return await _best(config, emit)


async def _best(config: EngineConfig, emit: Callable[[Body], None]) -> ModelBackend:
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_S):
            return await _ollama(config, emit)
    except TimeoutError:
        tried = f"Ollama did not answer in time at {normalise_host(config.ollama_host)}."
    except EngineError as exc:
        if exc.code == "invalid_address":  # something that the person wrote; to pass over it would hide it
            raise
        tried = exc.message
    try:
        backend = await _embedded(config, emit)
    except EngineError as exc:
        # a wrong path is mended first; nothing need be installed for it
        remedy = exc.remedy if exc.code in FILE_PROBLEMS else _INSTALL
        raise ConfigurationError("no_backend", f"No model can answer. {tried} {exc.message}", remedy=remedy) from exc
    if (
        config.ollama_host.strip()
    ):  # named by the person, who would otherwise take the small model's answers for its own
        host = normalise_host(config.ollama_host)
        emit(BackendChanged(host, "ollama", "offline", tried, "The embedded model answers instead."))
    return backend


async def _ollama(config: EngineConfig, emit: Callable[[Body], None]) -> ModelBackend:
    backend = OllamaBackend(
        config.ollama_host,
        api_key=config.ollama_api_key,
        window=config.window,
        keep_alive=config.ollama_keep_alive,
        emit=emit,
    )
    try:
        usable = await _usable(backend, "Ollama", "Fetch one with `ollama pull qwen2.5:3b`.")
    except BaseException:
        await backend.aclose()
        raise
    emit(BackendChanged(backend.endpoint, backend.kind, "ready", f"Ollama with {usable}."))
    return backend


async def _openai(config: EngineConfig, emit: Callable[[Body], None]) -> ModelBackend:
    if not config.openai_base_url.strip():
        raise ConfigurationError(
            "openai_without_address",
            "The backend openai needs the address of a server.",
            remedy="Set `openai_base_url` (TINYLLM_OPENAI_BASE_URL), for instance to http://127.0.0.1:8080/v1.",
        )
    backend = OpenAIBackend(config.openai_base_url, api_key=config.openai_api_key)
    try:
        usable = await _usable(backend, "The server", "Start it with a chat model.")
    except BaseException:
        await backend.aclose()
        raise
    emit(BackendChanged(backend.endpoint, backend.kind, "ready", f"Server with {usable}."))
    return backend


async def _embedded(config: EngineConfig, emit: Callable[[Body], None]) -> ModelBackend:
    await asyncio.to_thread(check_embedded, config.embedded)
    return EmbeddedBackend(config.embedded, emit=emit)


async def _usable(backend: ModelBackend, service: str, remedy: str) -> str:
    """How many models of the backend answer questions, in words; raises where none does."""
    usable = [info for info in await backend.models() if can_chat(info)]
    if not usable:
        message = f"{service} at {backend.endpoint} has no model that answers questions."
        raise ConfigurationError("no_chat_model", message, remedy=remedy)
    return "1 model" if len(usable) == 1 else f"{len(usable)} models"
