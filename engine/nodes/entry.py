"""Entry: checks what comes in before anything is spent on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.errors import EngineError, ErrorClass
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
        if window and tokens > window and not _cuts(ctx.graph):
            raise EngineError(
                ErrorClass.CONTEXT_OVERFLOW,
                "question_too_long",
                f"The question is about {tokens:,} tokens long; the largest window here is {window:,} tokens.",
                remedy="Shorten the question, or use a model with a larger window.",
            )
        return Outcome(content=message.content)


def _cuts(graph: GraphSpec) -> bool:
    """Whether a graph, or one inside it, makes long texts shorter: then its models need not take the whole question."""
    configs = (node.config for node in graph.nodes)
    here = any(isinstance(each, TransformConfig) and each.operation in ("split", "truncate") for each in configs)
    return here or any(map(_cuts, graph.graphs.values()))


def check_schema(value: Any, schema: Mapping[str, Any], what: str, error_class: ErrorClass) -> None:
    """Check a JSON value against a JSON Schema.

    Raises:
        EngineError: of `error_class`, naming the place and the first problem.
    """
    import jsonschema  # heavy, and most graphs have no schema

    problem = jsonschema.exceptions.best_match(jsonschema.validators.validator_for(schema)(schema).iter_errors(value))
    if problem is not None:
        place = ".".join(str(part) for part in problem.absolute_path)
        raise EngineError(
            error_class,
            "schema_violated",
            f"{what} does not fulfil its schema{f' at {place}' if place else ''}: {problem.message[:300]}.",
            remedy="Change the value, or the schema in the graph.",
        )
