"""Mutations of form: fields that are missing, unknown, misspelt, of a wrong type or out of their bounds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from tests.unit.graph.corpus.bases import Base
from tests.unit.graph.corpus.broken import Broken, Location, misspelt, put, remove, rename
from tests.unit.graph.corpus.spots import Kind, Spot, owners, spots

_ALIKE = 1
"""So many mutations are made of the same field in the same way; more would say nothing more."""

_WRONG: dict[Kind, list[tuple[Any, str]]] = {
    "text": [(5, "must be a text, not the number 5"), ([1], "must be a text, not a list")],
    "whole": [("many", "must be a whole number, not the text `many`"), (1.5, "must be a whole number")],
    "number": [("much", "must be a number, not the text `much`"), (False, "must be a number, not `false`")],
    "bool": [("yes", "must be true or false, not the text `yes`"), (1, "must be true or false")],
    "list": [("one", "must be a list, not the text `one`"), ({"a": 1}, "must be a list, not a mapping")],
    "mapping": [([1], "must be a mapping of fields, not a list"), ("x", "must be a mapping of fields, not the text")],
    "mixed": [([1], "must be"), (True, "must be")],
}
_OUTSIDE = {"ge": (-1, "at least"), "gt": (0, "more than"), "le": (1, "at most"), "lt": (0, "less than")}


def mutations(base: Base, seen: Counter[tuple[Any, ...]]) -> Iterator[Broken]:
    """The mutations of a graph.

    Args:
        base: the graph.
        seen: how many mutations alike there are by now; it is counted on.
    """
    for owner in owners(base.data):
        if _first((owner.model, "unknown field"), seen):
            place = (*owner.place, "surplus")
            yield Broken(base, "unknown field", place, put(place, 1), ("has no field `surplus`",), ("Remove it",))
    for spot in spots(base.data):
        for broken in _of_spot(base, spot):
            if _first((*spot.field, broken.kind, broken.label), seen):
                yield broken


def _first(what: tuple[Any, ...], seen: Counter[tuple[Any, ...]]) -> bool:
    seen[what] += 1
    return seen[what] <= _ALIKE


def _of_spot(base: Base, spot: Spot) -> Iterator[Broken]:
    place, wrong = spot.place, misspelt(spot.name)
    typo = (*place[:-1], wrong)
    words: tuple[str, ...] = (f"has no field `{wrong}`", _owner_name(base, place))
    yield Broken(base, "misspelt field", typo, rename(place, wrong), words, (f"`{spot.name}`",))
    if spot.info.is_required() and spot.name != "config":
        words = (f"needs the field `{spot.name}`", "" if spot.name in ("id", "name") else _owner_name(base, place))
        yield Broken(base, "missing field", place, remove(place), words, (f"Add `{spot.name}:`",))
    if not spot.optional and spot.name != "config":
        words = (_field_name(spot),)
        yield Broken(base, "empty value", place, put(place, None), words, ())
    yield from _wrong_types(base, spot)
    yield from _out_of_bounds(base, spot)


def _wrong_types(base: Base, spot: Spot) -> Iterator[Broken]:
    if spot.kind == "choice":
        wrong = misspelt(spot.value)
        words = (f"cannot be `{wrong}`", _field_name(spot))
        yield Broken(base, "misspelt value", spot.place, put(spot.place, wrong), words, (f"`{spot.value}`",))
        yield Broken(base, "wrong type", spot.place, put(spot.place, [1]), (_field_name(spot),), ())
        return
    for value, said in _WRONG[spot.kind]:
        if spot.kind == "mixed" and value is True and spot.name == "target":
            continue
        label = type(value).__name__
        expected = (said if spot.name != "version" else "must be a text", _field_name(spot))
        yield Broken(base, "wrong type", spot.place, put(spot.place, value), expected, (), label)
    if isinstance(spot.value, list) and spot.value and isinstance(spot.value[0], str):
        place = (*spot.place, 0)
        yield Broken(base, "wrong type of an item", place, put(place, 5), ("must be a text", f"`{spot.name}`"), ())


def _out_of_bounds(base: Base, spot: Spot) -> Iterator[Broken]:
    for bound, (step, said) in _OUTSIDE.items():
        limit = spot.limit(bound)
        if limit is not None:
            value = limit + step
            expected: tuple[str, ...] = (said, f"{limit}", _field_name(spot))
            yield Broken(base, "out of bounds", spot.place, put(spot.place, value), expected, (), bound)
    longest = spot.limit("max_length")
    if spot.kind == "text" and longest is not None:
        edit = put(spot.place, "x" * (longest + 1))
        expected = (f"at most {longest} characters", _field_name(spot))
        yield Broken(base, "too long", spot.place, edit, expected, ())
    if spot.limit("min_length") is not None and not isinstance(spot.value, str):
        edit = put(spot.place, [])
        yield Broken(base, "too few items", spot.place, edit, ("must be at least", _field_name(spot)), ())
    if spot.limit("pattern") is not None and isinstance(spot.value, str):
        words = ("cannot be `no such/name`", _field_name(spot))
        yield Broken(base, "bad characters", spot.place, put(spot.place, "no such/name"), words, ())
    if isinstance(spot.value, str) and spot.limit("min_length") is not None:
        yield Broken(base, "empty text", spot.place, put(spot.place, ""), (_field_name(spot),), ())


def _field_name(spot: Spot) -> str:
    """How a message has to call the field: by the last part of its dotted name."""
    return f"{spot.name}`"


def _owner_name(base: Base, place: Location) -> str:
    """Words that have to tell whose field it is: the id of the node, where it is in one."""
    if place[0] == "nodes" and len(place) > 2 and place[-1] != "id":
        return f"`{base.nodes[int(place[1])]['id']}`"
    return ""
