"""Every field that a graph file can have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel

from engine.graph.fields import NodeConfig
from engine.graph.spec import CONFIGS, GraphSpec


def all_fields() -> set[tuple[str, str]]:
    """(type of node or name of model, field): each type of node has all its fields, those of every node too."""
    types: dict[type[BaseModel], str] = {model: name for name, model in CONFIGS.items()}
    models = [*types, *(model for model in _reached(GraphSpec, set()) if not issubclass(model, NodeConfig))]
    return {(types.get(model, model.__name__), name) for model in models for name in model.model_fields}


def _reached(model: type[BaseModel], seen: set[type[BaseModel]]) -> Iterator[type[BaseModel]]:
    """A model and all that its fields lead to."""
    if model in seen:
        return
    seen.add(model)
    yield model
    for field in model.model_fields.values():
        for inner in _models_in(field.annotation):
            yield from _reached(inner, seen)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)
