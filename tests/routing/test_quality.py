"""The quality of routing on the development set, with the shipped utterances. The embeddings of its questions are
recorded: `python -m tests.routing.embeddings` makes them with the real bundled model."""

from __future__ import annotations

import pytest

from engine.graph.spec import RouterConfig
from engine.models.protocol import ModelInfo
from engine.nodes.route_evaluation import RoutingFigures, evaluate
from engine.routing.embedder import Embedder
from engine.routing.shipped_vectors import shipped_vectors
from tests.routing.material import Recorded, development_set, development_vectors, shipped_router


def embedder() -> Embedder:
    known = development_vectors()
    model = ModelInfo("recorded", digest=known.digest, capabilities=frozenset({"chat", "embed"}))
    return Embedder(model, Recorded(known), shipped_vectors()[known.digest])


@pytest.fixture
async def by_embeddings() -> RoutingFigures:
    return await evaluate(shipped_router(), development_set(), embedder())


@pytest.fixture
async def by_words() -> RoutingFigures:
    return await evaluate(shipped_router(), development_set(), None)


async def test_embeddings_find_the_labels_of_questions(by_embeddings: RoutingFigures) -> None:
    figures = by_embeddings
    assert figures.questions == len(development_set())
    assert figures.accuracy >= 0.96
    assert figures.all_found >= 0.85
    assert figures.extra <= 0.05
    assert figures.confident_right >= 0.98
    assert figures.stages["embedding"] > 0.9


async def test_words_alone_find_most_labels(by_words: RoutingFigures) -> None:
    assert by_words.accuracy >= 0.85
    assert by_words.all_found >= 0.85
    assert by_words.extra <= 0.12
    assert "embedding" not in by_words.stages


RENAMED = {"code": "zebra", "math": "apple", "general": "mango", "arithmetic": "kiwi"}


async def test_a_router_with_renamed_labels_routes_the_same(by_embeddings: RoutingFigures) -> None:
    document = shipped_router().model_dump()
    for route in document["routes"]:
        route["name"] = RENAMED[route["name"]]
    for compound in document["compound_routes"]:
        compound["domains"] = [RENAMED[name] for name in compound["domains"]]
    document["default_route"] = RENAMED[document["default_route"]]
    questions = [
        type(each)(each.text, frozenset(RENAMED[label] for label in each.labels)) for each in development_set()
    ]
    figures = await evaluate(RouterConfig.model_validate(document), questions, embedder())
    for share in ("accuracy", "extra", "all_found", "exact"):
        assert getattr(figures, share) == pytest.approx(getattr(by_embeddings, share), abs=1e-9)
    assert set(figures.labels) <= set(RENAMED.values())
