"""Exit: the end of a run; its status says whether the transaction commits."""

from __future__ import annotations

from engine.errors import ErrorClass
from engine.graph.json_schema import check_schema
from engine.graph.spec import ExitConfig
from engine.message import Message
from engine.nodes.context import NodeContext, Outcome
from engine.nodes.json_values import parse_json


class ExitNode:
    def __init__(self, config: ExitConfig) -> None:
        self._config = config

    def decide(self, ctx: NodeContext, message: Message) -> Outcome:  # noqa: ARG002 - one shape for all nodes
        """End the run with the message that came.

        Raises:
            EngineError: invalid_output when the answer does not fulfil the output schema.
        """
        if self._config.output_schema is not None:
            value = parse_json(
                message.content,
                code="answer_not_json",
                message="The answer is not JSON, but the exit's output_schema asks for it.",
                remedy="Give the model node an output_schema as well.",
            )
            check_schema(value, self._config.output_schema, "The answer", ErrorClass.INVALID_OUTPUT)
        return Outcome(content=message.content, exits=True)
