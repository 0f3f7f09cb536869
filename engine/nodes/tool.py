"""Tool node: calls a tool with arguments taken from the message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.errors import EngineError, ErrorClass
from engine.graph.spec import ToolConfig
from engine.message import Message
from engine.nodes.context import NodeContext, Outcome
from engine.nodes.paths import dotted
from engine.tools.call import call_tool
from engine.tools.protocol import Tool, ToolContext
from engine.tools.registry import ToolRegistry


class ToolNode:
    """Only tools without an effect: what a tool changes outside the program could not be taken back yet."""

    def __init__(self, config: ToolConfig, registry: ToolRegistry) -> None:
        self._config = config
        self._registry = registry

    async def run(self, ctx: NodeContext, message: Message) -> Outcome:
        """The tool's result: its text is the message, its fields stand in the data under `output_field`.

        Raises:
            EngineError: the tool failed and `continue_on_error` is false.
        """
        try:
            return await self._call(ctx, message)
        except EngineError as error:
            if not self._config.continue_on_error:
                raise
            return Outcome(content=message.content, data={"tool_error": error.code})

    async def _call(self, ctx: NodeContext, message: Message) -> Outcome:
        tool = self._registry.get(self._config.tool_id)
        _refuse_effects(tool)
        scope = {"content": message.content, "question": ctx.question, "data": message.data, "vars": ctx.variables}
        arguments = {name: dotted(scope, path) for name, path in self._config.input_mapping.items()}

        async def call() -> dict[str, Any]:
            outcome = await call_tool(tool, arguments, ToolContext())
            return {"text": outcome.text, "output": dict(outcome.output)}

        result: Mapping[str, Any] = await ctx.op(f"tool {tool.id}", arguments, call)
        data = {self._config.output_field: result["output"], "tool": tool.id}
        return Outcome(content=str(result["text"]), data=data)


def _refuse_effects(tool: Tool) -> None:
    if tool.effect != "pure":
        raise EngineError(
            ErrorClass.TOOL_REFUSED,
            "effect_not_supported",
            f"The tool {tool.id} changes things outside the program, which a run cannot take back yet.",
            remedy="Use a tool without effects in graphs.",
        )
