"""The benchmarks by name; each is a module here with `run(short) -> list[Figure]`."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from tests.benchmarks.measure import Figure

BENCHMARKS = (
    "executor",
    "fanout",
    "concurrency",
    "cancellation",
    "peers",
    "durable",
    "growth",
    "overhead",
    "durable_peers",
    "bus",
    "context",
    "recall",
    "breaker",
    "admission",
    "streamed_chunks",
    "embedded_model",
    "parallel_requests",
    "imports",
    "first_paint",
    "key_to_paint",
    "streaming",
    "replay",
    "resuming",
    "graph_drawing",
)


def load(name: str) -> Callable[[bool], list[Figure]]:
    """The benchmark of that name; its argument asks for the short form."""
    run: Callable[[bool], list[Figure]] = import_module(f"tests.benchmarks.{name}").run
    return run
