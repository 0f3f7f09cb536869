"""Subgraph: runs another graph inside its own visit, and goes on with its answer."""

from __future__ import annotations

from engine.graph.inner_configs import SubgraphConfig
from engine.message import Message
from engine.nodes.context import NodeContext, Outcome
from engine.nodes.paths import dotted, text_of


class SubgraphNode:
    def __init__(self, config: SubgraphConfig) -> None:
        self._config = config

    async def run(self, ctx: NodeContext, message: Message) -> Outcome:
        """The sub-graph's answer with its data; `exit` tells how it ended.

        Raises:
            EngineError: there is nothing at a path, or the sub-graph failed or ended at an error exit.
        """
        scope = {"content": message.content, "question": ctx.question, "data": message.data, "vars": ctx.variables}
        question = text_of(dotted(scope, self._config.question))
        inputs = {name: dotted(scope, path) for name, path in self._config.input_mapping.items()}
        answer = await ctx.run_graph(self._config.graph_id, question, inputs)
        return Outcome(answer.content, answer.data)
