"""Chains of trivial nodes, and plans and runs for them."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from itertools import pairwise

from engine import events as ev
from engine.bus import EventBus
from engine.config import BreakerConfig
from engine.graph.spec import EdgeSpec, GraphSpec, NodeSpec, TransformConfig
from engine.health.registry import BreakerRegistry
from engine.message import Message
from engine.nodes.context import AsyncNode, NodeContext, Outcome
from engine.run.executor import executor_of_run
from engine.run.plan import Plan, make_plan
from engine.run.services import RunServices
from engine.run.transaction import Transaction
from engine.store.log import EventLog

SIZES = (10, 100, 1000)
"""Lengths of the chains; what grows between them is what a node costs."""


class Stripping:
    """What the trivial transform does, as a node that runs as a task."""

    async def run(self, ctx: NodeContext, message: Message) -> Outcome:
        return Outcome(content=message.content.strip())


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
    return with_tasks(plan, dict.fromkeys(transforms(plan), Stripping())) if tasks else plan


def transforms(plan: Plan) -> list[str]:
    """The ids of a plan's transform nodes, in the order of its graph."""
    return [name for name, spec in plan.specs.items() if spec.type == "transform"]


def with_tasks(plan: Plan, tasks: Mapping[str, AsyncNode]) -> Plan:
    """The plan with some of its nodes replaced by others, which run as tasks."""
    return dataclasses.replace(
        plan,
        inline={name: node for name, node in plan.inline.items() if name not in tasks},
        tasks={**plan.tasks, **tasks},
    )


async def execute(plan: Plan, log: EventLog, tx: str, *, question: str = "hello") -> str:
    """One whole run without an engine around it: begin, execute, commit; returns its answer."""
    transaction = Transaction(log, log.stream(tx))
    services = RunServices(breakers=BreakerRegistry(BreakerConfig(), emit=_no_event), caller=None)
    executor = executor_of_run(plan, transaction, services, max_steps=10_000, checkpoint_every=5, timeout_s=600.0)
    begin = ev.Begin(graph=plan.document, graph_hash=plan.content_hash, question=question, session=None)
    await transaction.begin(begin)
    verdict = await executor.run()
    assert verdict.status == "success", verdict
    await transaction.commit(ev.Committed(exit="success", exit_node=verdict.node, text=verdict.text))
    return verdict.text


async def cpu_of_runs(plan: Plan, times: int) -> float:
    """CPU seconds of one run with one subscriber, from `times` runs in a row."""
    bus = EventBus()
    log = EventLog(bus, None)
    start = time.process_time()
    for number in range(times):
        subscription = bus.subscribe(tx=f"tx{number}")
        await execute(plan, log, f"tx{number}")
        subscription.close()
    return (time.process_time() - start) / times


def _no_event(_body: ev.Body) -> None:
    raise AssertionError("no breaker changes in a run that goes well")
