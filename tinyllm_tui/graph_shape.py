"""What a layout needs of a graph: its nodes and every edge, those that are named in a node's config among them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from rich.cells import cell_len

from tinyllm_tui.graph_canvas import Edge

_MOST_COLUMNS = 12


@dataclass(frozen=True, slots=True)
class GraphShape:
    """What a layout needs of a graph: node ids in file order and edges without duplicates."""

    nodes: tuple[str, ...]
    edges: tuple[Edge, ...]
    entries: tuple[str, ...] = ()
    inner: tuple[tuple[Edge, str], ...] = ()
    """Edges to, between and back from nodes that run inside another's visit; each with the inner node whose run says
    that the edge was taken."""
    telling: tuple[tuple[str, int], ...] = ()
    """Nodes that say how they decided, with the columns that this takes."""


def shape_of(graph: Mapping[str, Any]) -> GraphShape:
    """The shape of a graph specification in its JSON form (`GraphSpec.model_dump(mode="json")`, or `View.graph`).

    Routers, gates, fan-outs and approvals name targets in their config; those are edges too, and so is what a loop or
    timeout runs inside.
    """
    nodes = tuple(node["id"] for node in graph.get("nodes", ()))
    known = set(nodes)
    edges: dict[Edge, None] = {}
    for edge in graph.get("edges", ()):
        edges[(edge["from_node"], edge["to_node"])] = None
    for node in graph.get("nodes", ()):
        for target in _targets(node.get("config") or {}):
            edges.setdefault((node["id"], target), None)
    inner = [each for node in graph.get("nodes", ()) for each in _inner_edges(node["id"], node.get("config") or {})]
    edges.update(dict.fromkeys(edge for edge, _ in inner))
    kept = tuple(edge for edge in edges if edge[0] in known and edge[1] in known)
    entries = tuple(e for e in graph.get("entry_points") or () if e in known)
    telling = [(node["id"], _columns(node.get("type"), node.get("config") or {})) for node in graph.get("nodes", ())]
    return GraphShape(nodes, kept, entries, tuple(inner), tuple(each for each in telling if each[1]))


def _columns(type_: object, config: Mapping[str, Any]) -> int:
    """Columns in which a router names any of its routes, and a gate its verdict; at most a dozen."""
    if type_ == "gate":
        return len("retry 1")
    return min(max((cell_len(route["name"]) for route in config.get("routes") or ()), default=0), _MOST_COLUMNS)


def _inner_edges(node: str, config: Mapping[str, Any]) -> Iterable[tuple[Edge, str]]:
    body = config.get("body") or ()
    for source, target in pairwise((node, *body)):
        yield (source, target), target
    if body:
        yield (body[-1], node), body[-1]
    if config.get("inner_node"):
        for inside in (config["inner_node"], config.get("fallback_node")):
            if inside:
                yield (node, inside), inside


def _targets(config: Mapping[str, Any]) -> Iterable[str]:
    routes = config.get("routes") or ()
    by_name = {route["name"]: route["target"] for route in routes}
    yield from by_name.values()
    yield from (route["target"] for route in config.get("compound_routes") or ())
    yield from (condition["target"] for condition in config.get("conditions") or ())
    yield from config.get("targets") or ()
    yield from (config[name] for name in ("approved_target", "rejected_target") if config.get(name))
    for name in (config.get("default_route"), config.get("default_target")):
        if name:
            yield by_name.get(name, name)
