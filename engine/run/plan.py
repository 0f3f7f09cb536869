"""The plan of a graph: its nodes made ready, its edges grouped and their conditions compiled. Made once per graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.graph.conditions import Condition, compile_condition
from engine.graph.spec import GateConfig, GraphSpec, NodeSpec
from engine.graph.topology import successors
from engine.nodes.context import AsyncNode, InlineNode
from engine.nodes.factory import make_async, make_inline
from engine.nodes.join import JoinNode


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


def make_plan(graph: GraphSpec) -> Plan:
    """Compile a validated graph.

    Raises:
        ConfigurationError: a condition does not parse.
    """
    following = successors(graph)
    edges = {node.id: _edges_from(graph, node.id) for node in graph.nodes}
    inline: dict[str, InlineNode] = {}
    tasks: dict[str, AsyncNode] = {}
    rewind_targets: set[str] = set()
    for spec in graph.nodes:
        back: frozenset[str] = frozenset()
        if isinstance(spec.config, GateConfig):
            back = frozenset(t for t in following[spec.id] if _reaches(following, t, spec.id))
            rewind_targets |= back
        at_once = make_inline(spec, back)
        if at_once is not None:
            inline[spec.id] = at_once
        waiting = make_async(spec)
        if waiting is not None:
            tasks[spec.id] = waiting
    document = graph.model_dump(mode="json")
    return Plan(
        graph=graph,
        document=document,
        content_hash=graph.content_hash(),
        specs={spec.id: spec for spec in graph.nodes},
        inline=inline,
        tasks=tasks,
        edges=edges,
        joins={name: node for name, node in inline.items() if isinstance(node, JoinNode)},
        following=following,
        rewind_targets=frozenset(rewind_targets),
    )


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


def _reaches(following: Mapping[str, tuple[str, ...]], start: str, goal: str) -> bool:
    seen, stack = {start}, [start]
    while stack:
        for node in following[stack.pop()]:
            if node == goal:
                return True
            if node not in seen:
                seen.add(node)
                stack.append(node)
    return start == goal
