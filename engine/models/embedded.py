"""The embedded models: llama.cpp in supervised child processes, spoken to like any OpenAI-compatible server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

from engine.config import EmbeddedConfig
from engine.errors import ConfigurationError, EngineError, ErrorClass
from engine.events import BackendChanged, Body
from engine.message import replace_surrogates
from engine.models.embedded_children import Children
from engine.models.embedded_memory import MemoryUse
from engine.models.embedded_supervisor import Generation, Status, Timing
from engine.models.model_files import (
    BUNDLED_NAME,
    ModelFile,
    bundled_model,
    check_embedded,
    check_package,
    fetch_model,
    find_model,
    find_models,
    remove_model,
)
from engine.models.protocol import Capability, ChatRequest, Chunk, Health, ModelInfo, PullProgress

__all__ = ["BUNDLED_NAME", "EmbeddedBackend", "bundled_model", "check_embedded", "model_name"]

EMBED_BATCH = 32
"""Texts in one request: a few seconds of work of a small model, after which a cancelled caller is gone."""
_VERDICT_S = 2.0
"""Seconds in which a broken connection is found to be a dead child."""


def model_name(config: EmbeddedConfig) -> str:
    """What the default embedded model is called."""
    return BUNDLED_NAME if config.model_path is None else replace_surrogates(config.model_path.stem)


class EmbeddedBackend:
    """The embedded models.

    Each model has a child process of its own, and a second one for its embeddings; a child starts with the first
    request. The least recently used one ends where another one needs its memory; one that works is never ended.

    Args:
        config: which files, how large a window, how many requests at once, how much memory.
        emit: takes `BackendChanged` events, on the event loop.
        timing: when children are looked at, and the clock; for tests.
    """

    kind = "embedded"
    endpoint = "embedded"

    def __init__(self, config: EmbeddedConfig, *, emit: Callable[[Body], None], timing: Timing | None = None) -> None:
        self.model_name = model_name(config)
        self._config = config
        self._emit = emit
        self._children = Children(config, announce=self._announce, timing=timing or Timing())

    @property
    def pid(self) -> int | None:
        """Process id of the default model's running child; None where none runs."""
        return self._children.pid(self.model_name, "chat")

    async def chat(self, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        """Stream an answer; waits while the child (re)starts, and for room in memory."""
        model = await self._find(request.model)
        if model.embeds_only:
            raise ConfigurationError(
                "embedding_only",
                f"The model {model.name} only makes embeddings; it cannot answer.",
                remedy="Name another one: `models list` shows them.",
            )
        named = replace(request, model=model.name)
        async with (
            self._children.use(model, "chat") as generation,
            _explained(generation),
            aclosing(generation.client.chat(named)) as chunks,
        ):
            async for chunk in chunks:
                yield chunk

    async def embed(self, model: str, texts: Sequence[str]) -> list[list[float]]:
        """One vector per text, float32 values as the model makes them, not normalised; shape: texts x width.

        Of a model that answers, the vector is that of the text's last token; of one made for embeddings, what its file
        says. Every text must fit into the window.

        Raises:
            EngineError: INVALID_REQUEST for an empty text, CONTEXT_OVERFLOW for one that is too long.
        """
        if not texts:
            return []
        if not all(text.strip() for text in texts):
            raise EngineError(ErrorClass.INVALID_REQUEST, "empty_text", "An empty text has no embedding.")
        found = await self._find(model)
        vectors: list[list[float]] = []
        async with self._children.use(found, "embed") as generation, _explained(generation):
            for start in range(0, len(texts), EMBED_BATCH):
                vectors += await generation.client.embed(found.name, texts[start : start + EMBED_BATCH])
        return vectors

    async def models(self) -> list[ModelInfo]:
        """The models that there are, the default one first; no child is started for it."""
        return [self._described(model) for model in await asyncio.to_thread(self._models)]

    async def show(self, model: str) -> ModelInfo:
        """The model with its window; its child is started where that ends no other one."""
        found = await self._find(model)
        if not found.embeds_only and await self._children.fits(found, "chat"):
            async with self._children.use(found, "chat") as generation:
                shown = generation.shown
                return replace(self._described(found), window=shown.window, parameters_b=shown.parameters_b)
        return self._described(found)

    async def pull(self, model: str) -> AsyncGenerator[PullProgress, None]:
        """Fetch a model file: `hf:owner/repo/file.gguf` or an http(s) address, with `#sha256=...` where it is known.

        Raises:
            EngineError: it cannot be fetched; the remedy says what to do.
        """
        async with aclosing(fetch_model(self._config, model)) as steps:
            async for step in steps:
                yield step

    async def delete(self, model: str) -> None:
        """Remove a model that was fetched; its children end first.

        Raises:
            EngineError: it works just now, it is none of the folder of models, or the system refuses.
        """
        found = await self._find(model)
        async with self._children.without(found):
            await asyncio.to_thread(remove_model, found)

    async def memory(self) -> MemoryUse:
        """What the children take, and what they may take together."""
        return await self._children.memory()

    async def health(self) -> Health:
        """Whether the embedded model can answer; does not start it."""
        if self._children.closed:
            return Health(ok=False, detail="The embedded model was closed.")
        running = self._children.supervisor(self.model_name, "chat")
        try:
            if running is None:
                info = (await self.models())[0]
                return Health(ok=True, detail=f"The embedded model {info.name} starts with the first question.")
            if running.failure is not None:
                return Health(ok=False, detail=running.failure.message, remedy=running.failure.remedy)
            if not running.ready:
                return Health(ok=True, detail=f"The embedded model {self.model_name} is starting.")
            health = await (await running.generation()).client.health()
        except EngineError as exc:
            return Health(ok=False, detail=exc.message, remedy=exc.remedy)
        return replace(health, detail=f"The embedded model {self.model_name} runs.") if health.ok else health

    async def aclose(self) -> None:
        """End all children at once (a graceful end would wait for running answers)."""
        await self._children.aclose()

    # -- values --------------------------------------------------------------------------------------------------------

    def _models(self) -> list[ModelFile]:
        check_package()
        return find_models(self._config)

    async def _find(self, name: str) -> ModelFile:
        def find() -> ModelFile:
            check_package()
            return find_model(self._config, name)

        known = self._children.known(name)
        return await asyncio.to_thread(find) if known is None else known

    def _described(self, model: ModelFile) -> ModelInfo:
        abilities: set[Capability] = {"embed"} if model.embeds_only else {"chat", "json_schema", "embed"}
        return ModelInfo(
            model.name,
            size_bytes=model.header.size_bytes,
            parameters_b=model.parameters_b,
            quantization=model.header.quantization,
            family=model.header.architecture,
            digest=model.header.digest,
            window=model.window(self._config.window),
            capabilities=frozenset(abilities),
            loaded=self._children.pid(model.name, "chat") is not None
            or self._children.pid(model.name, "embed") is not None,
            path=model.path,
        )

    def _announce(self, status: Status, detail: str, remedy: str) -> None:
        self._emit(BackendChanged(self.endpoint, self.kind, status, detail, remedy))


@asynccontextmanager
async def _explained(generation: Generation) -> AsyncIterator[None]:
    """What a request is told whose child ends meanwhile."""
    try:
        yield
    except EngineError as exc:
        if exc.error_class not in {ErrorClass.CONNECTION, ErrorClass.PROTOCOL}:
            raise
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_VERDICT_S):
                await generation.process.wait()
        if generation.process.alive:
            raise
        raise EngineError(
            exc.error_class, "embedded_died", "The embedded model's process ended during the answer."
        ) from exc
