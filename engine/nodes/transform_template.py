"""Transform by a template that uses more of its language than names."""

from __future__ import annotations

from engine.graph.spec import TransformConfig
from engine.graph.templates import compile_template
from engine.message import Message
from engine.nodes.context import NodeContext, Outcome
from engine.nodes.templates import fill, scope_of


class TemplateNode:
    def __init__(self, config: TransformConfig) -> None:
        self._template = compile_template(config.template or "")

    async def run(self, ctx: NodeContext, message: Message) -> Outcome:
        """The filled template.

        Raises:
            EngineError: it cannot be filled (see `fill`).
        """
        return Outcome(content=await fill(self._template, scope_of(ctx, message)))
