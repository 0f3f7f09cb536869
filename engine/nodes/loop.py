"""Loop: runs its body again and again, inside its own visit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from engine.errors import EngineError, ErrorClass
from engine.graph.conditions import Condition, compile_condition
from engine.graph.inner_configs import LoopConfig
from engine.message import Message
from engine.nodes.context import NodeContext, Outcome

_FATAL = frozenset({ErrorClass.CANCELLED, ErrorClass.BUDGET_EXHAUSTED, ErrorClass.CONFIGURATION, ErrorClass.INTERNAL})
"""Failures that another iteration cannot mend."""


class LoopNode:
    def __init__(self, config: LoopConfig) -> None:
        self._config = config
        self._condition: Condition | None = compile_condition(config.condition) if config.condition else None

    async def run(self, ctx: NodeContext, message: Message) -> Outcome:
        """The message that the last iteration made, with `iterations` in its data.

        Raises:
            EngineError: a node of the body failed (in the mode until_success: in every iteration), the condition cannot
                be evaluated, or budget_exhausted `loop_exhausted`.
        """
        mode, current = self._config.mode, message
        failure: EngineError | None = None
        for number in range(1, self._config.max_iterations + 1):
            if mode == "while_condition" and not self._holds(ctx, current, number - 1):
                return _outcome(current, number - 1)
            position = ctx.position()
            try:
                current = await self._iteration(ctx, current, number)
            except EngineError as error:
                if mode != "until_success" or error.error_class in _FATAL:
                    raise
                failure = error
                await ctx.take_back_since(position)
                continue
            if mode == "until_success" or (mode == "until_condition" and self._holds(ctx, current, number)):
                return _outcome(current, number)
        if mode == "fixed_count":
            return _outcome(current, self._config.max_iterations)
        if mode == "while_condition" and not self._holds(ctx, current, self._config.max_iterations):
            return _outcome(current, self._config.max_iterations)
        return self._exhausted(current, failure)

    async def _iteration(self, ctx: NodeContext, message: Message, number: int) -> Message:
        current = replace(message, data={**message.data, "iteration": number})
        for node in self._config.body:
            current = await ctx.run_node(node, current)
        return current

    def _holds(self, ctx: NodeContext, message: Message, iterations: int) -> bool:
        assert self._condition is not None  # noqa: S101 - validation asks for it in these modes
        data = {**message.data, "iteration": iterations}
        scope: dict[str, Any] = {
            **data,
            "data": data,
            "content": message.content,
            "question": ctx.question,
            "vars": ctx.variables,
            "status": "ok",
            "error": None,
        }
        return self._condition.evaluate(scope)

    def _exhausted(self, message: Message, failure: EngineError | None) -> Outcome:
        count = self._config.max_iterations
        if self._config.on_exhausted == "continue":
            return Outcome(message.content, {**message.data, "iterations": count, "exhausted": True})
        if failure is not None:
            raise failure
        raise EngineError(
            ErrorClass.BUDGET_EXHAUSTED,
            "loop_exhausted",
            f"After {count} iterations the condition of the loop was still not met.",
            remedy="Raise max_iterations, loosen the condition, or set `on_exhausted: continue`.",
        )


def _outcome(message: Message, iterations: int) -> Outcome:
    return Outcome(message.content, {**message.data, "iterations": iterations, "exhausted": False})
