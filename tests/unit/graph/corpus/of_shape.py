"""Mutations of shape: ids that are missing or there twice, edges that dangle, circles, nodes that no run can reach."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from tests.unit.graph.corpus.bases import Base
from tests.unit.graph.corpus.broken import Broken, Location, append, both, misspelt, put, remove, value_at
from tests.unit.graph.corpus.spots import Spot, spots

CHOOSERS = ("router", "gate", "fanout", "approval")
"""Types of nodes that name their targets in their config."""


def mutations(base: Base) -> Iterator[Broken]:
    """The mutations of a graph."""
    yield from _nodes(base)
    yield from _edges(base)
    yield from _targets(base)
    yield from _points(base)
    yield from _ways(base)
    yield from _circles(base)


def plain(base: Base) -> list[str]:
    """Ids of the nodes that lead on by edges alone, of which one has no condition: whatever is put behind such a node
    is reached."""
    always = [edge["from_node"] for edge in base.edges if "condition" not in edge]
    types = {node["id"]: node["type"] for node in base.nodes}
    return [name for name in dict.fromkeys(always) if types[name] not in (*CHOOSERS, "entry", "exit")]


def _new(name: str, kind: str = "transform") -> dict[str, Any]:
    return {"id": name, "type": kind, **({"config": {"operation": "strip"}} if kind == "transform" else {})}


def _edge(source: str, target: str, **more: Any) -> dict[str, Any]:
    return {"from_node": source, "to_node": target, **more}


def _nodes(base: Base) -> Iterator[Broken]:
    words: tuple[str, ...]
    place: Location
    for index, node in enumerate(base.nodes[:-1][:6]):
        name = node["id"]
        last = ("nodes", len(base.nodes), "id")
        words = (f"`{name}` is there twice", f"node number {index + 1}")
        yield Broken(base, "duplicate id", last, append(("nodes",), node), words, ("id of its own",), name)
        other = base.nodes[index + 1]["id"]
        place = ("nodes", index + 1, "id")
        words = (f"`{name}` is there twice", f"node number {index + 1}")
        label = "instead of its own"
        yield Broken(base, "duplicate id", place, put(place, name), words, ("id of its own",), label)
        place = _first_mention(base, other, without=index + 1)
        words = (f"`{other}`", "no such node")
        yield Broken(base, "missing node", place, remove(("nodes", index + 1)), words, (), other)
    island = both(append(("nodes",), _new("lonely")), append(("edges",), _edge("lonely", base.ids("exit")[0])))
    place = ("nodes", len(base.nodes))
    yield Broken(base, "unreachable", place, island, ("No run can reach the node `lonely`",), ("leads to it",))


def _first_mention(base: Base, name: str, without: int) -> Location:
    """Where a node is named first after one node was taken out: in the nodes, then in the edges, then elsewhere."""
    ranks = {"nodes": 0, "edges": 1}
    for spot in sorted(node_spots(base), key=lambda spot: (ranks.get(str(spot.place[0]), 2), spot.name != "input")):
        if spot.value == name:
            place = list(spot.place)
            if place[0] == "nodes" and isinstance(place[1], int):
                if place[1] == without:
                    continue
                place[1] -= place[1] > without
            return tuple(place)
    raise AssertionError(f"nothing in {base.name} names {name}")


def node_spots(base: Base) -> list[Spot]:
    """Every place where another node is named, in the order of the file: edges, targets, points."""
    found = [each for spot in spots(base.data) for each in _named(spot)]
    routes = {
        ("default_route", route["name"])
        for node in base.nodes
        for route in (node.get("config") or {}).get("routes", ())
    }
    return [each for each in found if each.value in base.ids() and (each.name, each.value) not in routes]


_NAMES = (
    "from_node", "to_node", "target", "targets", "default_target", "default_route", "input", "entry_points",
    "exit_points", "body", "inner_node", "fallback_node", "approved_target", "rejected_target",
)  # fmt: skip
"""Fields that name nodes."""


def _named(spot: Spot) -> Iterator[Spot]:
    if spot.name in _NAMES and isinstance(spot.value, list):
        for index, each in enumerate(spot.value):
            yield Spot((*spot.place, index), spot.model, spot.name, spot.info, each)
    elif spot.name in _NAMES and isinstance(spot.value, str):
        yield spot


def _edges(base: Base) -> Iterator[Broken]:
    words: tuple[str, ...]
    place: Location
    out, into = (Counter(edge[end] for edge in base.edges) for end in ("from_node", "to_node"))
    types = {node["id"]: node["type"] for node in base.nodes}
    targeted = {spot.value for spot in node_spots(base) if spot.place[0] == "nodes" and spot.name != "input"}
    for index, edge in enumerate(base.edges[:10]):
        source, target = edge["from_node"], edge["to_node"]
        if out[source] == 1 and types[source] not in CHOOSERS:
            place = ("nodes", base.ids().index(source))
            words = (f"`{source}` is a dead end",)
            remedy = (f"`{target}`",) if into[target] == 1 and target not in targeted else ("Add an edge from it",)
            yield Broken(base, "missing edge", place, remove(("edges", index)), words, remedy, "from it")
        elif into[target] == 1 and target not in targeted and out[source] > 1:
            place = ("nodes", base.ids().index(target))
            words = (f"No run can reach the node `{target}`",)
            yield Broken(base, "missing edge", place, remove(("edges", index)), words, (), "to it")


def _targets(base: Base) -> Iterator[Broken]:
    seen: Counter[Any] = Counter()
    for spot in node_spots(base):
        seen[spot.field] += 1
        if seen[spot.field] > 3:
            continue
        wrong = misspelt(spot.value)
        kind = "dangling edge" if spot.place[0] == "edges" else "unknown node"
        yield Broken(
            base, kind, spot.place, put(spot.place, wrong), (f"`{wrong}`", "no such node"), (f"`{spot.value}`",)
        )


def _points(base: Base) -> Iterator[Broken]:
    words: tuple[str, ...]
    place: Location
    for field, kind in (("entry_points", "entry"), ("exit_points", "exit")):
        if field not in base.data:
            continue
        listed = base.data[field]
        other = next(node for node in base.nodes if node["type"] not in ("entry", "exit"))
        edit = put((field, 0), other["id"])
        words = (f"`{field}` lists `{other['id']}`", f"type {other['type']}, not {kind}")
        yield Broken(base, "wrong point", (field, 0), edit, words, (f"`{listed[0]}`",))
        edit = append((field,), listed[0])
        yield Broken(base, "point listed twice", (field, 0), edit, (f"lists `{listed[0]}` twice",), ("Remove one",))
        if len(listed) > 1:
            place = ("nodes", base.ids().index(listed[-1]), "id")
            words = (f"`{listed[-1]}` is not in `{field}`",)
            yield Broken(base, "point not listed", place, remove((field, len(listed) - 1)), words, ("Add it",))
    if "entry_points" not in base.data:
        (start,) = base.ids("entry")
        place = ("nodes", base.ids().index(start), "type")
        edit = put(place, "model")
        yield Broken(base, "no entry", ("nodes",), edit, ("no node of type entry",), ("type: entry",))
    if "exit_points" not in base.data and len(base.ids("exit")) == 1:
        place = ("nodes", base.ids().index(base.ids("exit")[0]))
        edit = both(put((*place, "type"), "model"), _without(place, "config"))
        yield Broken(base, "no exit", ("nodes",), edit, ("no node of type exit",), ("type: exit",))


def _without(place: Location, field: str) -> Any:
    return lambda data: value_at(data, place).pop(field, None)


def _ways(base: Base) -> Iterator[Broken]:
    """Edges and nodes that are too many."""
    words: tuple[str, ...]
    end = len(base.edges)
    exit_ = base.ids("exit")[0]
    for name in plain(base)[:3]:
        edit = append(("edges",), _edge(exit_, name))
        words = (f"`{exit_} -> {name}` does nothing", f"a run ends at the exit `{exit_}`")
        yield Broken(base, "edge out of an exit", ("edges", end), edit, words, ("Remove the edge",), name)
        edit = both(append(("nodes",), _new("lost")), append(("edges",), _edge(name, "lost")))
        words = ("`lost` is a dead end",)
        yield Broken(base, "dead end", ("nodes", len(base.nodes)), edit, words, (f"`{exit_}`",), name)
    targets = {(spot.place[1], spot.value) for spot in node_spots(base) if spot.place[0] == "nodes"}
    for index, node in enumerate(base.nodes):
        if node["type"] in CHOOSERS and (index, exit_) not in targets:
            edit = append(("edges",), _edge(node["id"], exit_))
            words = (f"`{node['id']} -> {exit_}` does nothing", "only to its own targets")
            yield Broken(
                base, "edge beside the targets", ("edges", end), edit, words, ("or remove the edge",), node["id"]
            )


def _circles(base: Base) -> Iterator[Broken]:
    words: tuple[str, ...]
    place: Location
    if not base.data.get("allow_cycles"):
        names = plain(base)
        for count, name in enumerate(names[:4]):
            edit = append(("edges",), _edge(name, name, condition="len(content) > 99"))
            words = ("goes round in a circle", f"{name} -> {name}")
            place = ("edges", len(base.edges), "to_node")
            yield Broken(base, "circle", place, edit, words, ("allow_cycles: true",), f"{name} to itself")
            for other in names[:count]:
                if _leads(base, other, name):
                    edit = append(("edges",), _edge(name, other, condition="len(content) > 99"))
                    words = ("goes round in a circle", f"{name} -> {other}")
                    yield Broken(base, "circle", place, edit, words, ("allow_cycles: true",), f"{name} to {other}")
    elif (closing := _closing(base)) is not None:
        edit = put(("allow_cycles",), False)
        yield Broken(base, "circle", closing, edit, ("goes round in a circle",), ("allow_cycles: true",))
    for name in plain(base)[:2]:
        edit = both(
            append(("nodes",), _new("round"), _new("and_round")),
            append(("edges",), _edge(name, "round"), _edge("round", "and_round"), _edge("and_round", "round")),
            put(("allow_cycles",), True),
        )
        words = ("No exit can be reached from `round`, `and_round`",)
        yield Broken(
            base, "no way out", ("nodes", len(base.nodes)), edit, words, ("Add an edge from one of them",), name
        )


def _leads(base: Base, source: str, target: str) -> bool:
    """Whether plain edges alone lead from a node to another."""
    found, waiting = {source}, [source]
    while waiting:
        node = waiting.pop()
        fresh = [edge["to_node"] for edge in base.edges if edge["from_node"] == node and edge["to_node"] not in found]
        found.update(fresh)
        waiting += fresh
    return target in found


def _closing(base: Base) -> Location | None:
    """Where a gate leads back to a router; None where the graph has no such circle."""
    for spot in node_spots(base):
        if spot.model.__name__.startswith("Gate") and spot.value == "router":
            return spot.place
    return None
