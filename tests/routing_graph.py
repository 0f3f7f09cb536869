"""A graph with one router and no model: what a question is about is its answer."""

from __future__ import annotations

from typing import Any

from engine.graph.spec import GraphSpec
from tests.graphs import make_graph, node

BIRDS = ("Which owl hunts at noon?", "How do swallows build a nest?", "Why do storks clap?", "What does a wren eat?",
         "How far do cranes fly?", "When do robins sing?")  # fmt: skip
STONES = ("What is granite made of?", "How hard is quartz?", "Where is basalt found?", "Why is marble white?",
          "How old is slate?", "Is chalk a stone?")  # fmt: skip


def birds_or_stones(*, id: str = "graph.nature", multi_label: bool = False, **config: Any) -> GraphSpec:  # noqa: A002
    """`start` -> `router` -> `birds` or `stones` -> `end`; the answer is the name of the route."""
    routes = [
        {"name": name, "target": name, "utterances": list(texts)}
        for name, texts in (("birds", BIRDS), ("stones", STONES))
    ]
    config = {"routes": routes, "default_route": "stones", "multi_label": multi_label, **config}
    says = {name: node(name, "transform", operation="template", template=name) for name in ("birds", "stones")}
    return make_graph(
        [node("start", "entry"), node("router", "router", **config), *says.values(), node("end", "exit")],
        [("start", "router"), ("router", "birds"), ("router", "stones"), ("birds", "end"), ("stones", "end")],
        id=id,
    )
