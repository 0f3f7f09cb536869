"""Tool node: calls a tool with arguments taken from the message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.errors import EngineError
from engine.graph.spec import ToolConfig
from engine.message import Message
from engine.nodes.context import NodeContext, Outcome
from engine.nodes.paths import dotted
from engine.nodes.toolbox import listed_call, refusal, with_used
from engine.tools.call import call_tool
from engine.view import TOOL_OP


class ToolNode:
    def __init__(self, config: ToolConfig) -> None:
        self._config = config

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
        tool = ctx.tools.registry.get(self._config.tool_id)
        refused = refusal(tool, ctx)
        if refused is not None:
            raise refused
        scope = {"content": message.content, "question": ctx.question, "data": message.data, "vars": ctx.variables}
        arguments = {name: dotted(scope, path) for name, path in self._config.input_mapping.items()}

        async def call() -> dict[str, Any]:
            outcome = await call_tool(tool, arguments, ctx.tools)
            return {"text": outcome.text, "output": dict(outcome.output)}

        result: Mapping[str, Any] = await ctx.op(f"{TOOL_OP}{tool.id}", arguments, call)
        text, output = str(result["text"]), result["output"]
        used = listed_call(tool.id, arguments, text, ok=output.get("ok") is not False)
        data = {self._config.output_field: output, "tool": tool.id, **with_used(message, [used])}
        return Outcome(content=text, data=data)
