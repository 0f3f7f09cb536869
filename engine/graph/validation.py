"""Validation: what is wrong with a graph beyond its form, found before anything runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from engine.errors import ConfigurationError
from engine.graph.approval_checks import check_approvals
from engine.graph.conditions import compile_condition
from engine.graph.config_checks import check_condition, check_config
from engine.graph.inner_checks import check_degradation, check_inner_config, check_inner_nodes
from engine.graph.parallel_checks import check_meetings, check_parallel_config
from engine.graph.problems import Location, Problem, choose_from
from engine.graph.prompts import check_prompts
from engine.graph.references import duplicate_nodes, unknown_nodes
from engine.graph.spec import EdgeSpec, GraphSpec, NodeSpec
from engine.graph.subgraphs import check_subgraphs
from engine.graph.tool_checks import OwnTools
from engine.graph.topology import distances, entry_nodes, find_cycles, inner_nodes, links, reachable, successors

STANDARD_ROLES = frozenset({"router", "code", "math", "general", "worker", "judge", "summariser"})
"""Roles (without `@`) that the catalogue always knows."""


@dataclass(frozen=True, slots=True)
class Names:
    """What a graph may refer to outside of itself."""

    roles: frozenset[str] = STANDARD_ROLES
    tools: OwnTools = field(default_factory=dict)
    """Tools beside the built-in ones -> their arguments; `Engine.names` has those that the engine was given."""


STANDARD_NAMES = Names()

_LONGEST_CIRCLE = 12
"""Nodes of a circle that a message names."""
_CHOOSERS = {
    "router": "the target of a route",
    "gate": "the target of a condition or the default_target",
    "fanout": "one of its targets",
}
"""Type of nodes that go to their own targets -> what another node has to become to be one."""


def validate(spec: GraphSpec, names: Names | None = STANDARD_NAMES, *, prompts: Iterable[str] = ()) -> list[Problem]:
    """Everything that is wrong with a graph; empty where it can run.

    Args:
        spec: the graph.
        names: what it may refer to; None: references to roles are not checked.
        prompts: names of prompts that are there besides its own, for remedies.

    Returns:
        Problems without file and line; `location` is the path of the value inside the graph.
    """
    unsound = list(duplicate_nodes(spec)) or list(unknown_nodes(spec))
    unsound += [] if unsound else [*_points(spec), *check_degradation(spec)]
    problems = list(unsound)
    roles, tools = (None, STANDARD_NAMES.tools) if names is None else (names.roles, names.tools)
    for index, node in enumerate(spec.nodes):
        problems += check_parallel_config(node, ("nodes", index, "config"))
        problems += check_inner_config(node, ("nodes", index, "config"))
        problems += check_config(node, ("nodes", index, "config"), roles, tools)
    problems += check_prompts(spec, prompts, unused=not unsound)
    problems += check_approvals(spec)
    problems += check_subgraphs(spec)
    for name, inside in spec.graphs.items():
        wrong = validate(inside, names, prompts=prompts)
        problems += [replace(problem, location=("graphs", name, *problem.location)) for problem in wrong]
    for index, edge in enumerate(spec.edges):
        if edge.condition is not None:
            problems += check_condition(edge.condition, ("edges", index, "condition"), f"edge `{_arrow(edge)}`")
    if not unsound:  # else the shape of the graph is a guess, and what follows from it would only hide the cause
        problems += _shape(spec)
    return problems


def _arrow(edge: EdgeSpec) -> str:
    return f"{edge.from_node} -> {edge.to_node}"


def _problem(location: Location, message: str, remedy: str) -> Problem:
    return Problem("", 0, 0, message, remedy, location)


def _points(spec: GraphSpec) -> Iterator[Problem]:
    types = {node.id: node.type for node in spec.nodes}
    for kind, listed, name in (("entry", spec.entry_points, "entry_points"), ("exit", spec.exit_points, "exit_points")):
        of_type = [node.id for node in spec.nodes if node.type == kind]
        for index, point in enumerate(listed):
            if types.get(point, kind) != kind:
                message = f"`{name}` lists `{point}`, which is a node of type {types[point]}, not {kind}."
                yield _problem((name, index), message, choose_from(point, of_type))
        for point, count in Counter(listed).items():
            if count > 1:
                yield _problem((name, listed.index(point)), f"`{name}` lists `{point}` twice.", "Remove one of them.")
        if not of_type and not listed:
            what = "No run can begin" if kind == "entry" else "No run can end"
            yield _problem(("nodes",), f"{what}: there is no node of type {kind}.", f"Add a node with `type: {kind}`.")
        elif listed and all(types.get(point) == kind for point in listed):
            yield from _not_listed(spec, kind, name)


def _not_listed(spec: GraphSpec, kind: str, name: str) -> Iterator[Problem]:
    listed = spec.entry_points if kind == "entry" else spec.exit_points
    for index, node in enumerate(spec.nodes):
        if node.type == kind and node.id not in listed:
            message = f"The {kind} node `{node.id}` is not in `{name}`."
            yield _problem(("nodes", index, "id"), message, f"Add it to `{name}`, or remove the node.")


def _shape(spec: GraphSpec) -> Iterator[Problem]:
    """Problems of the graph as a whole."""
    misplaced = list(check_inner_nodes(spec))
    yield from misplaced
    if misplaced:
        return
    exits, inner = _exits(spec), inner_nodes(spec)
    outside = {node: targets for node, targets in successors(spec).items() if node not in inner}
    following = {node: () if node in exits else targets for node, targets in outside.items()}
    starts = [*entry_nodes(spec), *([spec.fallback_node] if spec.fallback_node else [])]
    reached = reachable(starts, following)
    yield from _useless_edges(spec)
    loose = list(_loose_ends(spec, following, reached))
    yield from loose
    if not loose:  # what follows from a missing edge would only hide it
        yield from check_meetings(spec, following)
        yield from _no_way_out(spec, following, reached)
    if not spec.allow_cycles:
        yield from _cycles(spec, following)


def _loose_ends(
    spec: GraphSpec, following: Mapping[str, tuple[str, ...]], reached: frozenset[str]
) -> Iterator[Problem]:
    """Nodes from which nothing leads on, and nodes that nothing leads to. One missing edge can be the cause of both:
    then the end is told, and what it could lead to."""
    position = {node.id: index for index, node in enumerate(spec.nodes)}
    exits = _exits(spec)
    unreached = list(_first_unreached(reached, following))
    for node in [each for each in following if each in reached and each not in exits and not following[each]]:
        message = f"The node `{node}` is a dead end: nothing leads on from it, and it is no exit."
        to = [unreached.pop(0)] if unreached else exits[:2]
        remedy = "Add an edge from it, such as to " + " or ".join(f"`{each}`" for each in to) + "."
        yield _problem(("nodes", position[node]), message, remedy)
    for node in unreached:
        remedy = "Add an edge or a route that leads to it, or remove it."
        yield _problem(("nodes", position[node]), f"No run can reach the node `{node}`.", remedy)


def _first_unreached(reached: frozenset[str], following: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """Of the nodes that are not reached those at which a missing link would be put: not what they lead to."""
    unreached = [node for node in following if node not in reached]
    led_to = {target for node in unreached for target in following[node]}
    covered = reached
    for node in sorted(unreached, key=lambda each: each in led_to):
        if node not in covered:
            yield node
            covered |= reachable([node], following)


def _exits(spec: GraphSpec) -> list[str]:
    return [node.id for node in spec.nodes if node.type == "exit"]


def _useless_edges(spec: GraphSpec) -> Iterator[Problem]:
    """Edges that no run can take: out of an exit, and those beside the targets that a router or gate chooses from."""
    types = {node.id: node.type for node in spec.nodes}
    chosen = {(link.source, link.target) for link in links(spec) if link.kind != "edge"}
    for index, edge in enumerate(spec.edges):
        kind, source = types[edge.from_node], edge.from_node
        if kind == "exit":
            message = f"The edge `{_arrow(edge)}` does nothing: a run ends at the exit `{source}`."
            yield _problem(("edges", index), message, "Remove the edge.")
        elif kind in _CHOOSERS and (source, edge.to_node) not in chosen and not _handles_failure(edge):
            message = f"The edge `{_arrow(edge)}` does nothing: the {kind} `{source}` goes only to its own targets."
            remedy = f"Make `{edge.to_node}` {_CHOOSERS[kind]}, or remove the edge."
            yield _problem(("edges", index), message, remedy)


def _handles_failure(edge: EdgeSpec) -> bool:
    """Whether the edge is one that is looked at when its node fails."""
    try:
        names = compile_condition(edge.condition).names if edge.condition else frozenset()
    except ConfigurationError:
        return True  # that its condition is none is said elsewhere
    return bool(names & {"status", "error"})


def _no_way_out(
    spec: GraphSpec, following: Mapping[str, tuple[str, ...]], reached: frozenset[str]
) -> Iterator[Problem]:
    backwards: dict[str, list[str]] = {}
    for source, targets in following.items():
        for target in targets:
            backwards.setdefault(target, []).append(source)
    leading_out = reachable(_exits(spec), backwards)
    stuck: list[NodeSpec] = [node for node in spec.nodes if node.id in reached and node.id not in leading_out]
    if stuck:
        listed = ", ".join(f"`{node.id}`" for node in stuck[:_LONGEST_CIRCLE])
        listed += f" and {len(stuck) - _LONGEST_CIRCLE} more" if len(stuck) > _LONGEST_CIRCLE else ""
        message = f"No exit can be reached from {listed}."
        index = spec.nodes.index(stuck[0])
        yield _problem(("nodes", index), message, f"Add an edge from one of them to `{_exits(spec)[0]}`.")


def _cycles(spec: GraphSpec, following: Mapping[str, tuple[str, ...]]) -> Iterator[Problem]:
    """One problem for every way back, at the link by which it is closed."""
    order = distances(entry_nodes(spec), following)
    closing: dict[tuple[str, str], tuple[str, ...]] = {}
    for cycle in find_cycles(following):
        start = min(range(len(cycle) - 1), key=lambda index: order.get(cycle[index], len(order)))  # where it is entered
        around = (*cycle[start:-1], *cycle[: start + 1])
        closing.setdefault((around[-2], around[-1]), around)
    for ends, around in closing.items():
        link = next(each for each in links(spec) if (each.source, each.target) == ends)
        shown = around if len(around) <= _LONGEST_CIRCLE else (*around[: _LONGEST_CIRCLE - 2], "…", *around[-2:])
        message = f"The graph goes round in a circle: {' -> '.join(shown)}."
        yield _problem(link.location, message, "Set `allow_cycles: true` if that is meant, or remove this way back.")
