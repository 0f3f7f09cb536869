"""Which model answers which reference of a graph, fixed when a run begins."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from engine.config import EngineConfig
from engine.errors import EngineError
from engine.graph.inner_configs import AgentConfig
from engine.graph.spec import GateConfig, GraphSpec, ModelConfig, RouterConfig
from engine.models.catalogue import Tier, escalated, next_better, resolve
from engine.models.pool import Pool
from engine.models.protocol import Capability, ModelInfo

FRESH_S = 10.0
"""How long a list of installed models is believed."""
CAPABLE_B = 1.0
"""Billions of parameters from which on a model is asked for decisions."""


class Resolved:
    """What `resolve_models` found."""

    __slots__ = ("capabilities", "capable", "digests", "failures", "models", "windows")

    def __init__(self) -> None:
        self.models: dict[str, str] = {}
        self.failures: dict[str, EngineError] = {}
        self.windows: dict[str, int] = {}
        self.digests: dict[str, str] = {}
        self.capable: set[str] = set()
        self.capabilities: dict[str, frozenset[Capability]] = {}
        """Model -> what it can do, as its backend tells."""


def references(graph: GraphSpec) -> tuple[list[str], list[str]]:
    """(references without which the graph cannot run, those it can do without), each once; sub-graphs count too."""
    needed: list[str] = []
    optional: list[str] = []
    for node in graph.nodes:
        config = node.config
        if isinstance(config, ModelConfig | AgentConfig):
            needed.append(config.model)
            optional.extend(config.fallback_models)
        elif isinstance(config, RouterConfig):
            (needed if config.method == "model" else optional).append(config.model)
        elif isinstance(config, GateConfig) and config.mode in ("llm", "hybrid"):
            needed.append(config.model)
    for inside in graph.graphs.values():
        of_inside = references(inside)
        needed += of_inside[0]
        optional += of_inside[1]
    return list(dict.fromkeys(needed)), [name for name in dict.fromkeys(optional) if name not in needed]


class ModelDirectory:
    """The installed models of all endpoints, asked for at most every `FRESH_S` seconds."""

    def __init__(self, pool: Pool, *, now: Callable[[], float] = time.monotonic) -> None:
        self._pool = pool
        self._now = now
        self._listed: list[ModelInfo] | None = None
        self._listed_at = 0.0
        self._lock = asyncio.Lock()

    async def installed(self) -> list[ModelInfo]:
        """The installed models.

        Raises:
            EngineError: the backend cannot be asked.
        """
        async with self._lock:
            if self._listed is None or self._now() - self._listed_at > FRESH_S:
                self._listed = await self._pool.models()
                self._listed_at = self._now()
            return self._listed

    async def show(self, name: str) -> ModelInfo:
        """One model with the window that a request gets now.

        Raises:
            EngineError: the backend cannot be asked.
        """
        return await self._pool.show(name)


async def resolve_models(graph: GraphSpec, directory: ModelDirectory, config: EngineConfig) -> Resolved:
    """Resolve every model reference of a graph.

    Raises:
        EngineError: the backend cannot be asked, or a reference that the graph needs has no model.
    """
    needed, optional = references(graph)
    found = Resolved()
    if not needed and not optional:
        return found
    installed = await directory.installed()
    for reference in (*needed, *optional):
        try:
            model = resolve(reference, installed, overrides=config.roles, only=config.model).model
        except EngineError as error:
            if reference in needed:
                raise
            found.failures[reference] = error
            continue
        found.models[reference] = model
        await _look_at(model, found, directory, config)
        if config.model is None:  # else that one is what the person wants for every role
            await _escalate(reference, escalations(graph), installed, found, directory, config)
    return found


def escalations(graph: GraphSpec) -> int:
    """By how many steps the gates of a graph, and its nodes whose models fail, can raise roles in one run."""
    configs = [node.config for node in graph.nodes]
    own = sum(config.max_retries for config in configs if isinstance(config, GateConfig) and config.escalate)
    if any(isinstance(config, ModelConfig | AgentConfig) and config.escalate for config in configs):
        own += max(Tier)
    return own + max(map(escalations, graph.graphs.values()), default=0)


async def _escalate(
    reference: str,
    steps: int,
    installed: Sequence[ModelInfo],
    found: Resolved,
    directory: ModelDirectory,
    config: EngineConfig,
) -> None:
    """Resolve a role step by step higher, as far as there are better models: `@code+1`, `@code+2` ..."""
    model = found.models[reference]
    for step in range(1, steps + 1):
        better = next_better(reference, model, installed)
        if better is None:
            return
        model = found.models[escalated(reference, step)] = better.name
        await _look_at(model, found, directory, config)


async def _look_at(model: str, found: Resolved, directory: ModelDirectory, config: EngineConfig) -> None:
    """Note what a model is, once."""
    if model in found.windows:
        return
    info = await directory.show(model)
    found.windows[model] = info.window or config.window
    if info.digest:
        found.digests[model] = info.digest
    if (info.parameters_b or 0.0) >= CAPABLE_B:
        found.capable.add(model)
    found.capabilities[model] = info.capabilities
