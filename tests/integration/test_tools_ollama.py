"""Tool calls of a model behind Ollama's API, over the wire, through the whole engine.

The shapes are those of https://docs.ollama.com/api/chat and https://docs.ollama.com/capabilities/tool-calling: calls in
`message.tool_calls`, results as messages of role `tool` with `tool_name`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import engine
from engine import events as ev
from engine.config import EngineConfig
from engine.graph.spec import GraphSpec
from engine.view import fold
from tests.doubles.fake_ollama import FakeModel, FakeOllama, Reply
from tests.graphs import chain, node, one_model
from tests.running import Ran, run_in

CALL = {"function": {"index": 0, "name": "calculator", "arguments": {"expression": "12*7"}}}


@pytest.fixture
def server() -> Iterator[FakeOllama]:
    with FakeOllama() as running:
        yield running


async def ask(server: FakeOllama, graph: GraphSpec, question: str = "What is a dozen sevens?") -> Ran:
    config = EngineConfig(backend="ollama", ollama_host=server.address)
    async with engine.open(config=config) as eng:
        return await run_in(eng, graph, question)


def with_calculator(**config: Any) -> GraphSpec:
    return one_model(tools_enabled=True, tool_ids=["calculator"], **config)


async def test_a_native_call_goes_over_the_wire_and_back(server: FakeOllama) -> None:
    server.script(Reply(tool_calls=[CALL]), Reply("It is 84."))
    ran = await ask(server, with_calculator(seed=11))
    assert ran.result.text == "It is 84."
    assert ran.result.data["tools"] == [
        {"tool": "calculator", "arguments": {"expression": "12*7"}, "text": "84", "ok": True}
    ]
    first, second = server.chats
    (tool,) = first["tools"]
    assert (tool["type"], tool["function"]["name"]) == ("function", "calculator")
    assert tool["function"]["parameters"]["required"] == ["expression"]
    assert first["options"]["seed"] == second["options"]["seed"] == 11
    asked, answered = second["messages"][-2:]
    assert (asked["role"], asked["tool_calls"][0]["function"]["arguments"]) == ("assistant", {"expression": "12*7"})
    assert (answered["role"], answered["tool_name"], answered["content"]) == ("tool", "calculator", "84")
    assert ran.all(ev.ModelFinished)[0].tool_calls[0].name == "calculator"


async def test_an_agent_works_over_the_wire_and_a_replay_shows_the_same(server: FakeOllama, tmp_path: Any) -> None:
    again = {"function": {"name": "calculator", "arguments": {"expression": "84/2"}}}
    server.script(Reply(tool_calls=[CALL]), Reply(tool_calls=[again]), Reply("42."))
    graph = chain(node("m", "agent", tool_ids=["calculator"]))
    config = EngineConfig(backend="ollama", ollama_host=server.address)
    async with engine.open(tmp_path, config=config) as eng:
        ran = await run_in(eng, graph, "Half of a dozen sevens?")
        assert fold(await eng.events(ran.result.transaction)) == ran.view
    assert (ran.result.text, ran.result.data["steps"], ran.result.data["tool_calls"]) == ("42.", 3, 2)
    assert [op.result for op in ran.view.nodes["m"].visits[0].ops] == ["84", "42"]


async def test_a_model_without_tools_gets_no_definitions_but_a_form(server: FakeOllama) -> None:
    server.models = [FakeModel("plain:7b", "7B", capabilities=("completion",))]
    server.script(
        Reply('{"tool": "calculator", "arguments": {"expression": "12*7"}}'), Reply('{"answer": "It is 84."}')
    )
    ran = await ask(server, with_calculator())
    assert ran.result.text == "It is 84."
    assert all("tools" not in body for body in server.chats), "the server would refuse them"
    assert "anyOf" in server.chats[0]["format"]


async def test_a_server_that_says_it_can_and_refuses_is_asked_by_the_form(server: FakeOllama) -> None:
    refusal = b'{"error": "registry.ollama.ai/library/qwen2.5:3b does not support tools"}'
    server.script(Reply(status=400, body=refusal, content_type="application/json"), Reply('{"answer": "hello"}'))
    ran = await ask(server, with_calculator())
    assert ran.result.text == "hello"


async def test_a_call_without_readable_arguments_is_asked_for_again(server: FakeOllama) -> None:
    broken = {"function": {"name": "calculator", "arguments": "12*7"}}
    server.script(Reply(tool_calls=[broken]), Reply(tool_calls=[CALL]), Reply("It is 84."))
    ran = await ask(server, with_calculator())
    assert ran.result.text == "It is 84."
