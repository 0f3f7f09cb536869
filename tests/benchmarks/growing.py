"""A run whose list of messages grows by one with each step: one node that goes round so many times."""

from __future__ import annotations

from engine.graph.spec import EdgeSpec, GraphSpec, NodeSpec, TransformConfig
from engine.message import Message
from engine.nodes.context import NodeContext, Outcome
from engine.run.plan import Plan, make_plan
from tests.benchmarks.chains import with_tasks
from tests.benchmarks.material import answer_text

CHARACTERS = 200
"""Of one message."""


def message(step: int) -> str:
    """The message of a step; no two are the same."""
    return f"{step:05d} {answer_text(CHARACTERS - 6)}"


class Growing:
    """Adds a message and goes round again.

    Args:
        steps: messages of a run.
        in_payload: whether the whole list is also carried along in the payload, as one JSON value.
    """

    def __init__(self, steps: int, *, in_payload: bool = False) -> None:
        self._steps = steps
        self._in_payload = in_payload

    async def run(self, ctx: NodeContext, received: Message) -> Outcome:
        text = message(ctx.visit)
        data = {"messages": [*received.data.get("messages", ()), text]} if self._in_payload else {}
        return Outcome(text, data, targets=("n",) if ctx.visit < self._steps else ("end",))


def growing_plan(steps: int, *, in_payload: bool = False) -> Plan:
    """entry -> the growing node, so many times -> exit."""
    pairs = [("start", "n"), ("n", "n"), ("n", "end")]
    graph = GraphSpec(
        id=f"graph.growing_{steps}",
        nodes=[
            NodeSpec(id="start", type="entry"),
            NodeSpec(id="n", type="transform", config=TransformConfig(operation="strip")),
            NodeSpec(id="end", type="exit"),
        ],
        edges=[EdgeSpec(from_node=a, to_node=b) for a, b in pairs],
        allow_cycles=True,
    )
    return with_tasks(make_plan(graph), {"n": Growing(steps, in_payload=in_payload)})
