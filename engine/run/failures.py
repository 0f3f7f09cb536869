"""Whatever a node raises, as an error that names the node."""

from __future__ import annotations

from engine.errors import EngineError, classify


def failed(exc: BaseException, path: str) -> EngineError:
    """Any exception as an `EngineError` that names the node."""
    error = classify(exc)
    if not error.node:
        error.node = path
    return error
