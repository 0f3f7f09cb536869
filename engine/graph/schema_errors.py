"""From pydantic's errors about a graph to problems in a person's words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from engine.graph.problems import Location, Problem, choose_from, nearest, shorten
from engine.graph.spec import CONFIGS, GraphSpec, NodeSpec

_KINDS = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "a text",
    "list_type": "a list",
    "dict_type": "a mapping of fields",
    "model_type": "a mapping of fields",
    "finite_number": "a finite number",
}
_LIMITS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("more than", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("less than", "lt"),
    "too_short": ("at least", "min_length"),
    "string_too_long": ("at most", "max_length"),
}
_MOST = 100
"""Errors that are told at once; a file with more of them is no graph with a mistake in it."""
_ALTERNATIVES = {"int_type": "int", "string_type": "str"}
"""Where a field may be of several types pydantic has an error for each, at the name of the type inside of the field."""
_VERSION = "Write it as x.y.z, such as 1.0.0."
_REMEDIES = {
    "bool_type": "Write true or false, without quotes.",
    "int_type": "Write plain digits, without quotes or leading zeros.",
    "float_type": "Write a plain number, without quotes.",
    "string_type": "Put the value in quotes.",
    "list_type": "Write one `- item` per line, or [a, b].",
}


def schema_problems(
    error: ValidationError, data: Mapping[str, Any], root: type[BaseModel] = GraphSpec
) -> list[Problem]:
    """The problems that a validation error of a graph (or of another `root`) stands for; locations are paths into
    `data`."""
    found = error.errors(include_url=False, include_context=True)[:_MOST]
    details = [(tuple(each["loc"]), each) for each in found]
    places = {location for location, _ in details}
    misspelt = {
        (*location[:-1], nearest(location[-1], _fields_at(location[:-1], data, root)))
        for location, detail in details
        if detail["type"] == "extra_forbidden"
    } - {location for location, detail in details if detail["type"] != "missing"}
    problems = []
    for location, detail in details:
        if location and _ALTERNATIVES.get(detail["type"]) == location[-1]:
            location = location[:-1]
            kinds = " or ".join(_KINDS[kind] for kind, name in _ALTERNATIVES.items() if (*location, name) in places)
            message = f"{describe(location, data, root)} must be {kinds}, not {_quoted(detail['input'])}."
            problems.append(_at(location, message, "Correct the value."))
            continue
        # a field under a wrong name is missing under its own; that, and what follows from it, is the same mistake
        if _follows_from_unknown_type(location, data) or any(location[: len(each)] == each for each in misspelt):
            continue
        problems.append(_problem(detail, location, data, root))
    return list(dict.fromkeys(problems))


def _follows_from_unknown_type(location: Location, data: Mapping[str, Any]) -> bool:
    """Without a known type nothing can be said about a config: pydantic then complains once per type."""
    if len(location) < 3 or location[0] != "nodes" or location[2] != "config":
        return False
    node = data["nodes"][location[1]]
    return isinstance(node, dict) and not (isinstance(node.get("type"), str) and node["type"] in CONFIGS)


def _problem(detail: ErrorDetails, location: Location, data: Mapping[str, Any], root: type[BaseModel]) -> Problem:
    kind, value, context = detail["type"], detail.get("input"), detail.get("ctx", {})
    owner = describe(location[:-1], data, root)
    where = describe(location, data, root)
    name = str(location[-1]) if location else "graph"
    if kind == "extra_forbidden":
        fields = _fields_at(location[:-1], data, root)
        remedy = choose_from(name, fields) if nearest(name, fields) else f"Remove it. {choose_from(name, fields)}"
        return _at(location, f"{owner} has no field `{shorten(name)}`.", remedy)
    if kind == "missing":
        return _at(location, f"{owner} needs the field `{name}`.", f"Add `{name}:`.")
    if kind == "literal_error":
        choices = re.findall(r"'([^']*)'", str(context.get("expected", "")))
        given = "empty" if value is None else f"`{shorten(value)}`"
        return _at(location, f"{where} cannot be {given}.", choose_from(value, choices))
    if kind in _KINDS:
        if name == "version":
            return _at(location, f"{where} must be a text such as 1.0.0, not {_quoted(value)}.", _VERSION)
        message = f"{where} must be {_KINDS[kind]}, not {_quoted(value)}."
        return _at(location, message, _REMEDIES.get(kind, "Indent its fields under it."))
    if kind in _LIMITS:
        words, key = _LIMITS[kind]
        unit = " items" if kind == "too_short" else " characters" if kind == "string_too_long" else ""
        return _at(location, f"{where} must be {words} {context.get(key)}{unit}.", "Correct the value.")
    if kind in ("string_pattern_mismatch", "string_too_short"):
        remedy = (
            _VERSION
            if name == "version"
            else ("Use letters, digits, `_`, `-` and `.`, beginning with a letter or `_`.")
        )
        return _at(location, f"{where} cannot be `{shorten(value)}`.", remedy)
    return _at(location, f"{where} is not valid: {shorten(detail['msg'], 120)}.", "Correct the value.")


def _at(location: Location, message: str, remedy: str) -> Problem:
    return Problem("", 0, 0, message, remedy, location)


def _quoted(value: Any) -> str:
    if value is None:
        return "empty"
    if isinstance(value, str):
        return f"the text `{shorten(value)}`"
    names = {dict: "a mapping", list: "a list", bool: "true or false", int: "the number ", float: "the number "}
    word = names.get(type(value), type(value).__name__)
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"{word}{value}" if word.endswith(" ") else word


def describe(location: Location, data: Any, root: type[BaseModel] = GraphSpec) -> str:
    """A location in words: ``The field `target` of route `code` of node `router` ``; the graph itself at the root."""
    owners: list[str] = []
    fields: list[str] = []
    value = data
    for index, part in enumerate(location):
        value = _step(value, part)
        if isinstance(part, int):
            list_name = str(location[index - 1]) if index else "list"
            owners.append(_item_name(list_name, part, value))
            fields.clear()
        else:
            fields.append(part)
    subject = [f"field `{'.'.join(map(shorten, fields))}`"] if fields else []
    text = " of ".join(subject + owners[::-1])
    if text.startswith("item "):
        return f"I{text[1:]}"
    return f"The {text}" if text else f"The {root.__name__.removesuffix('Spec').lower()}"


def _item_name(list_name: str, ordinal: int, value: Any) -> str:
    singular = {"nodes": "node", "edges": "edge", "routes": "route", "conditions": "condition"}.get(list_name)
    if singular is None:
        return f"item {ordinal + 1} of `{shorten(list_name)}`"
    if isinstance(value, dict):
        label = value.get("id") or value.get("name")
        if singular == "edge" and "from_node" in value:
            label = f"{value['from_node']} -> {value.get('to_node', '?')}"
        if isinstance(label, str):
            return f"{singular} `{shorten(label)}`"
    return f"{singular} number {ordinal + 1}"


def _step(value: Any, part: str | int) -> Any:
    try:
        return value[part]
    except (LookupError, TypeError):
        return None


def _fields_at(location: Location, data: Mapping[str, Any], root: type[BaseModel]) -> list[str]:
    """Names of the fields that the model at a location has."""
    model: type[BaseModel] | None = root
    value: Any = data
    around = 0  # lists and mappings of names that are left around the values of the model
    for part in location:
        if around:
            around -= 1
        elif model is NodeSpec and part == "config":
            kind = value.get("type") if isinstance(value, dict) else None
            model = CONFIGS.get(str(kind))
        elif model is not None:
            field = model.model_fields.get(str(part))
            model = _model_in(field.annotation) if field else None
            around = _containers(field.annotation) if field else 0
        value = _step(value, part)
    return list(model.model_fields) if model is not None else []


def _containers(annotation: Any) -> int:
    inner = max(map(_containers, get_args(annotation)), default=0)
    return inner + 1 if get_origin(annotation) in (list, dict) else inner


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in get_args(annotation):
        found = _model_in(argument)
        if found is not None:
            return found
    return None
