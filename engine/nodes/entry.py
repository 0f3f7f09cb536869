"""Entry: checks what comes in before anything is spent on it."""

from __future__ import annotations

from typing import Any

from engine.errors import EngineError, ErrorClass
from engine.graph.json_schema import check_schema
from engine.graph.spec import EntryConfig, GraphSpec, TransformConfig
from engine.message import Message, estimate_tokens
from engine.nodes.context import NodeContext, Outcome


class EntryNode:
    def __init__(self, config: EntryConfig) -> None:
        self._config = config

    def decide(self, ctx: NodeContext, message: Message) -> Outcome:
        """Pass the question on.

        Raises:
            EngineError: invalid_request when a required field is missing or the input does not fulfil the schema,
                context_overflow when no model of the run could ever take the question, and nothing cuts it.
        """
        given: dict[str, Any] = {"question": message.content, "query": message.content, **message.data}
        for name in self._config.required_fields:
            if given.get(name) in (None, "", [], {}):
                raise EngineError(
                    ErrorClass.INVALID_REQUEST,
                    "input_missing",
                    f"The input field {name!r} is missing or empty.",
                    remedy=f"Give {name!r} with the question.",
                )
        if self._config.input_schema is not None:
            check_schema(given, self._config.input_schema, "The input", ErrorClass.INVALID_REQUEST)
        tokens, window = estimate_tokens(message.content), ctx.largest_window
        if window and tokens > window and ctx.oversize == "refuse" and not _cuts(ctx.graph):
            raise EngineError(
                ErrorClass.CONTEXT_OVERFLOW,
                "question_too_long",
                f"The question is about {tokens:,} tokens long; the largest window here is {window:,} tokens.",
                remedy="Shorten the question, use a model with a larger window, or set context.oversize to `cut`.",
            )
        return Outcome(content=message.content)


def _cuts(graph: GraphSpec) -> bool:
    """Whether a graph, or one inside it, makes long texts shorter: then its models need not take the whole question."""
    configs = (node.config for node in graph.nodes)
    here = any(isinstance(each, TransformConfig) and each.operation in ("split", "truncate") for each in configs)
    return here or any(map(_cuts, graph.graphs.values()))
