"""Checks of a transform's config: the fields that its operation needs and takes, its template, pattern and path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from engine.errors import EngineError
from engine.graph.fields import NodeConfig
from engine.graph.patterns import compile_pattern
from engine.graph.problems import Location, Problem, choose_from, shorten
from engine.graph.spec import NodeSpec, TransformConfig
from engine.graph.templates import template_problems

_FIELDS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "truncate": (("length",), ()),
    "template": (("template",), ()),
    "json_extract": (("path",), ("default",)),
    "json_wrap": (("key",), ()),
    "json_stringify": ((), ("path", "indent")),
    "regex_extract": (("pattern",), ("group", "default", "ignore_case")),
    "regex_replace": (("pattern",), ("replacement", "ignore_case")),
    "split": ((), ("separator", "length")),
    "join": ((), ("separator", "path")),
}
"""Operation -> (fields that it needs, fields that it may have); the others have none."""


def check_transform(config: TransformConfig, at: Location, node: NodeSpec) -> Iterator[Problem]:
    """The problems of a transform's config.

    Args:
        config: the config.
        at: its location.
        node: the node that it is part of.
    """
    yield from _fields(config, at, node)
    if config.template is not None:
        for message, remedy in template_problems(config.template):
            yield Problem("", 0, 0, f"The template of node `{node.id}` {message}.", remedy, (*at, "template"))
    if config.path is not None and not all(part.strip() for part in config.path.split(".")):
        message = f"The path `{shorten(config.path)}` of node `{node.id}` has an empty part."
        remedy = "Write names with single dots between them, such as answer.text."
        yield Problem("", 0, 0, message, remedy, (*at, "path"))
    if config.operation == "split" and config.separator == "":
        message = f"The separator of node `{node.id}` is empty."
        yield Problem("", 0, 0, message, "Write what stands between the pieces, or leave it out.", (*at, "separator"))
    if config.pattern is not None:
        yield from _pattern(config, at, node)


def _fields(config: TransformConfig, at: Location, node: NodeSpec) -> Iterator[Problem]:
    needed, optional = _FIELDS.get(config.operation, ((), ()))
    for field in needed:
        if getattr(config, field) is None:
            message = f"The operation `{config.operation}` of node `{node.id}` needs the field `{field}`."
            yield Problem("", 0, 0, message, f"Add `{field}:` to its config.", (*at, "operation"))
    own = set(TransformConfig.model_fields) - set(NodeConfig.model_fields) - {"operation", *needed, *optional}
    for field in sorted(own):
        if getattr(config, field) != TransformConfig.model_fields[field].default:
            message = f"The operation `{config.operation}` of node `{node.id}` does not use the field `{field}`."
            yield Problem("", 0, 0, message, "Remove it, or choose another operation.", (*at, field))


def _pattern(config: TransformConfig, at: Location, node: NodeSpec) -> Iterator[Problem]:
    try:
        pattern = compile_pattern(config.pattern or "", ignore_case=config.ignore_case)
    except EngineError as error:
        message = f"In node `{node.id}`: {error.message}"
        yield Problem("", 0, 0, message, "Correct it.", (*at, "pattern"))
        return
    if isinstance(config.group, str) and config.group not in pattern.groupindex:
        message = f"The pattern of node `{node.id}` has no group named `{shorten(config.group)}`."
        yield Problem("", 0, 0, message, choose_from(config.group, pattern.groupindex), (*at, "group"))
    elif isinstance(config.group, int) and not 0 <= config.group <= pattern.groups:
        message = f"The pattern of node `{node.id}` has no group {config.group}: it has {pattern.groups}."
        yield Problem("", 0, 0, message, "Choose one of them, or 0 for all that was found.", (*at, "group"))
