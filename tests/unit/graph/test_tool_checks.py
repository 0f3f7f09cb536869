"""Tools that a graph names."""

from __future__ import annotations

from typing import Any

import pytest

from engine.graph.problems import Problem
from engine.graph.tool_checks import ARGUMENTS, TOOLS
from engine.graph.validation import validate
from engine.run.resolution import references
from engine.tools.registry import ToolRegistry
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
    needed, _ = ARGUMENTS[tool]
    assert problems("tool", tool_id=tool, input_mapping=dict.fromkeys(needed, "content")) == []


def test_the_table_of_arguments_is_what_the_tools_say() -> None:
    registry = ToolRegistry()
    said = {}
    for name in registry.available():
        fields = registry.get(name).Input.model_fields
        needed = frozenset(each for each, field in fields.items() if field.is_required())
        said[name] = (needed, fields.keys() - needed)
    assert said == ARGUMENTS
    assert ARGUMENTS.keys() == TOOLS


def test_an_unknown_argument_is_named_with_the_nearest_one_that_is_not_given() -> None:
    mapping = {"text": "content", "find": "data.find", "replce": "data.replace"}
    (problem,) = problems("tool", tool_id="text_replace", input_mapping=mapping)
    assert "no argument `replce`" in problem.message
    assert "`replace`" in problem.remedy
    assert problem.location[-2:] == ("input_mapping", "replce")


def test_a_needed_argument_that_is_misspelt_is_one_problem() -> None:
    (problem,) = problems("tool", tool_id="calculator", input_mapping={"expresion": "content"})
    assert "no argument `expresion`" in problem.message
    assert "`expression`" in problem.remedy


def test_an_argument_that_is_too_many_is_to_be_removed() -> None:
    (problem,) = problems("tool", tool_id="calculator", input_mapping={"expression": "content", "digits": "data.n"})
    assert problem.remedy == "Remove it."


@pytest.mark.parametrize(
    ("mapping", "missing", "field"),
    [
        ({}, ["content", "path"], "tool_id"),
        ({"content": "content"}, ["path"], "input_mapping"),
        ({"mode": "data.mode", "path": "data.path"}, ["content"], "input_mapping"),
    ],
)
def test_each_needed_argument_that_is_missing_is_named(mapping: dict[str, str], missing: list[str], field: str) -> None:
    found = problems("tool", tool_id="file_write", input_mapping=mapping)
    for argument, problem in zip(missing, found, strict=True):
        assert f"needs the argument `{argument}`" in problem.message
        assert f"`{argument}: content`" in problem.remedy
        assert problem.location[-1] == field


@pytest.mark.parametrize("path", ["content", "question", "data", "data.json.sums.0", "vars", "vars.sum"])
def test_a_path_begins_with_a_name_that_is_known(path: str) -> None:
    assert problems("tool", tool_id="calculator", input_mapping={"expression": path}) == []


@pytest.mark.parametrize("path", ["12*7", "expression", "", ".data", "datas.sum", "contents"])
def test_a_path_that_begins_otherwise_is_a_problem(path: str) -> None:
    (problem,) = problems("tool", tool_id="calculator", input_mapping={"expression": path})
    assert f"The path `{path}` of node `m` does not begin" in problem.message
    assert problem.location[-2:] == ("input_mapping", "expression")


@pytest.mark.parametrize("path", ["content.sum", "question.0"])
@pytest.mark.parametrize(
    ("type_", "config"),
    [("tool", {"tool_id": "calculator"}), ("subgraph", {"graph_id": "quick"})],
)
def test_a_path_into_a_text_is_a_problem(type_: str, config: dict[str, Any], path: str) -> None:
    found = problems(type_, input_mapping={"expression": path}, **config)
    (problem,) = (each for each in found if "path" in each.message)
    assert "which is a text" in problem.message
    assert problem.location[-2:] == ("input_mapping", "expression")


def test_the_arguments_of_an_unknown_tool_are_no_further_problems() -> None:
    (problem,) = problems("tool", tool_id="calculater", input_mapping={"expression": "content"})
    assert "no such tool" in problem.message


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
