"""Builders of small graphs for tests."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from engine.graph.spec import GraphSpec
from engine.graph.validation import validate

Node = dict[str, Any]
Edge = tuple[str, str] | tuple[str, str, str] | tuple[str, str, str | None, float]


def node(id: str, type: str, **config: Any) -> Node:  # noqa: A002 - the names of the file format
    return {"id": id, "type": type, "config": config}


def make_graph(
    nodes: Sequence[Node],
    edges: Sequence[Edge],
    *,
    id: str = "graph.test",  # noqa: A002
    valid: bool = True,
    **fields: Any,
) -> GraphSpec:
    """A graph; with `valid` also checked as the loader checks it."""
    names = ("from_node", "to_node", "condition", "weight")
    spec = GraphSpec.model_validate(
        {
            "id": id,
            "nodes": list(nodes),
            "edges": [dict(zip(names, edge, strict=False)) for edge in edges],
            "allow_cycles": True,
            **fields,
        }
    )
    if valid:
        problems = validate(spec)
        assert not problems, problems
    return spec


def chain(*inner: Node, exit_config: dict[str, Any] | None = None, id: str = "graph.test") -> GraphSpec:  # noqa: A002
    """entry -> inner nodes in this order -> exit."""
    nodes = [node("start", "entry"), *inner, node("end", "exit", **(exit_config or {}))]
    ids = [each["id"] for each in nodes]
    return make_graph(nodes, list(itertools.pairwise(ids)), id=id)


def one_model(**config: Any) -> GraphSpec:
    """entry -> model `m` -> exit."""
    return chain(node("m", "model", **config))


def gated(
    *,
    back: str = "m",
    expression: str = 'content == "good"',
    max_retries: int = 2,
    model: dict[str, Any] | None = None,
    **gate: Any,
) -> GraphSpec:
    """entry -> model `m` -> gate -> exit, or back to `back`."""
    return make_graph(
        [
            node("start", "entry"),
            node("m", "model", **(model or {})),
            node(
                "gate",
                "gate",
                conditions=[{"expression": expression, "target": "end"}],
                default_target=back,
                max_retries=max_retries,
                **gate,
            ),
            node("end", "exit"),
        ],
        [("start", "m"), ("m", "gate"), ("gate", "end"), ("gate", back)],
    )


def parallel(*branches: Node) -> GraphSpec:
    """entry -> every branch at once -> exit; the first to reach the exit ends the run."""
    ids = [each["id"] for each in branches]
    return make_graph(
        [node("start", "entry"), *branches, node("end", "exit")],
        [*(("start", each) for each in ids), *((each, "end") for each in ids)],
    )
