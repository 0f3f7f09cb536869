"""Which nodes of a graph were only given another id."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from engine.graph.spec import GraphSpec, NodeSpec, hash_of

Place = Counter[tuple[str, str, str | None, float]]
"""The edges at a node: (from, to, condition, weight)."""


def renamed_nodes(old: GraphSpec, new: GraphSpec) -> dict[str, str]:
    """Old id -> new id of the nodes that were renamed for certain.

    Everything but the id is as it was, no other node that came or went is like it, and it stands where it stood: it
    has the same edges (of renamed nodes too), and one without edges is named in the same place of another node.
    """
    found = _alike(old, new)
    while True:
        before, now = _places(old, found), _places(new, {})
        certain = {
            old_id: new_id
            for old_id, new_id in found.items()
            if before[new_id] == now[new_id]
            and (before[new_id] or set(_references(old, old_id, found)) & set(_references(new, new_id, {})))
        }
        if len(certain) == len(found):
            return certain
        found = certain


def _alike(old: GraphSpec, new: GraphSpec) -> dict[str, str]:
    """Nodes that went and came with the same contents, where there is one of each."""
    old_ids, new_ids = {node.id for node in old.nodes}, {node.id for node in new.nodes}
    went, came = defaultdict(list), defaultdict(list)
    for node in old.nodes:
        if node.id not in new_ids:
            went[_contents(node)].append(node.id)
    for node in new.nodes:
        if node.id not in old_ids:
            came[_contents(node)].append(node.id)
    return {ids[0]: came[key][0] for key, ids in went.items() if len(ids) == len(came.get(key, ())) == 1}


def _contents(node: NodeSpec) -> str:
    return hash_of(node.model_dump(mode="json", exclude={"id"}))


def _places(graph: GraphSpec, renamed: Mapping[str, str]) -> defaultdict[str, Place]:
    """New id -> place of each node."""
    places: defaultdict[str, Place] = defaultdict(Counter)
    for edge in graph.edges:
        source, target = renamed.get(edge.from_node, edge.from_node), renamed.get(edge.to_node, edge.to_node)
        for node in {source, target}:
            places[node][source, target, edge.condition, edge.weight] += 1
    return places


def _references(graph: GraphSpec, wanted: str, renamed: Mapping[str, str]) -> Iterator[tuple[str | int, ...]]:
    """Where the fields of other nodes say an id: (new id of the node, step, step ...)."""
    for node in graph.nodes:
        if node.id != wanted:
            yield from _paths(node.config.model_dump(mode="json"), wanted, (renamed.get(node.id, node.id),))


def _paths(value: Any, wanted: str, at: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    if value == wanted:
        yield at
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _paths(each, wanted, (*at, key))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _paths(each, wanted, (*at, index))
