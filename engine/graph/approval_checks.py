"""Checks of approval nodes: their question, and where a yes and a no lead."""

from __future__ import annotations

from collections.abc import Iterator

from engine.errors import ConfigurationError
from engine.graph.conditions import compile_condition
from engine.graph.inner_configs import ApprovalConfig, LoopConfig, TimeoutConfig
from engine.graph.problems import Location, Problem
from engine.graph.spec import EdgeSpec, GraphSpec
from engine.graph.templates import template_problems


def check_approvals(spec: GraphSpec) -> Iterator[Problem]:
    """What is wrong with the approval nodes of a graph, but for targets that do not exist."""
    inner = _inner_nodes(spec)
    for index, node in enumerate(spec.nodes):
        if not isinstance(node.config, ApprovalConfig):
            continue
        at: Location = ("nodes", index, "config")
        for message, remedy in template_problems(node.config.prompt):
            yield _problem((*at, "prompt"), f"The prompt of node `{node.id}` {message}.", remedy)
        if node.id in inner:
            yield from _inner(node.id, node.config, at, inner[node.id])
        else:
            yield from _leading_on(node.id, node.config, at, spec)


def _inner_nodes(spec: GraphSpec) -> dict[str, str]:
    """Node that runs inside another -> that one."""
    found: dict[str, str] = {}
    for node in spec.nodes:
        match node.config:
            case LoopConfig() as config:
                found |= dict.fromkeys(config.body, node.id)
            case TimeoutConfig() as config:
                found |= dict.fromkeys((config.inner_node, config.fallback_node or config.inner_node), node.id)
            case _:
                pass
    return found


def _inner(name: str, config: ApprovalConfig, at: Location, outer: str) -> Iterator[Problem]:
    for field in ("approved_target", "rejected_target"):
        if getattr(config, field) is not None:
            message = f"The `{field}` of node `{name}` is never gone to: the node runs inside `{outer}`."
            yield _problem((*at, field), message, f"Remove it; where the run goes on is up to `{outer}`.")


def _leading_on(name: str, config: ApprovalConfig, at: Location, spec: GraphSpec) -> Iterator[Problem]:
    if config.approved_target is not None:
        return
    onward = [edge for edge in spec.edges if edge.from_node == name and not _after_failure(edge)]
    if config.rejected_target is not None and not onward:
        message = f"A yes at node `{name}` leads nowhere: it has neither an `approved_target` nor an edge."
        yield _problem((*at, "rejected_target"), message, "Add `approved_target:` to its config.")
    elif config.rejected_target in [edge.to_node for edge in onward] and len({edge.to_node for edge in onward}) > 1:
        message = f"A yes at node `{name}` leads to its `rejected_target` as well, along an edge."
        yield _problem(
            (*at, "rejected_target"), message, "Name the `approved_target` in its config, or remove that edge."
        )


def _after_failure(edge: EdgeSpec) -> bool:
    try:
        names = compile_condition(edge.condition).names if edge.condition else frozenset()
    except ConfigurationError:
        return False  # that its condition is none is said elsewhere
    return bool(names & {"status", "error"})


def _problem(location: Location, message: str, remedy: str) -> Problem:
    return Problem("", 0, 0, message, remedy, location)
