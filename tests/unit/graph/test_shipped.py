"""The graphs that come with the program."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from rich.cells import cell_len

from engine.graph.inner_configs import AgentConfig
from engine.graph.loader import load_graph
from engine.graph.shipped import graphs_in, shipped_folder, shipped_graphs
from engine.graph.spec import GateConfig, ModelConfig, RouterConfig
from engine.graph.topology import successors
from tinyllm_tui.graph_layout import draw_graph

QUESTIONS = Path(__file__).parents[2] / "data" / "routing_questions.jsonl"


def router() -> RouterConfig:
    return next(node.config for node in load_graph("multi_domain").nodes if isinstance(node.config, RouterConfig))


def test_the_shipped_graphs_are_there() -> None:
    graphs = {"agent", "debate", "map_reduce", "multi_domain", "quick", "self_check", "simple_qa", "tool_math"}
    assert set(shipped_graphs()) == graphs


@pytest.mark.parametrize("name", sorted(shipped_graphs()))
def test_a_shipped_graph_is_valid_and_has_the_id_of_its_file(name: str) -> None:
    assert load_graph(name).id == f"graph.{name}"


@pytest.mark.parametrize("name", sorted(shipped_graphs()))
def test_a_shipped_graph_says_in_one_sentence_when_to_use_it(name: str) -> None:
    graph = load_graph(name)
    assert re.fullmatch(r"Use it [^.]{20,120}\.", graph.description)
    assert graph.name


@pytest.mark.parametrize("name", sorted(shipped_graphs()))
def test_the_drawing_of_a_shipped_graph_fits_into_100_columns(name: str) -> None:
    assert max(map(cell_len, draw_graph(load_graph(name)).splitlines())) <= 100


def test_every_shipped_prompt_is_used() -> None:
    used = {prompt for name in shipped_graphs() for prompt in load_graph(name).prompts}
    assert used == set(graphs_in(shipped_folder() / "prompts"))


@pytest.mark.parametrize("name", sorted(shipped_graphs()))
def test_shipped_graphs_name_roles_so_that_they_run_on_any_backend(name: str) -> None:
    asking = ModelConfig | RouterConfig | AgentConfig | GateConfig
    models = [node.config.model for node in load_graph(name).nodes if isinstance(node.config, asking)]
    assert models
    assert all(model.startswith("@") for model in models)


def test_the_gate_of_multi_domain_leads_to_the_answer_back_or_to_the_best_effort() -> None:
    assert successors(load_graph("multi_domain"))["check"] == ("answer", "router", "best_effort")


def test_the_specialists_of_multi_domain_have_their_tools() -> None:
    models = {node.id: node.config for node in load_graph("multi_domain").nodes if isinstance(node.config, ModelConfig)}
    tools = {name: config.tool_ids if config.tools_enabled else [] for name, config in models.items()}
    assert tools == {"code": ["code"], "math": ["calculator"], "general": [], "code_math": ["calculator", "code"]}


def test_the_gate_of_multi_domain_checks_and_escalates() -> None:
    (gate,) = [node.config for node in load_graph("multi_domain").nodes if isinstance(node.config, GateConfig)]
    assert (gate.mode, gate.escalate) == ("checks", True)


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
