"""The difference between two graphs, as values: fields, nodes, edges, prompts and inner graphs, in a fixed order.

Two graphs differ exactly where the JSON forms do that their hashes are made of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from pydantic import BaseModel

from engine.graph.field_changes import FieldChange, field_changes, order_change, same
from engine.graph.renames import renamed_nodes
from engine.graph.spec import EdgeSpec, GraphSpec, NodeSpec, PromptSpec

Item = TypeVar("Item", bound=BaseModel)
ChangeKind = Literal["added", "removed", "changed", "renamed"]


@dataclass(frozen=True, slots=True)
class NodeChange:
    """A node that is not as it was."""

    kind: ChangeKind
    id: str
    """Its id now; of a removed node, what it was."""
    type: str
    """Its type now; of a removed node, what it was."""
    old_id: str = ""
    """Of a renamed node: its id before."""
    fields: tuple[FieldChange, ...] = ()
    """What changed; of a node that was added or removed, the fields that are not at their defaults."""


@dataclass(frozen=True, slots=True)
class EdgeChange:
    """An edge that is not as it was; of a removed one, everything is what it was."""

    kind: ChangeKind
    from_node: str
    to_node: str
    condition: str | None
    fields: tuple[FieldChange, ...] = ()


@dataclass(frozen=True, slots=True)
class PromptChange:
    """A prompt that is not as it was."""

    kind: ChangeKind
    name: str
    """What `prompt_id` calls it."""
    fields: tuple[FieldChange, ...] = ()


@dataclass(frozen=True, slots=True)
class GraphDiff:
    """What makes the new graph of the old one. All of it is plain JSON (`dataclasses.asdict`).

    Items of each kind: those that were removed, in the old order, then the others, in the new order.
    """

    fields: tuple[FieldChange, ...] = ()
    """Fields of the graph itself; also the order of `nodes` and `edges`."""
    nodes: tuple[NodeChange, ...] = ()
    edges: tuple[EdgeChange, ...] = ()
    prompts: tuple[PromptChange, ...] = ()
    graphs: tuple[InnerGraphChange, ...] = ()

    @property
    def equal(self) -> bool:
        """Whether the graphs have the same hash."""
        return not (self.fields or self.nodes or self.edges or self.prompts or self.graphs)


@dataclass(frozen=True, slots=True)
class InnerGraphChange:
    """A graph inside the graph that is not as it was."""

    kind: ChangeKind
    name: str
    """What `graph_id` calls it."""
    version: str
    """Its version now; of a removed graph, what it was."""
    diff: GraphDiff = GraphDiff()
    """Of a changed graph."""


def diff_graphs(old: GraphSpec, new: GraphSpec) -> GraphDiff:
    """The difference between two graphs.

    A node counts as renamed only where that is certain (`renamed_nodes`). Its edges are then compared by its new id;
    other fields that name it (targets, entry points) count as changed: the file has to be changed there too.
    """
    renamed = renamed_nodes(old, new)
    before = [renamed.get(node.id, node.id) for node in old.nodes]
    edges, order = _edge_changes(old, new, renamed)
    return GraphDiff(
        fields=(*_graph_fields(old, new), *order_change(before, [node.id for node in new.nodes], "nodes"), *order),
        nodes=tuple(_node_changes(old, new, renamed)),
        edges=edges,
        prompts=tuple(
            PromptChange(kind, name, tuple(_prompt_fields(one, other)))
            for kind, name, one, other in _by_name(old.prompts, new.prompts)
        ),
        graphs=tuple(_inner_changes(old.graphs, new.graphs)),
    )


def _graph_fields(old: GraphSpec, new: GraphSpec) -> Iterator[FieldChange]:
    items = {"nodes", "edges", "prompts", "graphs"}
    return field_changes(old.model_dump(mode="json", exclude=items), new.model_dump(mode="json", exclude=items))


# -- nodes -------------------------------------------------------------------------------------------------------------


def _node_changes(old: GraphSpec, new: GraphSpec, renamed: Mapping[str, str]) -> Iterator[NodeChange]:
    before = {renamed.get(node.id, node.id): node for node in old.nodes}
    now = {node.id for node in new.nodes}
    for name, node in before.items():
        if name not in now:
            yield NodeChange("removed", node.id, node.type, fields=tuple(field_changes(_set_fields(node), {})))
    for node in new.nodes:
        was = before.get(node.id)
        if was is None:
            yield NodeChange("added", node.id, node.type, fields=tuple(field_changes({}, _set_fields(node))))
        elif was.id != node.id:
            yield NodeChange("renamed", node.id, node.type, old_id=was.id)
        elif changed := tuple(_changed_fields(was, node)):
            yield NodeChange("changed", node.id, node.type, fields=changed)


def _changed_fields(old: NodeSpec, new: NodeSpec) -> Iterator[FieldChange]:
    """What changed in a node; where its type did, among the fields that are not at their defaults."""
    dump: Callable[[NodeSpec], dict[str, Any]] = _dumped if old.type == new.type else _set_fields
    return field_changes({"type": old.type, **dump(old)}, {"type": new.type, **dump(new)})


def _set_fields(node: NodeSpec) -> dict[str, Any]:
    """The fields that are not at their defaults."""
    found = node.model_dump(mode="json", exclude_defaults=True, exclude={"id", "type"})
    return {name: value for name, value in found.items() if value != {}}


def _dumped(value: BaseModel) -> dict[str, Any]:
    return value.model_dump(mode="json")


# -- edges -------------------------------------------------------------------------------------------------------------


def _edge_changes(
    old: GraphSpec, new: GraphSpec, renamed: Mapping[str, str]
) -> tuple[tuple[EdgeChange, ...], list[FieldChange]]:
    """The changes of edges, and the change of their order where there is one."""
    before = [_with_new_ids(edge, renamed) for edge in old.edges]
    pairs = _paired(before, new.edges)
    taken = set(pairs.values())
    changes = [
        EdgeChange("removed", edge.from_node, edge.to_node, edge.condition, tuple(field_changes(_extras(edge), {})))
        for index, edge in enumerate(before)
        if index not in taken
    ]
    for index, edge in enumerate(new.edges):
        if index not in pairs:
            fields = tuple(field_changes({}, _extras(edge)))
            changes.append(EdgeChange("added", edge.from_node, edge.to_node, edge.condition, fields))
        elif fields := tuple(field_changes(_dumped(before[pairs[index]]), _dumped(edge))):
            changes.append(EdgeChange("changed", edge.from_node, edge.to_node, edge.condition, fields))
    kept = [pairs[index] for index in sorted(pairs)]
    order = []
    if kept != sorted(kept):
        titles = [[_title(before[index]) for index in each] for each in (sorted(kept), kept)]
        order.append(FieldChange("edges", "reordered", *titles))
    return tuple(changes), order


def _with_new_ids(edge: EdgeSpec, renamed: Mapping[str, str]) -> EdgeSpec:
    ends = {"from_node": edge.from_node, "to_node": edge.to_node}
    return edge.model_copy(update={name: renamed.get(node, node) for name, node in ends.items()})


def _paired(old: Sequence[EdgeSpec], new: Sequence[EdgeSpec]) -> dict[int, int]:
    """New index -> old index of the same edge: equal ones first, then those with the same ends and condition, then
    those with the same ends."""
    keys: tuple[Callable[[EdgeSpec], Any], ...] = (
        lambda edge: (edge.from_node, edge.to_node, edge.condition, edge.weight),
        lambda edge: (edge.from_node, edge.to_node, edge.condition),
        lambda edge: (edge.from_node, edge.to_node),
    )
    pairs: dict[int, int] = {}
    for key in keys:
        free: dict[Any, list[int]] = {}
        taken = set(pairs.values())
        for index, edge in enumerate(old):
            if index not in taken:
                free.setdefault(key(edge), []).append(index)
        for index, edge in enumerate(new):
            if index not in pairs and free.get(key(edge)):
                pairs[index] = free[key(edge)].pop(0)
    return pairs


def _extras(edge: EdgeSpec) -> dict[str, Any]:
    """What an edge that came or went has besides its ends and its condition."""
    return edge.model_dump(mode="json", exclude_defaults=True, exclude={"from_node", "to_node", "condition"})


def _title(edge: EdgeSpec) -> str:
    condition = "" if edge.condition is None else f" if {edge.condition}"
    return f"{edge.from_node} -> {edge.to_node}{condition}" + (f" ({edge.weight:g})" if edge.weight != 1 else "")


# -- prompts and inner graphs ------------------------------------------------------------------------------------------


def _prompt_fields(old: PromptSpec | None, new: PromptSpec | None) -> Iterator[FieldChange]:
    if old is not None and new is not None:
        return field_changes(_dumped(old), _dumped(new))
    before, now = ({} if each is None else each.model_dump(mode="json", exclude_defaults=True) for each in (old, new))
    return field_changes(before, now)


def _inner_changes(old: Mapping[str, GraphSpec], new: Mapping[str, GraphSpec]) -> Iterator[InnerGraphChange]:
    for kind, name, one, other in _by_name(old, new):
        if one is not None and other is not None:
            yield InnerGraphChange(kind, name, other.version, diff_graphs(one, other))
        elif (there := other or one) is not None:
            yield InnerGraphChange(kind, name, there.version)


def _by_name(
    old: Mapping[str, Item], new: Mapping[str, Item]
) -> Iterator[tuple[ChangeKind, str, Item | None, Item | None]]:
    """(kind, name, old, new) of what differs between two mappings; its order says nothing."""
    for name in old:
        if name not in new:
            yield "removed", name, old[name], None
    for name, item in new.items():
        if name not in old:
            yield "added", name, None, item
        elif not same(_dumped(old[name]), _dumped(item)):
            yield "changed", name, old[name], item
