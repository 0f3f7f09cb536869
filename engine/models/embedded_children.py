"""The children of the embedded backend: started when they are needed, as many as fit into memory."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

from engine.config import EmbeddedConfig
from engine.errors import ConfigurationError, EngineError, ErrorClass
from engine.models.embedded_memory import (
    PROMPT_CACHE_MB,
    ChildMemory,
    MemoryUse,
    estimated_bytes,
    memory_bound,
    resident_bytes,
)
from engine.models.embedded_process import ChildSettings
from engine.models.embedded_supervisor import Announce, Generation, Status, Supervisor, Timing, closed
from engine.models.gguf import read_header
from engine.models.model_files import ModelFile
from engine.models.naming import full_name

Purpose = Literal["chat", "embed"]
_Key = tuple[str, Purpose]


@dataclass(slots=True, eq=False)
class _Child:
    model: ModelFile
    purpose: Purpose
    supervisor: Supervisor
    estimated: int
    """Bytes."""
    users: int = 0
    """Requests that it works on, or that wait for its start."""
    used: int = 0
    """Ordinal of the latest use, of all children."""


class Children:
    """All children, by model and purpose.

    A request for a model that is not loaded ends the least recently used idle children until its own fits; where all
    are busy it waits, and those that come later wait behind it, so that nobody waits for ever.
    """

    def __init__(self, config: EmbeddedConfig, *, announce: Announce, timing: Timing) -> None:
        self._config = config
        self._announce = announce
        self._timing = timing
        self._children: dict[_Key, _Child] = {}
        self._ending: list[Supervisor] = []
        """Of children that are being unloaded."""
        self._door = asyncio.Lock()
        """Held while a request waits for room: first come, first served."""
        self._released = asyncio.Event()
        self._uses = 0
        self._bound: int | None = None
        self.closed = False

    # -- what there is -------------------------------------------------------------------------------------------------

    def supervisor(self, name: str, purpose: Purpose) -> Supervisor | None:
        """Of a child that was started or given up."""
        child = self._children.get(_key(name, purpose))
        return None if child is None else child.supervisor

    def pid(self, name: str, purpose: Purpose) -> int | None:
        """Process id of a running child."""
        supervisor = self.supervisor(name, purpose)
        return None if supervisor is None or supervisor.process is None else supervisor.process.pid

    def known(self, name: str) -> ModelFile | None:
        """The file of a model that has a child."""
        for key in (_key(name, "chat"), _key(name, "embed")):
            child = self._children.get(key)
            if child is not None and child.supervisor.loaded:
                return child.model
        return None

    async def memory(self) -> MemoryUse:
        """What all children take."""
        children = [child for child in self._children.values() if child.supervisor.loaded]
        return MemoryUse(await self._limit(), tuple([await asyncio.to_thread(_measured, child) for child in children]))

    async def fits(self, model: ModelFile, purpose: Purpose) -> bool:
        """Whether a model is loaded, or can be without the end of another one. True also for one that is too large:
        who uses it hears of that."""
        child = self._children.get(_key(model.name, purpose))
        if child is not None and child.supervisor.loaded:
            return True
        needed, bound = self._estimated(model, purpose), await self._limit()
        return needed > bound or self._taken() + needed <= bound

    # -- use -----------------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def use(self, model: ModelFile, purpose: Purpose) -> AsyncIterator[Generation]:
        """A running child; it is not ended for another one while the block lasts.

        Raises:
            EngineError: the model is too large, its child cannot run, or all were closed.
        """
        child = await self._admitted(model, purpose)
        try:
            yield await child.supervisor.generation()
        finally:
            child.users -= 1
            self._released.set()

    @asynccontextmanager
    async def without(self, model: ModelFile) -> AsyncIterator[None]:
        """End the children of a model, and start none while the block lasts.

        Raises:
            EngineError: it is busy.
        """
        async with self._door:
            own = [child for child in self._children.values() if child.model.path == model.path]
            if any(child.users for child in own):
                raise EngineError(
                    ErrorClass.RESOURCE,
                    "model_busy",
                    f"The model {model.name} answers just now.",
                    remedy="Wait for the answer, or cancel the run.",
                )
            for child in own:
                await self._unload(child)
            yield

    async def aclose(self) -> None:
        """End all children at once."""
        self.closed = True
        self._released.set()
        supervisors = [child.supervisor for child in self._children.values()]
        await asyncio.gather(*(supervisor.aclose() for supervisor in supervisors + self._ending))

    async def _admitted(self, model: ModelFile, purpose: Purpose) -> _Child:
        async with self._door:
            child = self._children.get(_key(model.name, purpose))
            if child is None or not child.supervisor.loaded:
                await self._make_room(model, purpose)
            if self.closed:
                raise closed()
            if child is None:
                child = self._children[_key(model.name, purpose)] = self._new(model, purpose)
            child.users += 1
            self._uses += 1
            child.used = self._uses
            return child

    async def _make_room(self, model: ModelFile, purpose: Purpose) -> None:
        needed, bound = self._estimated(model, purpose), await self._limit()
        if needed > bound:
            raise EngineError(
                ErrorClass.RESOURCE,
                "model_too_large",
                f"The model {model.name} needs about {needed / 1e6:.0f} MB of memory, more than the "
                f"{bound / 1e6:.0f} MB that models may take.",
                remedy="Take a smaller model or a smaller `embedded.window` or `embedded.slots`, or raise "
                "`embedded.memory_mb` (TINYLLM_EMBEDDED__MEMORY_MB).",
            )
        while self._taken() + needed > bound and not self.closed:
            idle = [child for child in self._children.values() if child.supervisor.loaded and not child.users]
            if idle:
                oldest = min(idle, key=lambda child: child.used)
                await self._unload(oldest)
                self._announce("ready", f"{oldest.model.name} was unloaded to make room for {model.name}.", "")
                continue
            self._released.clear()
            await self._released.wait()

    async def _unload(self, child: _Child) -> None:
        self._children.pop(_key(child.model.name, child.purpose), None)
        self._ending.append(child.supervisor)
        await child.supervisor.aclose()
        self._ending.remove(child.supervisor)

    # -- values --------------------------------------------------------------------------------------------------------

    async def _limit(self) -> int:
        if self._bound is None:
            self._bound = await asyncio.to_thread(memory_bound, self._config.memory_mb)
        return self._bound

    def _taken(self) -> int:
        return sum(child.estimated for child in self._children.values() if child.supervisor.loaded)

    def _estimated(self, model: ModelFile, purpose: Purpose) -> int:
        window = model.window(self._config.window)
        if purpose == "embed":
            return estimated_bytes(model.header, window, 1, prompt_cache=False)
        return estimated_bytes(model.header, window, self._config.slots, prompt_cache=True)

    def _new(self, model: ModelFile, purpose: Purpose) -> _Child:
        supervisor = Supervisor(
            model.name,
            self._settings(model, purpose),
            announce=self._announcer(purpose),
            timing=self._timing,
        )
        return _Child(model, purpose, supervisor, self._estimated(model, purpose))

    def _announcer(self, purpose: Purpose) -> Announce:
        """What a child says of itself is the backend's state, unless another one answers, or it makes embeddings."""

        def announce(status: Status, detail: str, remedy: str) -> None:
            others = sum(child.supervisor.ready for child in self._children.values() if child.purpose == "chat")
            if purpose == "embed" or (status == "offline" and others):
                if status in {"restarting", "offline"}:
                    who = "The embedder: " if purpose == "embed" else ""
                    self._announce("ready", f"{who}{detail}", remedy)
                return
            self._announce(status, detail, remedy)

        return announce

    def _settings(self, model: ModelFile, purpose: Purpose) -> Callable[[str], ChildSettings]:
        def settings(key: str) -> ChildSettings:
            _look_at(model)
            threads, batch_threads = self._threads(purpose)
            chats = purpose == "chat"
            return ChildSettings(
                path=str(model.path),
                alias=model.name,
                window=model.window(self._config.window),
                # texts that share a batch would change each other's vectors a little: one after the other
                slots=self._config.slots if chats else 1,
                threads=threads,
                batch_threads=batch_threads,
                api_key=key,
                embedding=not chats,
                pooling="" if chats or model.embeds_only else "last",
                prompt_cache_mb=PROMPT_CACHE_MB if chats else 0,
                remedy=_remedy(model),
            )

        return settings

    def _threads(self, purpose: Purpose) -> tuple[int, int]:
        """(threads for single tokens, threads for prompts) of a child that starts now.

        One core stays free: with all of them, spinning threads stall whenever anything else runs. Chat models share the
        others by how many are loaded. An embedder works beside an answer: it has all where its threads hardly spin (see
        `SPINS` of its process), else half.
        """
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        if purpose == "embed":
            share = 1 if sys.platform == "linux" else 2
            return (max(1, cores // share),) * 2
        children = tuple(self._children.values())  # this is a thread; the loop goes on
        loaded = sum(child.purpose == "chat" and child.supervisor.loaded for child in children)
        share = max(1, loaded)  # the one that starts is among them
        return self._config.threads or max(1, (cores - 1) // share), max(1, cores // share)


def _look_at(model: ModelFile) -> None:
    """Whether the file is still a model: it may be gone by now, which is told better here than by the child.

    Raises:
        ConfigurationError: it is not.
    """
    try:
        read_header(model.path)
    except ConfigurationError as error:
        if model.origin != "folder":
            raise
        raise ConfigurationError(error.code, error.message, remedy=_remedy(model)) from error


def _remedy(model: ModelFile) -> str:
    """What a person does about a file that cannot be loaded."""
    if model.origin == "folder":
        return f"`models rm {model.name}` removes it, `models use OTHER` lets another model answer."
    return "correct `embedded.model_path`, or lower `embedded.window`."


def _key(name: str, purpose: Purpose) -> _Key:
    return full_name(name).casefold(), purpose


def _measured(child: _Child) -> ChildMemory:
    process = child.supervisor.process
    pid = None if process is None else process.pid
    resident = None if pid is None else resident_bytes(pid)
    return ChildMemory(child.model.name, child.purpose, pid, child.estimated, resident)
