"""Where the fields of the specification stand in the values of a graph."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from engine.graph.spec import CONFIGS, GraphSpec, NodeSpec
from tests.unit.graph.corpus.broken import Location

Kind = Literal["text", "whole", "number", "bool", "list", "mapping", "choice", "mixed"]


@dataclass(frozen=True)
class Owner:
    """A mapping of a graph whose fields a pydantic model describes."""

    place: Location
    model: type[BaseModel]
    data: dict[str, Any]


@dataclass(frozen=True)
class Spot:
    """A field that is present in a graph."""

    place: Location
    model: type[BaseModel]
    name: str
    info: FieldInfo
    value: Any

    @property
    def field(self) -> tuple[str, str]:
        return self.model.__name__, self.name

    @property
    def kind(self) -> Kind:
        return _kind(self.info.annotation)

    @property
    def optional(self) -> bool:
        return type(None) in get_args(self.info.annotation)

    def limit(self, name: str) -> Any:
        """A bound of the value, such as `ge`; None where there is none."""
        alternatives = () if self.kind in ("list", "mapping") else get_args(self.info.annotation)
        candidates = [*self.info.metadata, *(m for each in alternatives for m in _metadata(each))]
        return next((getattr(each, name) for each in candidates if getattr(each, name, None) is not None), None)


def _metadata(annotation: Any) -> tuple[Any, ...]:
    found: list[Any] = []
    for each in getattr(annotation, "__metadata__", ()):
        found += each.metadata if isinstance(each, FieldInfo) else [each]
    return tuple(found)


def owners(data: dict[str, Any]) -> Iterator[Owner]:
    """Every mapping that has fields of its own, the outer ones first."""
    yield from _owners(GraphSpec, data, ())


def spots(data: dict[str, Any]) -> Iterator[Spot]:
    """Every field that is present."""
    for owner in owners(data):
        for name, value in owner.data.items():
            yield Spot((*owner.place, name), owner.model, name, owner.model.model_fields[name], value)


def _owners(model: type[BaseModel], data: dict[str, Any], place: Location) -> Iterator[Owner]:
    yield Owner(place, model, data)
    for name, value in data.items():
        inner: type[BaseModel] | None
        inner = CONFIGS[data["type"]] if (model, name) == (NodeSpec, "config") else _model(model.model_fields[name])
        if inner is not None:
            yield from _inside(inner, value, (*place, name), _depth(model.model_fields[name].annotation))


def _inside(model: type[BaseModel], value: Any, place: Location, depth: int) -> Iterator[Owner]:
    if depth and isinstance(value, list | dict):
        items = enumerate(value) if isinstance(value, list) else value.items()
        for key, each in items:
            yield from _inside(model, each, (*place, key), depth - 1)
    elif isinstance(value, dict):
        yield from _owners(model, value, place)


def _depth(annotation: Any) -> int:
    """How many lists or mappings stand around a model."""
    if get_origin(annotation) in (list, dict):
        return 1 + max(map(_depth, get_args(annotation)))
    return max(map(_depth, get_args(annotation)), default=0)


def _model(info: FieldInfo) -> type[BaseModel] | None:
    waiting = [info.annotation]
    while waiting:
        each = waiting.pop()
        if isinstance(each, type) and issubclass(each, BaseModel):
            return each
        waiting += get_args(each)
    return None


def _kind(annotation: Any) -> Kind:
    origin = get_origin(annotation)
    if origin is Literal:
        return "choice"
    plain = {str: "text", int: "whole", float: "number", bool: "bool"}
    if annotation in plain:
        return plain[annotation]  # type: ignore[return-value]
    if origin in (list, dict):
        return "list" if origin is list else "mapping"
    arguments = [each for each in get_args(annotation) if each is not type(None)]
    if hasattr(annotation, "__metadata__"):
        return _kind(arguments[0])
    if origin is Union or type(annotation).__name__ == "UnionType":
        kinds = {_kind(each) for each in arguments}
        return kinds.pop() if len(kinds) == 1 else "mixed"
    return "mapping"
