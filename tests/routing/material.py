"""What routing is measured with: the shipped routers, and the development set of questions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from engine.graph.loader import load_graph
from engine.graph.shipped import shipped_graphs
from engine.graph.spec import RouterConfig
from engine.routing.examples import Example, Examples, examples_of, learning
from engine.routing.shipped_vectors import ShippedVectors, read_vectors, text_key

DATA = Path(__file__).parents[1] / "data"
QUESTIONS = DATA / "routing_questions.jsonl"
VECTORS = DATA / "routing_embeddings.json"


def development_set() -> list[Example]:
    """Questions and their labels; routing never learns from them."""
    rows = map(json.loads, QUESTIONS.read_text("utf-8").splitlines())
    return [Example(row["text"], frozenset(row["labels"])) for row in rows]


def shipped_router() -> RouterConfig:
    """The router of the graph that the development set is for."""
    (config,) = learning(load_graph("multi_domain"))
    return config


def shipped_examples() -> list[Examples]:
    """What each router of the shipped graphs learns from."""
    return [examples_of(config) for name in shipped_graphs() for config in learning(load_graph(name))]


def development_vectors() -> ShippedVectors:
    """Embeddings of the development set, made with the bundled model; by the text as the model was given it."""
    return read_vectors(VECTORS)


class Recorded:
    """A source of embeddings that were made before.

    Raises:
        KeyError: one was not.
    """

    def __init__(self, known: ShippedVectors) -> None:
        self._known = known

    async def embed(self, model: str, texts: Sequence[str]) -> list[list[float]]:
        return [list(self._known.vectors[text_key(text)]) for text in texts]
