"""A gate whose judge is the real embedded model."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import engine
from engine import events as ev
from engine.graph.spec import GraphSpec
from engine.run.engine import Engine
from engine.view import fold
from tests.graphs import make_graph, node
from tests.running import run_in

pytestmark = pytest.mark.embedded


@pytest.fixture
async def eng(tmp_path: Path) -> AsyncIterator[Engine]:
    async with engine.open(tmp_path, backend="embedded") as opened:
        yield opened


def judged(mode: str, pass_score: float) -> GraphSpec:
    """The model answers and the same model judges; after one retry what there is goes on."""
    conditions = [
        {"expression": "judge.passed", "target": "end"},
        {"expression": "retries < max_retries", "target": "writer"},
    ]
    gate = {"mode": mode, "pass_score": pass_score, "max_retries": 1, "escalate": True, "default_target": "best"}
    return make_graph(
        [
            node("start", "entry"),
            node("writer", "model", max_tokens=48),
            node("gate", "gate", conditions=conditions, **gate),
            node("end", "exit"),
            node("best", "exit", status="fallback"),
        ],
        [("start", "writer"), ("writer", "gate")],
    )


async def test_a_verdict_comes_under_the_schema_and_the_run_ends_as_it_says(eng: Engine) -> None:
    ran = await run_in(eng, judged("llm", 0.7), "What is the capital of France?")
    assert ran.result.status == "committed", ran.result.error
    decided = ran.all(ev.GateDecided)
    assert decided
    verdicts = [body for body in ran.all(ev.ModelFinished) if body.path == "gate"]
    for body in decided:
        assert body.score is not None, [verdict.text for verdict in verdicts]
        assert body.judge == verdicts[0].model
        assert body.reason.isprintable()
    passed = (decided[-1].score or 0) >= 0.7
    assert ran.result.exit == ("success" if passed else "fallback")
    assert len(decided) == (1 if (decided[0].score or 0) >= 0.7 else 2)
    assert fold(await eng.events(ran.result.transaction)) == ran.view


async def test_in_hybrid_the_smallest_model_does_not_judge_itself(eng: Engine) -> None:
    ran = await run_in(eng, judged("hybrid", 1.0), "What is the capital of France?")
    assert ran.result.status == "committed", ran.result.error
    assert all(body.path == "writer" for body in ran.all(ev.ModelStarted))
    assert "too small to judge" in ran.all(ev.GateDecided)[-1].reason or ran.result.exit == "fallback"
