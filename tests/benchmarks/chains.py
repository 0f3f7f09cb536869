"""Chains of trivial nodes, and plans and executors for them."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

from engine import events as ev
from engine.config import BreakerConfig
from engine.graph.spec import EdgeSpec, GraphSpec, NodeSpec, TransformConfig
from engine.health.registry import BreakerRegistry
from engine.message import Message
from engine.nodes.context import NodeContext, Outcome
from engine.run.executor import Executor
from engine.run.plan import Plan, make_plan
from engine.run.services import RunServices
from engine.run.transaction import Transaction
from engine.store.log import EventLog

SIZES = (10, 100, 1000)
"""Lengths of the chains; what grows between them is what a node costs."""


class Passing:
    """The smallest node that runs as a task: it hands on what it gets."""

    async def run(self, ctx: NodeContext, message: Message) -> Outcome:
        return Outcome(content=message.content)


def chain(size: int) -> GraphSpec:
    """entry -> `size` transforms -> exit."""
    config = TransformConfig(operation="strip")
    names = [f"n{number}" for number in range(size)]
    path = ["start", *names, "end"]
    return GraphSpec(
        id=f"graph.chain_{size}",
        nodes=[
            NodeSpec(id="start", type="entry"),
            *(NodeSpec(id=name, type="transform", config=config) for name in names),
            NodeSpec(id="end", type="exit"),
        ],
        edges=[EdgeSpec(from_node=a, to_node=b) for a, b in pairwise(path)],
    )


def plan_of(size: int, *, tasks: bool) -> Plan:
    """The plan of a chain; with `tasks` its inner nodes run as tasks instead of inline."""
    plan = make_plan(chain(size))
    if not tasks:
        return plan
    inner = {name for name, spec in plan.specs.items() if spec.type == "transform"}
    return dataclasses.replace(
        plan,
        inline={name: node for name, node in plan.inline.items() if name not in inner},
        tasks=dict.fromkeys(inner, Passing()),
    )


async def execute(plan: Plan, log: EventLog, tx: str) -> None:
    """One whole run without an engine around it: begin, execute, commit."""
    transaction = Transaction(log, log.stream(tx))
    services = RunServices(breakers=BreakerRegistry(BreakerConfig(), emit=_no_event), caller=None)
    executor = Executor(plan, transaction, services, max_steps=10_000, checkpoint_every=5, timeout_s=600.0)
    await transaction.begin(ev.Begin(graph=plan.document, graph_hash=plan.content_hash, question="hello", session=None))
    verdict = await executor.run()
    assert verdict.status == "success", verdict
    await transaction.commit(ev.Committed(exit="success", exit_node=verdict.node, text=verdict.text))


def _no_event(_body: ev.Body) -> None:
    raise AssertionError("no breaker changes in a run that goes well")
