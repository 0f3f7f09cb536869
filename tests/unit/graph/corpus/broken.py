"""A broken graph: a valid one with one mutation, and what has to be said about it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import yaml

from tests.unit.graph.corpus.bases import Base, write

Location = tuple[str | int, ...]


@dataclass(frozen=True)
class Broken:
    """One mutation of one graph."""

    base: Base
    kind: str
    """What is wrong, such as `dangling edge`; the same for all mutations that are alike."""
    place: Location
    """Where the problem has to be said to be: a path in the mutated graph."""
    edit: Callable[[dict[str, Any]], object]
    """Makes the mutation in a copy of the graph's values."""
    words: tuple[str, ...]
    """What the message must contain."""
    remedy: tuple[str, ...] = ()
    """What the remedy must contain."""
    label: str = ""
    """Tells mutations of the same kind at the same place apart."""

    @property
    def name(self) -> str:
        parts = [self.base.name, self.kind, ".".join(map(str, self.place)), self.label]
        return "-".join(part for part in parts if part).replace(" ", "_")

    @cached_property
    def data(self) -> dict[str, Any]:
        data = copy.deepcopy(self.base.data)
        self.edit(data)
        assert repr(data) != repr(self.base.data), f"{self.name} changes nothing"
        return data

    @cached_property
    def text(self) -> str:
        return write(self.data)

    @property
    def lines(self) -> range:
        """The lines, counted from 1, on which the value at `place` stands, or the nearest one around it."""
        return lines_of(self.text, self.place)


def lines_of(text: str, place: Location) -> range:
    """The lines of the value at a path of a YAML text, its key included. Found by PyYAML alone, without the engine."""
    node = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    assert node is not None
    start, end = node.start_mark, node.end_mark
    for part in place:
        found = _step(node, part)
        if found is None:
            break
        start, node = found
        end = node.end_mark
    # the end of a block stands at the beginning of what follows it
    last = end.line if end.column == 0 and end.line > start.line else end.line + 1
    return range(start.line + 1, max(last, start.line + 1) + 1)


def _step(node: yaml.Node, part: str | int) -> tuple[yaml.Mark, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        return next(((key.start_mark, value) for key, value in node.value if key.value == str(part)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part].start_mark, node.value[part]
    return None


def value_at(data: Any, place: Location) -> Any:
    """The value at a path."""
    for part in place:
        data = data[part]
    return data


def put(place: Location, value: Any) -> Callable[[dict[str, Any]], None]:
    """An edit that sets the value at a path."""

    def edit(data: dict[str, Any]) -> None:
        value_at(data, place[:-1])[place[-1]] = value

    return edit


def remove(*places: Location) -> Callable[[dict[str, Any]], None]:
    """An edit that removes what is at some paths."""

    def edit(data: dict[str, Any]) -> None:
        for place in sorted(places, key=str, reverse=True):
            del value_at(data, place[:-1])[place[-1]]

    return edit


def append(place: Location, *values: Any) -> Callable[[dict[str, Any]], None]:
    """An edit that appends to the list at a path."""
    return lambda data: value_at(data, place).extend(values)


def rename(place: Location, name: str) -> Callable[[dict[str, Any]], None]:
    """An edit that gives the field at a path another name, at the same place in its mapping."""

    def edit(data: dict[str, Any]) -> None:
        owner = value_at(data, place[:-1])
        items = [(name if key == place[-1] else key, value) for key, value in owner.items()]
        owner.clear()
        owner.update(items)

    return edit


def both(*edits: Callable[[dict[str, Any]], object]) -> Callable[[dict[str, Any]], None]:
    """Several edits, in this order."""

    def edit(data: dict[str, Any]) -> None:
        for each in edits:
            each(data)

    return edit


def misspelt(name: str) -> str:
    """A name with its last letter twice."""
    return name + name[-1]
