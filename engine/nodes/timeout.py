"""Timeout: gives an inner node a deadline, and says what is to happen when it is missed."""

from __future__ import annotations

from engine.errors import EngineError, ErrorClass
from engine.graph.inner_configs import TimeoutConfig
from engine.message import Message
from engine.nodes.context import NodeContext, Outcome


class TimeoutNode:
    def __init__(self, config: TimeoutConfig) -> None:
        self._config = config

    async def run(self, ctx: NodeContext, message: Message) -> Outcome:
        """What the inner node made, or what `on_timeout` says when it was too slow.

        Raises:
            EngineError: the inner node failed, or TIMEOUT `inner_deadline` with `on_timeout: error`.
        """
        position = ctx.position()
        try:
            async with ctx.time_limit(self._config.timeout_ms) as limit:
                made = await ctx.run_node(self._config.inner_node, message)
        except TimeoutError:
            if not limit.expired():
                raise
        else:
            if limit.left >= 0:  # an inner node that decides at once cannot be interrupted
                return Outcome(made.content, {**made.data, "timed_out": False})
        if self._config.on_timeout != "error":
            await ctx.take_back_since(position)
        return await self._too_slow(ctx, message)

    async def _too_slow(self, ctx: NodeContext, message: Message) -> Outcome:
        config = self._config
        match config.on_timeout:
            case "skip":
                return Outcome(message.content, {"timed_out": True})
            case "fallback" if config.fallback_node is not None:
                made = await ctx.run_node(config.fallback_node, message)
                return Outcome(made.content, {**made.data, "timed_out": True})
            case _:
                raise EngineError(
                    ErrorClass.TIMEOUT,
                    "inner_deadline",
                    f"The node {config.inner_node} took longer than {config.timeout_ms} ms.",
                    remedy="Raise timeout_ms, use a faster model, or set on_timeout to fallback or skip.",
                )
