"""Which node can lead to which: the edges of a graph together with the targets that routers and gates name."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from engine.graph.inner_configs import ApprovalConfig, LoopConfig, TimeoutConfig
from engine.graph.problems import Location
from engine.graph.spec import FanoutConfig, GateConfig, GraphSpec, NodeSpec, RouterConfig

LinkKind = Literal["edge", "route", "compound", "condition", "default", "branch", "inner"]


@dataclass(frozen=True, slots=True)
class Link:
    """One way from a node to another."""

    source: str
    target: str
    kind: LinkKind
    """Where it is written: in `edges`, or in the config of its source. `inner`: the target runs inside the source's
    visit, so that no message goes that way."""
    label: str
    """Name of the route or text of the condition; empty for a plain edge."""
    location: Location
    """Where in the graph the target is named."""


def links(spec: GraphSpec) -> tuple[Link, ...]:
    """Every way from node to node, in the order of the file; targets before the edges that repeat them."""
    found: list[Link] = []
    for index, node in enumerate(spec.nodes):
        found += _targets(node, ("nodes", index, "config"))
    for index, edge in enumerate(spec.edges):
        label = edge.condition or ""
        found.append(Link(edge.from_node, edge.to_node, "edge", label, ("edges", index, "to_node")))
    return tuple(found)


def _targets(node: NodeSpec, at: Location) -> Iterable[Link]:
    config = node.config
    if isinstance(config, RouterConfig):
        names = {route.name: route.target for route in config.routes}
        for index, route in enumerate(config.routes):
            yield Link(node.id, route.target, "route", route.name, (*at, "routes", index, "target"))
        for index, compound in enumerate(config.compound_routes):
            label = " + ".join(compound.domains)
            yield Link(node.id, compound.target, "compound", label, (*at, "compound_routes", index, "target"))
        if config.default_route is not None and config.default_route not in names:
            yield Link(node.id, config.default_route, "default", "otherwise", (*at, "default_route"))
    elif isinstance(config, FanoutConfig):
        for index, target in enumerate(config.targets):
            yield Link(node.id, target, "branch", "", (*at, "targets", index))
    elif isinstance(config, GateConfig):
        for index, condition in enumerate(config.conditions):
            yield Link(
                node.id, condition.target, "condition", condition.expression, (*at, "conditions", index, "target")
            )
        if config.default_target is not None:
            yield Link(node.id, config.default_target, "default", "otherwise", (*at, "default_target"))
    elif isinstance(config, ApprovalConfig):
        for field, label in (("approved_target", "approved"), ("rejected_target", "rejected")):
            if (target := getattr(config, field)) is not None:
                yield Link(node.id, target, "condition", label, (*at, field))
    elif isinstance(config, LoopConfig):
        for index, target in enumerate(config.body):
            yield Link(node.id, target, "inner", "again" if index == 0 else "then", (*at, "body", index))
    elif isinstance(config, TimeoutConfig):
        yield Link(node.id, config.inner_node, "inner", f"{config.timeout_ms} ms", (*at, "inner_node"))
        if config.fallback_node is not None:
            yield Link(node.id, config.fallback_node, "inner", "too slow", (*at, "fallback_node"))


def inner_nodes(spec: GraphSpec) -> dict[str, str]:
    """Node that runs inside another's visit -> that one, the first where there are several."""
    found: dict[str, str] = {}
    for link in links(spec):
        if link.kind == "inner":
            found.setdefault(link.target, link.source)
    return found


def drawn_links(spec: GraphSpec) -> tuple[Link, ...]:
    """The links as they are drawn: a plain edge that only repeats a target is left out, and so are repeated links."""
    everything = links(spec)
    named = {(link.source, link.target) for link in everything if link.kind != "edge"}
    seen: dict[tuple[str, str, str], Link] = {}
    for link in everything:
        if link.kind == "edge" and not link.label and (link.source, link.target) in named:
            continue
        seen.setdefault((link.source, link.target, link.label), link)
    return tuple(seen.values())


def successors(spec: GraphSpec) -> dict[str, tuple[str, ...]]:
    """Node -> the nodes that it can lead to, each once, in the order of the file; not those that run inside it."""
    found: dict[str, dict[str, None]] = {node.id: {} for node in spec.nodes}
    for link in links(spec):
        if link.kind == "inner":
            continue
        found.setdefault(link.source, {})[link.target] = None
    return {node: tuple(targets) for node, targets in found.items()}


def entry_nodes(spec: GraphSpec) -> tuple[str, ...]:
    """Where runs begin: `entry_points`, or every `entry` node where none are listed."""
    return tuple(spec.entry_points) or tuple(node.id for node in spec.nodes if node.type == "entry")


def distances(starts: Iterable[str], following: Mapping[str, Iterable[str]]) -> dict[str, int]:
    """Node -> steps to it from the nearest of `starts`, for the nodes that can be reached."""
    found = dict.fromkeys(starts, 0)
    waiting = deque(found)
    while waiting:
        node = waiting.popleft()
        for after in following.get(node, ()):
            if after not in found:
                found[after] = found[node] + 1
                waiting.append(after)
    return found


def reachable(starts: Iterable[str], following: Mapping[str, Iterable[str]]) -> frozenset[str]:
    """The nodes that can be reached from `starts`, these included."""
    found = set(starts)
    waiting = list(found)
    while waiting:
        fresh = [node for node in following.get(waiting.pop(), ()) if node not in found]
        found.update(fresh)
        waiting += fresh
    return frozenset(found)


def find_cycles(following: Mapping[str, Iterable[str]]) -> list[tuple[str, ...]]:
    """One cycle for every way back that a depth-first walk finds: (a, b, a). Empty where there is none."""
    cycles: list[tuple[str, ...]] = []
    done: set[str] = set()
    for root in following:
        if root in done:
            continue
        path: dict[str, None] = {root: None}
        stack = [(root, iter(following.get(root, ())))]
        while stack:
            node, targets = stack[-1]
            target = next(targets, None)
            if target is None:
                stack.pop()
                path.pop(node)
                done.add(node)
            elif target in path:
                way = list(path)
                cycles.append((*way[way.index(target) :], target))
            elif target not in done:
                path[target] = None
                stack.append((target, iter(following.get(target, ()))))
    return cycles
