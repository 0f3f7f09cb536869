"""The plan of a graph: its nodes made ready, its edges grouped and their conditions compiled. Made once per graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.graph.conditions import Condition, compile_condition
from engine.graph.fields import NodeConfig
from engine.graph.inner_configs import SubgraphConfig
from engine.graph.meeting import meeting_point
from engine.graph.spec import FanoutConfig, GateConfig, GraphSpec, JoinConfig, NodeSpec
from engine.graph.topology import entry_nodes, reachable, successors
from engine.message import Message
from engine.nodes.context import AsyncNode, InlineNode, NodeContext, Outcome
from engine.nodes.factory import make_async, make_inline
from engine.nodes.join import JoinNode

_MEETINGS = 256
"""Combinations of targets whose meeting point is kept."""


@dataclass(frozen=True, slots=True)
class PlannedEdge:
    target: str
    text: str
    """The condition as written; empty for none."""
    condition: Condition | None
    handles_failure: bool
    """Whether the condition asks for `status` or `error`: only such edges are looked at after a failure."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A graph, ready to run."""

    graph: GraphSpec
    document: dict[str, Any]
    """The specification as JSON, as it stands in the `begin` event."""
    content_hash: str
    specs: Mapping[str, NodeSpec]
    inline: Mapping[str, InlineNode]
    """Nodes that decide at once."""
    tasks: Mapping[str, AsyncNode]
    """Nodes that run as tasks."""
    edges: Mapping[str, tuple[PlannedEdge, ...]]
    joins: Mapping[str, JoinNode]
    following: Mapping[str, tuple[str, ...]]
    """Node -> the nodes that it can lead to."""
    rewind_targets: frozenset[str]
    """Nodes to which a gate may send the run back; a checkpoint is taken before each of their visits."""
    graphs: Mapping[str, Plan]
    """Name -> sub-graph."""
    _meetings: dict[tuple[str, ...], str | None] = field(default_factory=dict)
    """Nodes with which branches begin -> where they come together."""

    def at(self, path: str) -> Plan:
        """The plan of the graph to which the node at a path belongs: this one, or that of a sub-graph."""
        plan = self
        for around in path.split("/")[:-1]:
            config = plan.specs[around.partition("#")[0]].config
            if isinstance(config, SubgraphConfig):
                plan = plan.graphs[config.graph_id]
        return plan

    def meeting(self, targets: tuple[str, ...]) -> str | None:
        """The join at which branches that begin at these nodes come together."""
        if not self.joins:
            return None
        if targets not in self._meetings:
            while len(self._meetings) >= _MEETINGS:
                self._meetings.pop(next(iter(self._meetings)))
            fanouts = {
                name: spec.config.targets for name, spec in self.specs.items() if isinstance(spec.config, FanoutConfig)
            }
            self._meetings[targets] = meeting_point(self.following, frozenset(self.joins), targets, fanouts)
        return self._meetings[targets]

    @property
    def degrades(self) -> bool:
        """Whether an answer can be a partial one because of a failure."""
        return self.graph.degradation != "fail_fast"


class _AsTask:
    """A node that decides at once and has a time limit or retries: it is visited as those are that wait."""

    def __init__(self, node: InlineNode) -> None:
        self._node = node

    async def run(self, ctx: NodeContext, message: Message) -> Outcome:
        return self._node.decide(ctx, message)


def make_plan(graph: GraphSpec) -> Plan:
    """Compile a validated graph.

    Raises:
        ConfigurationError: a condition does not parse.
    """
    following = successors(graph)
    edges = {node.id: _edges_from(graph, node.id) for node in graph.nodes}
    inline: dict[str, InlineNode] = {}
    tasks: dict[str, AsyncNode] = {}
    joins: dict[str, JoinNode] = {}
    rewind_targets: set[str] = set()
    for spec in graph.nodes:
        back: frozenset[str] = frozenset()
        if isinstance(spec.config, GateConfig):
            back = _ways_back(graph, following, spec.id)
            rewind_targets |= back
        at_once = make_inline(_degrading(graph, spec), back)
        if isinstance(at_once, JoinNode):
            joins[spec.id] = at_once
        if at_once is None:
            tasks[spec.id] = make_async(spec, back)
        elif _is_limited(spec.config):
            tasks[spec.id] = _AsTask(at_once)
        else:
            inline[spec.id] = at_once
    document = graph.model_dump(mode="json")
    return Plan(
        graph=graph,
        document=document,
        content_hash=graph.content_hash(),
        specs={spec.id: spec for spec in graph.nodes},
        inline=inline,
        tasks=tasks,
        edges=edges,
        joins=joins,
        following=following,
        rewind_targets=frozenset(rewind_targets),
        graphs={name: make_plan(inside) for name, inside in graph.graphs.items()},
    )


def _is_limited(config: NodeConfig) -> bool:
    return config.timeout_ms is not None or config.retry is not None


def _degrading(graph: GraphSpec, spec: NodeSpec) -> NodeSpec:
    """The node; in a graph that skips what failed, a join does without the branches that failed."""
    if graph.degradation != "skip_failed" or not isinstance(spec.config, JoinConfig):
        return spec
    return spec.model_copy(update={"config": spec.config.model_copy(update={"on_dead": "degrade"})})


def _edges_from(graph: GraphSpec, source: str) -> tuple[PlannedEdge, ...]:
    """The edges that can be taken: of those with the same condition only the heaviest (all of them, when equal)."""
    group = [edge for edge in graph.edges if edge.from_node == source]
    heaviest: dict[str | None, float] = {}
    for edge in group:
        heaviest[edge.condition] = max(edge.weight, heaviest.get(edge.condition, edge.weight))
    planned = []
    for edge in group:
        if edge.weight == heaviest[edge.condition]:
            condition = compile_condition(edge.condition) if edge.condition else None
            names = condition.names if condition else frozenset()
            planned.append(
                PlannedEdge(edge.to_node, edge.condition or "", condition, bool(names & {"status", "error"}))
            )
    return tuple(planned)


def _ways_back(graph: GraphSpec, following: Mapping[str, tuple[str, ...]], gate: str) -> frozenset[str]:
    """The targets of a gate that are retries: those that lead to it again, and that either can run before it, or lead
    to it without another gate. What leads to it only because a later gate can send all of it back is a way on."""
    begins = [*entry_nodes(graph), *([graph.fallback_node] if graph.fallback_node else [])]
    before = reachable(begins, {**following, gate: ()})
    others = {node.id: () for node in graph.nodes if isinstance(node.config, GateConfig) and node.id != gate}

    def leads_back(target: str) -> bool:
        return gate in reachable([target], following if target in before else {**following, **others})

    return frozenset(filter(leads_back, following[gate]))
