"""The graphs that come with the program."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.graph.loader import load_graph
from engine.graph.shipped import graphs_in, shipped_graphs
from engine.graph.spec import ModelConfig, RouterConfig
from engine.graph.topology import successors

QUESTIONS = Path(__file__).parents[2] / "data" / "routing_questions.jsonl"


def router() -> RouterConfig:
    return next(node.config for node in load_graph("multi_domain").nodes if isinstance(node.config, RouterConfig))


def test_the_shipped_graphs_are_there() -> None:
    assert set(shipped_graphs()) >= {"multi_domain", "quick"}


@pytest.mark.parametrize("name", sorted(shipped_graphs()))
def test_a_shipped_graph_is_valid_and_has_the_id_of_its_file(name: str) -> None:
    assert load_graph(name).id == f"graph.{name}"


@pytest.mark.parametrize("name", sorted(shipped_graphs()))
def test_shipped_graphs_name_roles_so_that_they_run_on_any_backend(name: str) -> None:
    models = [
        node.config.model for node in load_graph(name).nodes if isinstance(node.config, ModelConfig | RouterConfig)
    ]
    assert models
    assert all(model.startswith("@") for model in models)


def test_the_gate_of_multi_domain_leads_to_the_answer_back_or_to_the_best_effort() -> None:
    assert successors(load_graph("multi_domain"))["check"] == ("answer", "router", "best_effort")


def test_every_route_has_25_utterances_of_its_own() -> None:
    config = router()
    texts = [text for route in config.routes for text in route.utterances]
    learnt = [route for route in config.routes if "arithmetic" not in route.domains]  # that one is found by its rule
    assert {route.name for route in learnt} == {"code", "math", "general"}
    assert all(len(route.utterances) >= 25 for route in learnt)
    assert len(texts) == len({text.strip().lower() for text in texts})


def test_no_utterance_is_one_of_the_questions_that_routing_is_measured_with() -> None:
    config = router()
    questions = {squeezed(json.loads(line)["text"]) for line in QUESTIONS.read_text("utf-8").splitlines()}
    utterances = [
        text for group in (config.routes, config.compound_routes) for each in group for text in each.utterances
    ]
    assert len(questions) > 150
    for text in map(squeezed, utterances):
        assert text not in questions
        assert not any(len(text) > 30 and text in question for question in questions), text


def squeezed(text: str) -> str:
    return "".join(char for char in text.lower() if char.isalnum())


def test_a_folder_that_is_not_there_has_no_graphs(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("no graph")
    (tmp_path / "folder.yaml").mkdir()
    assert graphs_in(tmp_path) == graphs_in(tmp_path / "missing") == {}
