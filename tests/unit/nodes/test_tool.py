"""The tool node: arguments from the message, the result in it, and no effects."""

from __future__ import annotations

from typing import Any

import pytest

import engine
from engine import events as ev
from engine.graph.spec import GraphSpec
from engine.graph.tool_checks import TOOLS
from engine.run.result import Result
from engine.tools.registry import ToolRegistry


def calling(**config: Any) -> GraphSpec:
    return GraphSpec.model_validate(
        {
            "id": "graph.tool",
            "nodes": [
                {"id": "start", "type": "entry"},
                {"id": "call", "type": "tool", "config": config},
                {"id": "end", "type": "exit"},
            ],
            "edges": [
                {"from_node": "start", "to_node": "call"},
                {"from_node": "call", "to_node": "end"},
            ],
        }
    )


async def ask(graph: GraphSpec, question: str, inputs: dict[str, Any] | None = None) -> tuple[Result, list[ev.Event]]:
    async with engine.open() as eng:
        run = eng.start(graph, question, inputs=inputs)
        heard = [event async for event in run.events()]
        return await run.result(), heard


async def test_the_tools_text_is_the_message_and_its_output_stands_in_the_data() -> None:
    result, heard = await ask(calling(tool_id="calculator", input_mapping={"expression": "content"}), "0.1 + 0.2")
    assert result.text == "0.3"
    assert result.data["result"]["exact"] is True
    assert result.data["tool"] == "calculator"
    kinds = [event.kind for event in heard]
    assert kinds.index("op_started") < kinds.index("op_finished"), "a call is an operation: intent, then outcome"


async def test_arguments_come_from_dotted_paths() -> None:
    graph = calling(tool_id="calculator", input_mapping={"expression": "data.sums.1"})
    assert (await ask(graph, "?", {"sums": ["1+1", "2*21"]}))[0].text == "42"


async def test_the_output_field_names_where_the_output_stands() -> None:
    graph = calling(tool_id="calculator", input_mapping={"expression": "question"}, output_field="sum")
    data = (await ask(graph, "2+3"))[0].data
    assert data["sum"]["result"] == "5"
    assert "result" not in data


@pytest.mark.parametrize(("goes_on", "status"), [(False, "rolled_back"), (True, "committed")])
async def test_a_failed_tool_ends_the_run_unless_it_is_to_go_on(goes_on: bool, status: str) -> None:
    graph = calling(tool_id="calculator", input_mapping={"expression": "content"}, continue_on_error=goes_on)
    result, _ = await ask(graph, "7 / 0")
    assert result.status == status
    if goes_on:
        assert result.text == "7 / 0"
        assert result.data["tool_error"]
    else:
        assert result.error is not None
        assert result.error.node == "call"


async def test_a_missing_argument_is_a_failure_that_names_it() -> None:
    result, _ = await ask(calling(tool_id="calculator", input_mapping={"expression": "data.nothing"}), "1+1")
    assert result.error is not None
    assert "data.nothing" in result.error.message


def test_graphs_may_name_every_tool_whose_effect_can_be_taken_back() -> None:
    registry = ToolRegistry()
    assert set(registry.available()) == TOOLS
    assert {registry.get(name).effect for name in TOOLS} == {"pure", "reversible"}


async def test_a_tool_for_files_is_refused_where_no_workspace_is_configured() -> None:
    result, _ = await ask(calling(tool_id="file_read", input_mapping={"path": "content"}), "notes.txt")
    assert result.error is not None
    assert result.error.code == "no_workspace"


async def test_the_call_is_listed_in_the_data_as_those_of_models_are() -> None:
    result, _ = await ask(calling(tool_id="calculator", input_mapping={"expression": "content"}), "12*7")
    assert result.data["tools"] == [
        {"tool": "calculator", "arguments": {"expression": "12*7"}, "text": "84", "ok": True}
    ]


async def test_what_a_tool_was_asked_wrongly_is_no_fault_of_the_tool() -> None:
    graph = calling(tool_id="calculator", input_mapping={"expression": "content"})
    async with engine.open(None) as eng:
        for _ in range(5):
            assert (await eng.start(graph, "7 / 0").result()).status == "rolled_back"
        assert (await eng.start(graph, "6 * 7").result()).text == "42"
        assert {breaker.state for breaker in eng.breakers()} == {"closed"}
