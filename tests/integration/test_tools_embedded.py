"""Tools on the real embedded model: rules call them, and the model answers with what they say."""

from __future__ import annotations

import pytest

import engine
from engine import events as ev
from engine.graph.spec import GraphSpec
from tests.graphs import chain, node, one_model
from tests.running import run_in

pytestmark = pytest.mark.embedded

SYSTEM = "Answer the question in one or two sentences."
MODEL = one_model(tools_enabled=True, tool_ids=["calculator", "code"], max_tokens=60, system_prompt=SYSTEM)
AGENT = chain(node("m", "agent", tool_ids=["calculator", "text_stats"], max_tokens=60, system_prompt=SYSTEM))


@pytest.mark.parametrize("graph", [MODEL, AGENT], ids=["model", "agent"])
async def test_a_calculation_is_answered_with_the_calculators_number(graph: GraphSpec) -> None:
    async with engine.open(backend="embedded") as eng:
        for question, expression, number in (
            ("What is 12*7?", "12*7", "84"),
            ("what is 15% of 240?", "15% of 240", "36"),
            ("What is seventeen times six?", "17*6", "102"),
        ):
            ran = await run_in(eng, graph, question)
            assert ran.result.status == "committed", ran.result.error
            assert number in ran.result.text
            assert ran.result.data["tools"] == [
                {"tool": "calculator", "arguments": {"expression": expression}, "text": number, "ok": True}
            ]


async def test_a_question_without_a_calculation_is_answered_without_tools() -> None:
    async with engine.open(backend="embedded") as eng:
        ran = await run_in(eng, MODEL, "What is the capital of France?")
    assert "Paris" in ran.result.text
    assert not ran.all(ev.OpStarted)
