"""Whether the nodes that a graph names are there, each once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from engine.graph.inner_configs import LoopConfig, TimeoutConfig
from engine.graph.problems import Location, Problem, choose_from, shorten
from engine.graph.spec import GraphSpec, ModelConfig, NodeSpec
from engine.graph.topology import Link, links

_MOST = 50
"""Unknown names that are told at once: to look for the nearest of many takes long."""


@dataclass(frozen=True, slots=True)
class _Mention:
    """A place that names a node."""

    name: str
    words: str
    """What names it, and how: `The edge from a leads to`."""
    location: Location
    types: tuple[str, ...] = ()
    """Types of nodes that can be meant; none: any."""
    also: tuple[str, ...] = ()
    """Names that can be meant besides those of nodes."""


def duplicate_nodes(spec: GraphSpec) -> Iterator[Problem]:
    """Ids that are there twice."""
    first: dict[str, int] = {}
    for index, node in enumerate(spec.nodes):
        if node.id in first:
            message = f"The node id `{node.id}` is there twice: it is node number {first[node.id] + 1} already."
            yield Problem("", 0, 0, message, "Give every node an id of its own.", ("nodes", index, "id"))
        first.setdefault(node.id, index)


def unknown_nodes(spec: GraphSpec) -> Iterator[Problem]:
    """Names of nodes that are not there: one problem for each name, at the first place that gives it."""
    types = {node.id: node.type for node in spec.nodes}
    unknown: dict[str, list[_Mention]] = {}
    for mention in _mentions(spec):
        if mention.name not in types:
            unknown.setdefault(mention.name, []).append(mention)
    for name, mentions in list(unknown.items())[:_MOST]:
        first, others = mentions[0], len(mentions) - 1
        message = f"{first.words} `{name}`, but there is no such node."
        if others:
            message += " One more place names it." if others == 1 else f" {others} more places name it."
        fitting = [each for each in types if types[each] in first.types]
        yield Problem("", 0, 0, message, choose_from(name, [*(fitting or types), *first.also]), first.location)


def _mentions(spec: GraphSpec) -> Iterator[_Mention]:
    ways = links(spec)
    for index, node in enumerate(spec.nodes):
        yield from _inside(node, ("nodes", index, "config"))
    for link in ways:
        if link.kind not in ("edge", "inner"):
            labels = [each.label for each in ways if each.source == link.source and each.kind == "route"]
            also = tuple(labels) if link.location[-1] == "default_route" else ()
            yield _Mention(link.target, f"{_origin(link)} leads to", link.location, also=also)
    for index, edge in enumerate(spec.edges):
        yield _Mention(edge.from_node, "An edge comes from", ("edges", index, "from_node"))
        yield _Mention(edge.to_node, f"The edge from `{edge.from_node}` leads to", ("edges", index, "to_node"))
    for field, listed, kind in (
        ("entry_points", spec.entry_points, "entry"),
        ("exit_points", spec.exit_points, "exit"),
    ):
        for index, point in enumerate(listed):
            yield _Mention(point, f"`{field}` lists", (field, index), (kind,))
    if spec.fallback_node is not None:
        yield _Mention(spec.fallback_node, "The `fallback_node` of the graph is", ("fallback_node",))


def _inside(node: NodeSpec, at: Location) -> Iterator[_Mention]:
    """Nodes that the config of a node names without leading to them."""
    match node.config:
        case ModelConfig() as config:
            for index, source in enumerate(config.input or ()):
                words = f"The field `input` of node `{node.id}` names the node"
                yield _Mention(source, words, (*at, "input", index))
        case LoopConfig() as config:
            for index, inner in enumerate(config.body):
                yield _Mention(inner, f"The body of the loop `{node.id}` names the node", (*at, "body", index))
        case TimeoutConfig() as config:
            for field in ("inner_node", "fallback_node"):
                if getattr(config, field) is not None:
                    yield _Mention(getattr(config, field), f"The `{field}` of node `{node.id}` is", (*at, field))
        case _:
            pass


def _origin(link: Link) -> str:
    match link.kind:
        case "route" | "compound":
            return f"The route `{shorten(link.label)}` of node `{link.source}`"
        case "branch":
            return f"The fan-out `{link.source}`"
        case "condition":
            return f"The condition `{shorten(link.label)}` of node `{link.source}`"
        case _:
            return f"The `{link.location[-1]}` of node `{link.source}`"
