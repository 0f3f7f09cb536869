"""Transform: text and JSON transforms that need no model."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from engine.errors import EngineError, ErrorClass
from engine.graph.spec import TransformConfig
from engine.message import Message
from engine.nodes.context import NodeContext, Outcome
from engine.nodes.json_values import parse_json

MAX_FILLED = 1_000_000
"""Characters of a filled template: in a loop each filling could double the last."""

_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_.]*)\}")


class TransformNode:
    def __init__(self, config: TransformConfig) -> None:
        self._config = config

    def decide(self, ctx: NodeContext, message: Message) -> Outcome:
        """The transformed message.

        Raises:
            EngineError: invalid_output when the text is not what the operation needs.
        """
        return _OPERATIONS[self._config.operation](self._config, ctx, message)


def _truncate(config: TransformConfig, ctx: NodeContext, message: Message) -> Outcome:  # noqa: ARG001
    return Outcome(content=message.content[: config.length])


def _template(config: TransformConfig, ctx: NodeContext, message: Message) -> Outcome:
    """Fill `{content}`, `{question}`, `{vars.name}` and `{data.name}`; one pass, so what is filled in is never
    expanded."""
    scope = {"content": message.content, "question": ctx.question, "data": message.data, "vars": ctx.variables}
    pieces, size, end = list[str](), 0, 0
    template = config.template or ""
    for match in _PLACEHOLDER.finditer(template):
        pieces += (template[end : match.start()], _text(dotted(scope, match[1])))
        size, end = size + len(pieces[-2]) + len(pieces[-1]), match.end()
        if size > MAX_FILLED:
            raise EngineError(
                ErrorClass.INVALID_OUTPUT,
                "template_too_long",
                f"The filled template is longer than {MAX_FILLED:,} characters.",
                remedy="Fill in less, or truncate it before.",
            )
    return Outcome(content="".join((*pieces, template[end:])))


def _parse(text: str) -> Any:
    remedy = "Give the model node before it an output_schema."
    return parse_json(text, code="not_json", message="The text is not JSON.", remedy=remedy)


def _json_parse(config: TransformConfig, ctx: NodeContext, message: Message) -> Outcome:  # noqa: ARG001
    return Outcome(content=message.content, data={"json": _parse(message.content)})


def _json_extract(config: TransformConfig, ctx: NodeContext, message: Message) -> Outcome:  # noqa: ARG001
    return Outcome(content=_text(dotted(_parse(message.content), config.path or "")))


def dotted(value: Any, path: str) -> Any:
    """The value at a dotted path through objects (by name) and lists (by number).

    Raises:
        EngineError: invalid_output when there is nothing at the path.
    """
    here = value
    for part in filter(None, path.split(".")):
        try:
            here = here[int(part)] if isinstance(here, list) else here[part]
        except (KeyError, IndexError, ValueError, TypeError) as exc:
            raise EngineError(
                ErrorClass.INVALID_OUTPUT,
                "nothing_at_path",
                f"There is nothing at {path!r} ({part!r} is missing).",
                remedy="Correct the path in the graph.",
            ) from exc
    return here


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


_Operation = Callable[[TransformConfig, NodeContext, Message], Outcome]

_OPERATIONS: Mapping[str, _Operation] = {
    "upper": lambda _config, _ctx, message: Outcome(content=message.content.upper()),
    "lower": lambda _config, _ctx, message: Outcome(content=message.content.lower()),
    "strip": lambda _config, _ctx, message: Outcome(content=message.content.strip()),
    "truncate": _truncate,
    "template": _template,
    "json_parse": _json_parse,
    "json_extract": _json_extract,
}
