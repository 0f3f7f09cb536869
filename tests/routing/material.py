"""What routing is measured with: the shipped routers, and the development set of questions."""

from __future__ import annotations

import json
from pathlib import Path

from engine.graph.loader import load_graph
from engine.graph.shipped import shipped_graphs
from engine.graph.spec import RouterConfig
from engine.routing.examples import Examples, examples_of, learning

QUESTIONS = Path(__file__).parents[1] / "data" / "routing_questions.jsonl"


def development_set() -> list[tuple[str, tuple[str, ...]]]:
    """(question, its labels); routing never learns from it."""
    rows = map(json.loads, QUESTIONS.read_text("utf-8").splitlines())
    return [(row["text"], tuple(row["labels"])) for row in rows]


def shipped_router() -> RouterConfig:
    """The router of the graph that the development set is for."""
    (config,) = learning(load_graph("multi_domain"))
    return config


def shipped_examples() -> list[Examples]:
    """What each router of the shipped graphs learns from."""
    return [examples_of(config) for name in shipped_graphs() for config in learning(load_graph(name))]
