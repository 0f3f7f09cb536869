"""pydantic-graph: a `GraphBuilder`; a fan-out is an edge to several steps, a join collects them with a reducer.

https://ai.pydantic.dev/graph/beta/parallel
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from pydantic_graph import GraphBuilder, StepContext, reduce_list_append

from tests.benchmarks.peers.contender import QUESTION, Contender, Scenario, always


async def _strip(ctx: StepContext[None, None, str]) -> str:
    return ctx.inputs.strip()


async def _join(ctx: StepContext[None, None, list[str]]) -> str:
    return "\n".join(ctx.inputs)


def contenders(label: str, scenario: Scenario) -> list[Contender]:
    graph = _chain(scenario.size) if scenario.kind == "chain" else _fan(scenario.size)

    async def once() -> str:
        return await graph.run(inputs=QUESTION)

    how = "`Graph.run`; its steps are always coroutines"
    return [Contender(label, "coroutines", how, True, scenario, always(once))]


def _chain(size: int) -> Any:
    graph = GraphBuilder(input_type=str, output_type=str)
    steps = [graph.step(_strip, node_id=f"n{number}") for number in range(size)]
    path = [graph.start_node, *steps, graph.end_node]
    graph.add(*(graph.edge_from(source).to(target) for source, target in pairwise(path)))
    return graph.build()


def _fan(size: int) -> Any:
    graph = GraphBuilder(input_type=str, output_type=str)
    steps = [graph.step(_strip, node_id=f"n{number}") for number in range(size)]
    collected = graph.join(reduce_list_append, initial_factory=list[str])
    joined = graph.step(_join, node_id="joined")
    graph.add(
        graph.edge_from(graph.start_node).to(*steps),
        graph.edge_from(*steps).to(collected),
        graph.edge_from(collected).to(joined),
        graph.edge_from(joined).to(graph.end_node),
    )
    return graph.build()
