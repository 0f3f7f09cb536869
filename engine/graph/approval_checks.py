"""Checks of approval nodes: their question, and where a yes and a no lead."""

from __future__ import annotations

from collections.abc import Iterator

from engine.errors import ConfigurationError
from engine.graph.conditions import compile_condition
from engine.graph.inner_configs import ApprovalConfig
from engine.graph.problems import Location, Problem
from engine.graph.spec import EdgeSpec, GraphSpec
from engine.graph.templates import template_problems
from engine.graph.topology import inner_nodes


def check_approvals(spec: GraphSpec) -> Iterator[Problem]:
    """What is wrong with the approval nodes of a graph, but for targets that do not exist."""
    inner = inner_nodes(spec)
    for index, node in enumerate(spec.nodes):
        if not isinstance(node.config, ApprovalConfig):
            continue
        at: Location = ("nodes", index, "config")
        for message, remedy in template_problems(node.config.prompt):
            yield _problem((*at, "prompt"), f"The prompt of node `{node.id}` {message}.", remedy)
        if node.id not in inner:
            yield from _ways_on(node.id, node.config, at, spec)


def _ways_on(name: str, config: ApprovalConfig, at: Location, spec: GraphSpec) -> Iterator[Problem]:
    edges = {
        index: edge.to_node
        for index, edge in enumerate(spec.edges)
        if edge.from_node == name and not _after_failure(edge)
    }
    if config.approved_target is not None:
        for index, target in edges.items():
            if target not in (config.approved_target, config.rejected_target):
                message = f"The edge `{name} -> {target}` does nothing: the approval `{name}` goes only to its targets."
                remedy = f"Make `{target}` the approved_target or the rejected_target, or remove the edge."
                yield _problem(("edges", index), message, remedy)
    elif config.rejected_target is not None and not edges:
        message = f"A yes at node `{name}` leads nowhere: there is neither an `approved_target` nor an edge."
        yield _problem((*at, "rejected_target"), message, "Add `approved_target:` to its config.")
    elif config.rejected_target in edges.values() and len(set(edges.values())) > 1:
        message = f"A yes at node `{name}` leads to its `rejected_target` as well, along an edge."
        yield _problem((*at, "rejected_target"), message, "Add `approved_target:` to its config, or remove that edge.")


def _after_failure(edge: EdgeSpec) -> bool:
    try:
        names = compile_condition(edge.condition).names if edge.condition else frozenset()
    except ConfigurationError:
        return False  # that its condition is none is said elsewhere
    return bool(names & {"status", "error"})


def _problem(location: Location, message: str, remedy: str) -> Problem:
    return Problem("", 0, 0, message, remedy, location)
