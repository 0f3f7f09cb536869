"""Tools that a graph names."""

from __future__ import annotations

from typing import Any

import pytest

from engine.graph.problems import Problem
from engine.graph.validation import validate
from engine.run.resolution import references
from tests.graphs import chain, make_graph, node, one_model


def problems(type: str = "model", **config: Any) -> list[Problem]:  # noqa: A002 - the names of the file format
    nodes = [node("start", "entry"), node("m", type, **config), node("end", "exit")]
    return validate(make_graph(nodes, [("start", "m"), ("m", "end")], valid=False))


def test_tools_that_there_are_are_no_problem() -> None:
    assert problems(tools_enabled=True, tool_ids=["calculator", "file_read"], max_tool_rounds=2) == []
    assert problems("agent", tool_ids=["code"]) == []


@pytest.mark.parametrize(("type_", "config"), [("model", {"tools_enabled": True}), ("agent", {})])
def test_an_unknown_tool_is_named_with_the_nearest_one(type_: str, config: dict[str, Any]) -> None:
    (problem,) = problems(type_, tool_ids=["code", "calculater"], **config)
    assert "`calculater`" in problem.message
    assert "`calculator`" in problem.remedy
    assert problem.location[-2:] == ("tool_ids", 1)


@pytest.mark.parametrize("tool", ["file_delete", "file_write", "file_move"])
def test_a_tool_whose_effect_can_be_taken_back_may_be_named(tool: str) -> None:
    assert problems(tools_enabled=True, tool_ids=[tool]) == []
    assert problems("tool", tool_id=tool) == []


def test_a_tool_that_is_named_twice_is_a_problem() -> None:
    (problem,) = problems("agent", tool_ids=["code", "code"])
    assert "twice" in problem.message


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"tools_enabled": True}, "tools_enabled"),
        ({"tool_ids": ["calculator"]}, "tool_ids"),
        ({"max_tool_rounds": 5}, "max_tool_rounds"),
    ],
)
def test_tools_without_their_switch_and_the_switch_without_tools_are_problems(
    config: dict[str, Any], field: str
) -> None:
    (problem,) = problems(**config)
    assert problem.location[-1] == field
    assert problem.remedy


def test_the_models_of_agents_judges_and_sub_graphs_are_resolved_when_a_run_begins() -> None:
    judge = {"mode": "llm", "model": "@judge", "default_target": "end"}
    inside = chain(node("a", "agent", model="@math", tool_ids=["calculator"], fallback_models=["spare"]))
    graph = one_model(model="@code").model_copy(update={"graphs": {"inner": inside}})
    assert references(graph) == (["@code", "@math"], ["spare"])
    gate = make_graph(
        [node("start", "entry"), node("g", "gate", **judge), node("end", "exit")],
        [("start", "g"), ("g", "end")],
        valid=False,
    )
    assert references(gate) == (["@judge"], [])
    expression = make_graph(
        [node("start", "entry"), node("g", "gate", default_target="end"), node("end", "exit")],
        [("start", "g"), ("g", "end")],
        valid=False,
    )
    assert references(expression) == ([], [])
