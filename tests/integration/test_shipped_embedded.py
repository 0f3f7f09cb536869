"""Every shipped graph on the real embedded model: structure and sure facts, never the model's choice of words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import engine
from engine import events as ev
from engine.graph.shipped import shipped_graphs
from engine.run.engine import Engine
from engine.view import fold
from tests.running import Ran, run_in

pytestmark = pytest.mark.embedded

PARIS = "What is the capital of France?"
CODE = "What does this print?\n```python\nprint(sum(i * i for i in range(10)))\n```"


@pytest.fixture(scope="module", autouse=True)
def _tested() -> None:
    """A new graph needs a test here."""
    tested = {"agent", "debate", "map_reduce", "multi_domain", "quick", "self_check", "simple_qa", "tool_math"}
    assert set(shipped_graphs()) == tested


@pytest.fixture
async def eng(tmp_path: Path) -> AsyncIterator[Engine]:
    async with engine.open(tmp_path, backend="embedded") as opened:
        yield opened


async def committed(eng: Engine, graph: str, question: str) -> Ran:
    ran = await run_in(eng, engine.load_graph(graph), question)
    assert ran.result.status == "committed", ran.result.error
    assert ran.result.text.strip()
    assert fold(await eng.events(ran.result.transaction)) == ran.view
    return ran


async def test_quick_and_simple_qa_answer_with_one_model(eng: Engine) -> None:
    ran = await committed(eng, "quick", PARIS)
    assert ran.visited() == ["start", "general", "answer"]
    ran = await committed(eng, "simple_qa", PARIS)
    assert ran.visited()[:3] == ["start", "model", "check"]
    assert ran.all(ev.GateDecided)[0].checks["not_empty"]


async def test_self_check_judges_its_draft_and_ends_with_an_answer(eng: Engine) -> None:
    ran = await committed(eng, "self_check", PARIS)
    assert ran.visited()[:3] == ["start", "draft", "judge"]
    assert ran.visited()[-1] in ("answer", "best_effort")
    first, *_ = ran.all(ev.GateDecided)
    assert "too small to judge" in first.reason or not first.checks["ok"], "its noise is no verdict"


async def test_debate_answers_with_the_best_of_three_drafts_of_three_seeds(eng: Engine) -> None:
    ran = await committed(eng, "debate", PARIS)
    started = ran.all(ev.ModelStarted)
    assert sorted((body.path, body.seed) for body in started) == [("bold", 3), ("free", 2), ("sober", 1)]
    order = [type(event.body) for event in ran.events if isinstance(event.body, ev.ModelStarted | ev.ModelFinished)]
    assert order[:2] == [ev.ModelStarted] * 2, "the second is asked before the first has answered"
    scores = {body.content: body.data["judge"]["score"] for body in ran.all(ev.NodeFinished) if body.path == "judge"}
    assert scores[ran.result.text] == max(scores.values())
    assert (ran.result.data["joined"], ran.result.data["dead"]) == (3, 0)


async def test_map_reduce_summarises_every_piece_and_combines_the_summaries(eng: Engine) -> None:
    lines = [
        f"On day {day} the river stood at {day + 3} feet, and the people of the mill went on." for day in range(30)
    ]
    ran = await committed(eng, "map_reduce", "\n".join(lines))
    (split,) = [body for body in ran.all(ev.NodeFinished) if body.path == "split"]
    assert len(split.data["items"]) == ran.visited().count("summarise") == 2
    assert "\n".join(split.data["items"]) == "\n".join(lines)
    assert ran.visited().index("combine") > ran.visited().index("summaries")


async def test_map_reduce_takes_a_short_text_as_one_piece(eng: Engine) -> None:
    ran = await committed(eng, "map_reduce", "The river rose again in the night, and the mill stood in the water.")
    assert ran.visited() == ["start", "split", "pieces", "summarise", "summaries", "answer"]


@pytest.mark.parametrize(
    ("question", "number", "way"),
    [
        ("What is 1234 * 5678?", "7006652", "calc"),
        ("Wie viel ist 0.1 + 0.2?", "0.3", "calc"),
        ("What is 15% of 240?", "36", "words"),
    ],
)
async def test_tool_math_always_gives_the_exact_number(eng: Engine, question: str, number: str, way: str) -> None:
    ran = await committed(eng, "tool_math", question)
    assert number in ran.result.text
    assert (way in ran.visited(), ran.result.exit) == (True, "success")


async def test_tool_math_says_what_cannot_be_calculated(eng: Engine) -> None:
    ran = await committed(eng, "tool_math", "What is 1/0?")
    assert (ran.result.exit, ran.result.text[:30]) == ("fallback", "`1/0` cannot be calculated: it")
    assert ran.all(ev.ModelStarted) == []
    ran = await committed(eng, "tool_math", "Hello!")
    assert (ran.result.exit, ran.result.text[:30]) == ("fallback", "No calculation was found that ")


@pytest.mark.parametrize(
    ("question", "result"),
    [(CODE, "285"), ("What is 17 * 23?", "391"), ('Get the field "a.b" from {"a": {"b": "Ada"}}', "Ada")],
)
async def test_agent_gives_the_result_of_the_tool_that_was_asked_for(eng: Engine, question: str, result: str) -> None:
    ran = await committed(eng, "agent", question)
    assert [call["text"] for call in ran.result.data["tools"]][:1] == [result]
    assert result in ran.result.text or ran.result.exit == "fallback"


async def test_agent_answers_without_a_tool_where_none_is_needed(eng: Engine) -> None:
    ran = await committed(eng, "agent", PARIS)
    assert ran.result.data["tool_calls"] == 0


@pytest.mark.parametrize(
    ("question", "route", "tool"),
    [
        ("What is 12*7?", "calc", "calculator"),
        ("What is 15% of 240?", "math", "calculator"),
        (CODE, "code", "code"),
        (PARIS, "general", None),
    ],
)
async def test_multi_domain_gives_each_specialist_its_tool(
    eng: Engine, question: str, route: str, tool: str | None
) -> None:
    ran = await committed(eng, "multi_domain", question)
    assert ran.visited()[2] == route
    called = [body.op for body in ran.all(ev.OpStarted) if body.op.startswith("tool ")]
    assert called[:1] == ([f"tool {tool}"] if tool else [])
