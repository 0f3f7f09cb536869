"""Approval nodes that cannot do what they say are found before anything runs."""

from __future__ import annotations

from typing import Any

import pytest

from engine.graph.validation import validate
from tests.graphs import Edge, make_graph, node


def problems_of(config: dict[str, Any], edges: list[Edge]) -> list[str]:
    nodes = [node("start", "entry"), node("ask", "approval", **config), node("go", "exit"), node("stop", "exit")]
    spec = make_graph(nodes, [("start", "ask"), *edges], valid=False)
    return [f"{each.message} {each.remedy}" for each in validate(spec)]


GO, STOP = ("ask", "go"), ("ask", "stop")
BOTH = {"approved_target": "go", "rejected_target": "stop"}


@pytest.mark.parametrize(
    ("config", "edges"),
    [
        (BOTH, []),
        (BOTH, [GO, STOP]),
        ({"rejected_target": "stop"}, [GO]),
        ({}, [GO, ("ask", "stop", "status == 'failed'")]),
        ({"approved_target": "go"}, [("ask", "stop", "status == 'failed'")]),
    ],
)
def test_ways_on_that_make_sense(config: dict[str, Any], edges: list[Edge]) -> None:
    assert problems_of(config, edges) == []


def test_an_edge_beside_an_approved_target_is_useless() -> None:
    (problem,) = problems_of({"approved_target": "go"}, [STOP])
    assert "`ask -> stop` does nothing" in problem
    assert "rejected_target" in problem


def test_a_yes_that_leads_nowhere() -> None:
    problems = problems_of({"rejected_target": "stop"}, [])
    assert any("A yes at node `ask` leads nowhere" in each for each in problems)


def test_a_yes_that_leads_where_a_no_leads_too() -> None:
    (problem,) = problems_of({"rejected_target": "stop"}, [GO, STOP])
    assert "A yes at node `ask` leads to its `rejected_target` as well" in problem


@pytest.mark.parametrize("field", ["approved_target", "rejected_target"])
def test_a_target_that_does_not_exist(field: str) -> None:
    problems = problems_of({**BOTH, field: "nowhere"}, [])
    assert any("`nowhere`" in each and "no such node" in each for each in problems)


def test_a_prompt_with_an_unknown_name() -> None:
    (problem,) = problems_of({**BOTH, "prompt": "Send {{ contents }}?"}, [])
    assert "prompt of node `ask` mentions the unknown name `contents`" in problem
