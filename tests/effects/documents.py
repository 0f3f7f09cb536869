"""Small graphs around a node `x`, as documents."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from tests.effects.case import Document
from tests.graphs import Edge, Node, node

NAMES = ("from_node", "to_node", "condition", "weight")


def graph(nodes: Sequence[Node], edges: Sequence[Edge], **fields: Any) -> Document:
    """A graph in which ways back are allowed."""
    return {
        "id": "graph.effects",
        "nodes": list(nodes),
        "edges": [dict(zip(NAMES, edge, strict=False)) for edge in edges],
        "allow_cycles": True,
        **fields,
    }


def chain(*inner: Node, entry: Node | None = None, exit_: Node | None = None, **fields: Any) -> Document:
    """entry -> inner nodes in this order -> exit."""
    nodes = [entry or node("start", "entry"), *inner, exit_ or node("end", "exit")]
    return graph(nodes, list(itertools.pairwise(each["id"] for each in nodes)), **fields)


def x(type: str, **config: Any) -> Node:  # noqa: A002 - the names of the file format
    """The node that has the field."""
    return node("x", type, **config)


def says(name: str, template: str) -> Node:
    """A transform that says always the same, or fills a template."""
    return node(name, "transform", operation="template", template=template)


def upper(name: str) -> Node:
    return node(name, "transform", operation="upper")


def around(outer: Node, *inner: Node, **fields: Any) -> Document:
    """entry -> a node that runs others inside its visit -> exit."""
    nodes = [node("start", "entry"), outer, *inner, node("end", "exit")]
    return graph(nodes, [("start", outer["id"]), (outer["id"], "end")], **fields)


def leading_to(outer: Node, *exits: str, edges: Sequence[Edge] = (), **fields: Any) -> Document:
    """entry -> a node that chooses among exits by itself."""
    nodes = [node("start", "entry"), outer, *(node(name, "exit") for name in exits)]
    return graph(nodes, [("start", outer["id"]), *edges], **fields)
