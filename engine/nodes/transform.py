"""Transform: text and JSON transforms that need no model and decide at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from engine.graph.spec import TransformConfig
from engine.graph.templates import compile_template
from engine.message import Message
from engine.nodes.context import AsyncNode, InlineNode, NodeContext, Outcome
from engine.nodes.templates import fill_names, scope_of
from engine.nodes.transform_json import extract, parse, stringify, wrap
from engine.nodes.transform_lists import join, split
from engine.nodes.transform_regex import RegexNode
from engine.nodes.transform_template import TemplateNode


def make_transform_inline(config: TransformConfig) -> InlineNode | None:
    """The node, where the operation cannot hold up the loop."""
    return TransformNode(config) if config.operation in _OPERATIONS and not _is_rich(config) else None


def make_transform_async(config: TransformConfig) -> AsyncNode | None:
    """The node, where the operation runs a pattern or a program of the graph's author."""
    if config.operation.startswith("regex_"):
        return RegexNode(config)
    return TemplateNode(config) if _is_rich(config) else None


def _is_rich(config: TransformConfig) -> bool:
    return config.operation == "template" and compile_template(config.template or "").rich


class TransformNode:
    def __init__(self, config: TransformConfig) -> None:
        self._config = config

    def decide(self, ctx: NodeContext, message: Message) -> Outcome:
        """The transformed message.

        Raises:
            EngineError: invalid_output when the text is not what the operation needs.
        """
        return _OPERATIONS[self._config.operation](self._config, ctx, message)


def _truncate(config: TransformConfig, _ctx: NodeContext, message: Message) -> Outcome:
    return Outcome(content=message.content[: config.length])


def _template(config: TransformConfig, ctx: NodeContext, message: Message) -> Outcome:
    return Outcome(content=fill_names(compile_template(config.template or ""), scope_of(ctx, message)))


_Operation = Callable[[TransformConfig, NodeContext, Message], Outcome]

_OPERATIONS: Mapping[str, _Operation] = {
    "upper": lambda _config, _ctx, message: Outcome(content=message.content.upper()),
    "lower": lambda _config, _ctx, message: Outcome(content=message.content.lower()),
    "strip": lambda _config, _ctx, message: Outcome(content=message.content.strip()),
    "truncate": _truncate,
    "template": _template,
    "json_parse": lambda _config, _ctx, message: parse(message),
    "json_extract": lambda config, _ctx, message: extract(config, message),
    "json_wrap": lambda config, _ctx, message: wrap(config, message),
    "json_stringify": lambda config, _ctx, message: stringify(config, message),
    "split": lambda config, _ctx, message: split(config, message),
    "join": lambda config, _ctx, message: join(config, message),
}
