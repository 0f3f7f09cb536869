"""The reference of every node type and field, from the pydantic models."""

from __future__ import annotations

import inspect
import json
import re
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, JsonValue
from pydantic.fields import FieldInfo

from engine.graph.conditions import CHECKS, SCOPE_NAMES
from engine.graph.fields import NodeConfig
from engine.graph.spec import CONFIGS, AnyConfig, EdgeSpec, GraphSpec, NodeSpec, PromptSpec
from engine.tools.effect import Effect, Permission
from engine.tools.protocol import Tool
from engine.tools.registry import ToolRegistry

GRAPHS_MD = Path(__file__).parents[2] / "docs" / "graphs.md"
MARKER = "<!-- Made from the program by `uv run python -m tests.docs`; what follows is not written by hand. -->\n"

_WORDS: dict[Any, str] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    type(None): "null",
    JsonValue: "JSON value",
}
_EFFECTS: dict[Effect, str] = {
    "pure": "nothing",
    "reversible": "changes files, can be taken back",
    "irreversible": "cannot be taken back",
}
_PERMISSIONS: dict[Permission, str] = {
    "auto": "",
    "ask_call": "asks a person for each call",
    "ask_host": "asks a person once per host",
    "deny": "is never run unless the settings allow it",
}
_BOUNDS = {"ge": "at least {}", "gt": "more than {}", "le": "at most {}", "lt": "less than {}"}


def with_reference(document: str) -> str:
    """The document with everything after the marker made anew."""
    return document.partition(MARKER)[0] + MARKER + "\n" + reference()


def reference() -> str:
    """The reference, as Markdown."""
    sections = [
        _section("## The graph", GraphSpec),
        _section("## Nodes", NodeSpec),
        _section("### Every node", NodeConfig),
        *(_section(f"### `{name}`", model, skip=_common(model)) for name, model in CONFIGS.items()),
        _section("## Edges", EdgeSpec),
        _section("## Prompts", PromptSpec),
        _tools(),
        _names("## Names in conditions", SCOPE_NAMES, "{}"),
        _names("`mode: checks` of a gate adds", CHECKS | {"ok"}, "checks.{}"),
    ]
    return "\n".join(sections)


def _common(model: type[BaseModel]) -> set[str]:
    """The fields that a node type takes over from every node as they are."""
    return {name for name in NodeConfig.model_fields if name not in model.__annotations__}


def _names(heading: str, names: frozenset[str] | set[str], form: str) -> str:
    listed = ", ".join(f"`{form.format(name)}`" for name in sorted(names))
    return f"{heading}\n\n{listed}\n" if heading.startswith("#") else f"{heading} {listed}.\n"


def _tools() -> str:
    """The tools by their ids, as they describe themselves."""
    registry = ToolRegistry()
    lines = [
        "## Tools",
        "",
        "What `tool_id` and `tool_ids` may name. Arguments without a default are needed.",
        "",
        "| tool | arguments | what it does | effect |",
        "|---|---|---|---|",
    ]
    lines += [_tool_row(registry.get(name)) for name in registry.available()]
    return "\n".join(lines) + "\n"


def _tool_row(tool: Tool) -> str:
    fields = sorted(tool.Input.model_fields.items(), key=lambda each: not each[1].is_required())
    arguments = "<br>".join(_argument(name, field) for name, field in fields)
    effect = ", ".join(filter(None, (_EFFECTS[tool.effect], _PERMISSIONS[tool.permission])))
    return _cells(f"`{tool.id}`", arguments, _plain(tool.description), effect)


def _argument(name: str, field: FieldInfo) -> str:
    default = "" if field.is_required() else f", default `{_default(field)}`"
    about = f": {_plain(field.description)}" if field.description else ""
    return f"`{name}` ({_type(field.annotation, field.metadata)}{default}){about}"


def _plain(text: str) -> str:
    """A text that was not written as Markdown: outside of backticks nothing in it is markup."""
    parts = re.split("(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"[\\*_<\[\]]", r"\\\g<0>", part) for part in parts)


def _cells(*cells: str) -> str:
    """A row of a table."""
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _section(heading: str, model: type[BaseModel], skip: set[str] | None = None) -> str:
    """A heading, what the model is for, its fields, and the models that only it uses."""
    about = model.__dict__.get("__doc__") or ""
    lines = [heading, ""]
    if about:
        lines += [" ".join(inspect.cleandoc(about).split()), ""]
    fields = {name: field for name, field in model.model_fields.items() if name not in (skip or ())}
    if not fields:
        lines += ["It has no fields of its own.", ""]
    else:
        lines += ["| field | type | default | what it does |", "|---|---|---|---|"]
        lines += [_row(name, field) for name, field in fields.items()]
        lines.append("")
    text = "\n".join(lines)
    level = heading.split(" ")[0]
    for name, field in fields.items():
        for inner in _models_in(field.annotation):
            text += "\n" + _section(f"{level}# Fields of `{name}`" if level == "###" else f"### Under `{name}`", inner)
    return text


def _row(name: str, field: FieldInfo) -> str:
    assert field.description, f"{name} has no description"
    default = "needed" if field.is_required() else f"`{_default(field)}`"
    if field.annotation == AnyConfig:
        default = "`{}`"  # NodeSpec.__init__ fills it in
    return _cells(f"`{name}`", _type(field.annotation, field.metadata), default, field.description)


def _default(field: FieldInfo) -> str:
    return json.dumps(field.get_default(call_default_factory=True), ensure_ascii=False)  # type: ignore[call-arg]


def _type(annotation: Any, metadata: list[Any]) -> str:
    """A type with its bounds, in words."""
    bounds = ", ".join(_bounds(annotation, metadata))
    words = _type_words(annotation)
    return f"{words}, {bounds}" if bounds else words


def _type_words(annotation: Any) -> str:
    if annotation in _WORDS:
        return _WORDS[annotation]
    if annotation == AnyConfig:
        return "mapping"
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type_words(inner[0])
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in inner)
    if origin in (Union, types.UnionType):
        return " or ".join(_type_words(each) for each in inner if each is not type(None))
    if origin is list:
        return f"list of {_plural(_type_words(inner[0]))}"
    if origin is dict or (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        return "mapping"
    raise TypeError(f"no words for {annotation}")


def _plural(words: str) -> str:
    return words if words.startswith("`") else f"{words}s"


def _bounds(annotation: Any, metadata: list[Any]) -> Iterator[str]:
    """The bounds of a field; lengths of identifiers are said in the introduction."""
    is_list = list in (get_origin(annotation), *(get_origin(each) for each in get_args(annotation)))
    unit = "item" if is_list else "character"
    for bound in metadata:
        for key, words in _BOUNDS.items():
            if getattr(bound, key, None) is not None:
                yield words.format(f"{getattr(bound, key):,}")
        shortest, longest = getattr(bound, "min_length", None), getattr(bound, "max_length", None)
        if shortest and is_list:
            yield f"at least {shortest} {unit}{'' if shortest == 1 else 's'}"
        elif shortest:
            yield "not empty"
        if longest:
            yield f"at most {longest:,} {unit}s"


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Models inside a field's type that have no section of their own."""
    if annotation == AnyConfig:
        return
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if annotation not in (NodeSpec, EdgeSpec, PromptSpec, GraphSpec):
            yield annotation
        return
    for inner in get_args(annotation):
        yield from _models_in(inner)
