"""Sub-graphs: taken into the graph that names them when it is loaded, so that what runs is in its hash and its log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from engine.graph.inner_configs import SubgraphConfig
from engine.graph.problems import GraphError, Location, Problem, choose_from, nearest, shorten
from engine.graph.spec import GraphSpec

MAX_DEPTH = 8
"""Graphs inside graphs."""

Load = Callable[[str], GraphSpec]
"""Name -> graph. Raises GraphError: code `unknown_graph` when there is none."""


def graph_ids(spec: GraphSpec) -> Iterator[tuple[Location, str]]:
    """Where nodes name graphs, and which."""
    for index, node in enumerate(spec.nodes):
        if isinstance(node.config, SubgraphConfig):
            yield ("nodes", index, "config", "graph_id"), node.config.graph_id


def with_graphs(spec: GraphSpec, load: Load) -> tuple[GraphSpec, list[Problem]]:
    """The graph with those that its nodes name and it does not have, and what is wrong with them."""
    found = dict(spec.graphs)
    problems: list[Problem] = []
    for location, name in graph_ids(spec):
        if name in found:
            continue
        try:
            found[name] = load(name)
        except GraphError as error:
            problems.append(_wrong(spec, location, name, error))
    return spec.model_copy(update={"graphs": found}), problems


def _wrong(spec: GraphSpec, location: Location, name: str, error: GraphError) -> Problem:
    node = spec.nodes[int(location[1])].id
    first = error.problems[0]
    remedy = first.remedy
    if error.code == "unknown_graph":
        near = nearest(name, spec.graphs)
        remedy = f"Did you mean `{near}`?" if near else remedy
        message = f"The node `{node}` runs the graph `{shorten(name)}`, but there is no such graph."
    elif error.code == "graph_circle":
        message = first.message
    else:
        where = f" ({first.place})" if first.place else ""
        message = f"The graph `{shorten(name)}` of node `{node}` is wrong{where}: {first.message}"
    return Problem("", 0, 0, message, remedy, location)


def check_subgraphs(spec: GraphSpec) -> Iterator[Problem]:
    """The problems of the names of a graph's sub-graphs; not those of the sub-graphs themselves."""
    used = {name for _, name in graph_ids(spec)}
    for location, name in graph_ids(spec):
        if name not in spec.graphs:
            node = spec.nodes[int(location[1])].id
            message = f"The node `{node}` runs the graph `{shorten(name)}`, but there is no such graph."
            yield Problem("", 0, 0, message, choose_from(name, spec.graphs), location)
    for name in spec.graphs:
        if name not in used:
            message = f"No node runs the graph `{shorten(name)}`."
            yield Problem("", 0, 0, message, "Name it in a `graph_id`, or remove it.", ("graphs", name))


def circle(way: tuple[str, ...]) -> GraphError:
    """A graph contains itself; `way` names the graphs from it to itself."""
    message = f"The graph contains itself: {' -> '.join(map(shorten, way))}."
    return GraphError([Problem("", 0, 0, message, "Remove this sub-graph.")], code="graph_circle")


def too_deep(name: str) -> GraphError:
    """Graphs are nested more deeply than `MAX_DEPTH`."""
    message = f"Graphs are nested more than {MAX_DEPTH} deep at `{shorten(name)}`."
    return GraphError([Problem("", 0, 0, message, "Put some of them together.")], code="graph_circle")


def mapped(
    spec: GraphSpec, change: Callable[[GraphSpec], tuple[GraphSpec, list[Problem]]]
) -> tuple[GraphSpec, list[Problem]]:
    """The graph with each of its own sub-graphs changed, and the problems of that with their places."""
    found: dict[str, GraphSpec] = {}
    problems: list[Problem] = []
    for name, inside in spec.graphs.items():
        found[name], wrong = change(inside)
        problems += [replace(problem, location=("graphs", name, *problem.location)) for problem in wrong]
    return spec.model_copy(update={"graphs": found}), problems
