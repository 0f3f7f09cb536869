"""Mutations of nodes that run others inside their visit, of approvals, and of what a graph says of failures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tests.unit.graph.corpus.bases import Base
from tests.unit.graph.corpus.broken import Broken, Location, append, both, misspelt, put, remove, value_at
from tests.unit.graph.corpus.of_shape import plain


def mutations(base: Base) -> Iterator[Broken]:
    """The mutations of a graph that was written for the corpus; of shipped ones too little is known."""
    if not base.own:
        return
    for index, node in enumerate(base.nodes):
        make = _BY_TYPE.get(node["type"])
        if make is not None:
            yield from make(base, node, ("nodes", index, "config"))
    yield from _graph(base)


def _loop(base: Base, node: dict[str, Any], at: Location) -> Iterator[Broken]:
    name, body = node["id"], node["config"]["body"]
    words: tuple[str, ...] = (f"The loop `{name}` does not say when it is over",)
    yield Broken(base, "no condition", (*at, "mode"), remove((*at, "condition")), words, ("Add `condition:`",))
    words = (f"`until_success` of the loop `{name}` does not use the field `condition`",)
    edit = put((*at, "mode"), "until_success")
    yield Broken(base, "field of another mode", (*at, "condition"), edit, words, ("Remove it",))
    words = (f"`fixed_count` of the loop `{name}` does not use the field `on_exhausted`",)
    edit = both(put((*at, "mode"), "fixed_count"), remove((*at, "condition")))
    yield Broken(base, "field of another mode", (*at, "on_exhausted"), edit, words, ("Remove it",))
    place: Location = (*at, "body", len(body))
    words = (f"`{body[0]}` runs inside `{name}` twice",)
    yield Broken(base, "node inside twice", place, append((*at, "body"), body[0]), words, ("a node of its own",))
    words = (f"`{name}` runs inside itself",)
    yield Broken(base, "node inside itself", place, append((*at, "body"), name), words, ())
    for kind in ("gate", "router", "exit"):
        inner = base.ids(kind)[-1]
        words = (f"`{inner}` is of type {kind}, and cannot run inside `{name}`",)
        yield Broken(base, "node that leads on inside", place, append((*at, "body"), inner), words, ("subgraph",), kind)
    words = (f"`{body[0]}` runs inside `{name}`",)
    edit = append(("edges",), {"from_node": body[0], "to_node": name})
    place = ("edges", len(base.edges), "to_node")
    yield Broken(base, "edge of a node inside", place, edit, words, ("Remove this way",))


def _timeout(base: Base, node: dict[str, Any], at: Location) -> Iterator[Broken]:
    name = node["id"]
    words: tuple[str, ...] = (f"`{name}` does not say what runs instead",)
    edit = both(remove((*at, "fallback_node")), _without_node(node["config"]["fallback_node"]))
    yield Broken(base, "no fallback", (*at, "on_timeout"), edit, words, ("Add `fallback_node:`",))
    words = (f"`fallback_node` of `{name}` does nothing",)
    edit = put((*at, "on_timeout"), "skip")
    yield Broken(base, "field of another mode", (*at, "fallback_node"), edit, words, ("on_timeout: fallback",))


def _without_node(name: str) -> Callable[[dict[str, Any]], None]:
    def edit(data: dict[str, Any]) -> None:
        data["nodes"] = [node for node in data["nodes"] if node["id"] != name]

    return edit


def _subgraph(base: Base, node: dict[str, Any], at: Location) -> Iterator[Broken]:
    for field in ("question", ("input_mapping", "topic")):
        place = (*at, field) if isinstance(field, str) else (*at, *field)
        words: tuple[str, ...] = ("The path `nobody.knows`", f"`{node['id']}`")
        yield Broken(base, "bad path", place, put(place, "nobody.knows"), words, ("Begin with",))
    inside: Location = ("graphs", node["config"]["graph_id"])
    edges = value_at(base.data, (*inside, "edges"))
    place = (*inside, "edges", 0, "to_node")
    wrong = misspelt(edges[0]["to_node"])
    yield Broken(base, "dangling edge", place, put(place, wrong), (f"`{wrong}`", "no such node"), (wrong[:-1],))
    place = (*inside, "nodes", 0)
    edit = remove((*inside, "edges", 0))
    yield Broken(base, "missing edge", place, edit, ("`start` is a dead end",), (edges[0]["to_node"],), "in a graph")
    place = ("graphs", "unused")
    yield Broken(
        base, "unused graph", place, _copied(inside, place), ("No node runs the graph `unused`",), ("remove it",)
    )


def _copied(source: Location, target: Location) -> Callable[[dict[str, Any]], None]:
    return lambda data: put(target, value_at(data, source))(data)


def _approval(base: Base, node: dict[str, Any], at: Location) -> Iterator[Broken]:
    words = (f"A yes at node `{node['id']}` leads nowhere",)
    edit = both(remove((*at, "approved_target")), _ending_here(base, node["config"]["approved_target"]))
    yield Broken(base, "yes that leads nowhere", (*at, "rejected_target"), edit, words, ("Add `approved_target:`",))


def _ending_here(base: Base, target: str) -> Callable[[dict[str, Any]], None]:
    """What only the removed way led to is still reached."""
    source = plain(base)[-1]
    return lambda data: data["edges"].append({"from_node": source, "to_node": target})


def _graph(base: Base) -> Iterator[Broken]:
    """Mutations of what the graph itself says of failures."""
    if "fallback_node" not in base.data:
        return
    place: Location = ("fallback_node",)
    words: tuple[str, ...] = ("`fallback_node` does nothing with `degradation: skip_failed`",)
    yield Broken(base, "field of another mode", place, put(("degradation",), "skip_failed"), words, ("remove it",))
    edit = remove(place)
    yield Broken(
        base, "no fallback", ("degradation",), edit, ("does not say where failures go",), ("`fallback_node:`",)
    )
    edit = put(place, base.ids("entry")[0])
    yield Broken(base, "fallback that begins again", place, edit, ("is an entry",), ("Name an exit",))
    inner = next(node["config"]["body"][0] for node in base.nodes if node["type"] == "loop")
    edit = put(place, inner)
    yield Broken(base, "fallback inside", place, edit, (f"`{inner}` runs inside",), ("outside of it",))


_BY_TYPE: dict[str, Callable[[Base, dict[str, Any], Location], Iterator[Broken]]] = {
    "loop": _loop,
    "timeout": _timeout,
    "subgraph": _subgraph,
    "approval": _approval,
}
"""Type of node -> mutations of its config."""
