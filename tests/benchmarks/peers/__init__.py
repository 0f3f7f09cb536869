"""Side by side: the same graphs in this engine and in LangGraph, pydantic-graph and Burr, in turns in one process.

The peers are the optional dependency group `peers`: `uv run --group peers python -m tests.benchmarks --only peers`. One
that is not installed gets a row that says so. Each is used as its own documentation does it: the graph is made and
compiled once, before the clock starts; no checkpointer, no persistence, no tracing.
"""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from unittest import mock

from tests.benchmarks.measure import Figure, alternate_async, spread
from tests.benchmarks.peers.contender import Contender, Scenario

PEERS = {"LangGraph": "langgraph", "pydantic-graph": "pydantic-graph", "Burr": "apache-burr"}
"""Name -> distribution; the module here is named after the name."""
OURS = "tinyllm-tui"
VISITS = 1000
"""Nodes in one sample, whatever the size of the graph."""
QUIET = {"LANGSMITH_TRACING": "false", "LANGCHAIN_TRACING_V2": "false"}
"""Keeps a tracer out of the measurement that the environment may ask for."""

SCENARIOS = (Scenario("chain", 10), Scenario("chain", 100), Scenario("chain", 1000), Scenario("fan-out", 100))
SHORT = (Scenario("chain", 10), Scenario("fan-out", 10))


def run(short: bool) -> list[Figure]:
    installed, missing = _look()
    with mock.patch.dict(os.environ, QUIET):
        modules = [(OURS, "tinyllm"), *((f"{name} {installed[name]}", _module(name)) for name in installed)]
        figures = []
        for scenario in SHORT if short else SCENARIOS:
            contenders = [
                each
                for label, module in modules
                for each in import_module(f"{__name__}.{module}").contenders(label, scenario)
            ]
            figures += asyncio.run(_measure(scenario, contenders, 1 if short else 5, 100 if short else VISITS))
    return figures + [_missing(name) for name in missing]


def _look() -> tuple[dict[str, str], list[str]]:
    """Versions of the peers that are installed, and the names of those that are not."""
    installed: dict[str, str] = {}
    missing = []
    for name, distribution in PEERS.items():
        try:
            installed[name] = version(distribution)
        except PackageNotFoundError:
            missing.append(name)
    return installed, missing


def _module(name: str) -> str:
    return name.lower().replace("-", "_")


def _missing(name: str) -> Figure:
    how = "not installed; `uv run --group peers python -m tests.benchmarks` installs it and measures it"
    return Figure(f"side by side: {name}", "us", None, how)


async def _measure(scenario: Scenario, contenders: Sequence[Contender], rounds: int, visits: int) -> list[Figure]:
    """One line for each contender; a peer's baseline is this engine with nodes of the same kind."""
    times = max(1, visits // scenario.size)
    takes = [lambda each=each: each.cpu_of_run(times) for each in contenders]
    gc.collect()
    gc.freeze()  # what everybody has imported is on nobody's account
    try:
        samples = await alternate_async(rounds, *takes)
    finally:
        gc.unfreeze()
    per_node = [spread([seconds / scenario.size for seconds in found]) for found in samples]
    ours = {each.waiting: found for each, found in zip(contenders, per_node, strict=True) if each.label == OURS}
    return [
        Figure(
            f"side by side, {scenario.kind} of {scenario.size:,}, per {scenario.unit}: {each.label}, {each.way}",
            "us",
            found,
            f"CPU time of a whole run / {scenario.size:,}; {each.how}",
            None,
            None if each.label == OURS else ours[each.waiting],
            "" if each.label == OURS else f"{OURS}, {'as task' if each.waiting else 'inline'}",
        )
        for each, found in zip(contenders, per_node, strict=True)
    ]
