"""The engine: graphs of small local language models with transactional reliability.

    async with engine.open(data_dir=..., backend="auto") as eng:
        graph = engine.load_graph("multi_domain")
        run = eng.start(graph, "What is 2 + 2?")
        async for event in run.events(): ...
        result = await run.result()

Names are imported when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.config import EngineConfig as EngineConfig
    from engine.errors import ConfigurationError as ConfigurationError
    from engine.errors import EngineError as EngineError
    from engine.errors import ErrorClass as ErrorClass
    from engine.errors import ErrorInfo as ErrorInfo
    from engine.graph.loader import load_graph as load_graph
    from engine.graph.spec import GraphSpec as GraphSpec
    from engine.run.engine import Engine as Engine
    from engine.run.engine import open as open  # noqa: A004
    from engine.run.result import Result as Result
    from engine.run.run import Run as Run
    from engine.view import View as View

_NAMES = {
    "ConfigurationError": ("engine.errors", "ConfigurationError"),
    "Engine": ("engine.run.engine", "Engine"),
    "EngineConfig": ("engine.config", "EngineConfig"),
    "EngineError": ("engine.errors", "EngineError"),
    "ErrorClass": ("engine.errors", "ErrorClass"),
    "ErrorInfo": ("engine.errors", "ErrorInfo"),
    "GraphSpec": ("engine.graph.spec", "GraphSpec"),
    "Result": ("engine.run.result", "Result"),
    "Run": ("engine.run.run", "Run"),
    "View": ("engine.view", "View"),
    "load_graph": ("engine.graph.loader", "load_graph"),
    "open": ("engine.run.engine", "open"),
}

__all__ = sorted(_NAMES)


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module 'engine' has no attribute {name!r}")
    module, attribute = _NAMES[name]
    value = getattr(import_module(module), attribute)
    globals()[name] = value
    return value
