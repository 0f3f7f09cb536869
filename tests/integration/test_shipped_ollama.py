"""Every shipped graph with two models behind Ollama's API, over the wire."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

import engine
from engine import events as ev
from engine.config import EngineConfig
from engine.graph.shipped import shipped_graphs
from tests.doubles.fake_ollama import FakeOllama, Reply
from tests.running import Ran, run_in

SMALL, LARGE = "qwen2.5:3b", "qwen2.5:7b"
CALL = {"function": {"index": 0, "name": "calculator", "arguments": {"expression": "3*12"}}}


def speak(body: dict[str, Any]) -> Reply:
    """A model that calls the calculator where it is offered, judges where it is asked to, and else answers."""
    if body.get("format"):
        return Reply(json.dumps({"reason": "It is right.", "score": 9, "labels": ["general"]}))
    calculator = any(tool["function"]["name"] == "calculator" for tool in body.get("tools", ()))
    if calculator and body["messages"][-1]["role"] != "tool":
        return Reply(tool_calls=[CALL])
    return Reply("There are 36 eggs.")


@pytest.fixture
def server() -> Iterator[FakeOllama]:
    with FakeOllama([SMALL, LARGE], answer=speak) as running:
        yield running


async def ask(server: FakeOllama, graph: str, question: str) -> Ran:
    config = EngineConfig(backend="ollama", ollama_host=server.address)
    async with engine.open(config=config) as eng:
        return await run_in(eng, engine.load_graph(graph), question)


@pytest.mark.parametrize("graph", sorted(shipped_graphs()))
async def test_a_shipped_graph_answers(server: FakeOllama, graph: str) -> None:
    ran = await ask(server, graph, "If 3 boxes hold 12 eggs each, how many eggs are there?")
    assert (ran.result.status, ran.result.text) == ("committed", "There are 36 eggs."), ran.result.error
    assert ran.result.exit == "success"


@pytest.mark.parametrize(("graph", "judged"), [("self_check", 1), ("debate", 3), ("multi_domain", 0), ("agent", 0)])
async def test_a_judge_is_asked_where_the_graph_has_one(server: FakeOllama, graph: str, judged: int) -> None:
    ran = await ask(server, graph, "If 3 boxes hold 12 eggs each, how many eggs are there?")
    assert [body.score for body in ran.all(ev.GateDecided) if body.score is not None] == [0.9] * judged


@pytest.mark.parametrize(("graph", "calls"), [("multi_domain", 1), ("tool_math", 1), ("agent", 1), ("quick", 0)])
async def test_a_model_calls_the_calculator_where_it_has_it(server: FakeOllama, graph: str, calls: int) -> None:
    ran = await ask(server, graph, "If 3 boxes hold 12 eggs each, how many eggs are there?")
    called = [body.op for body in ran.all(ev.OpStarted) if body.op.startswith("tool ")]
    assert called == ["tool calculator"] * calls
