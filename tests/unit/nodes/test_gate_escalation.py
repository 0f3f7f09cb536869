"""Retries that ask better models: `escalate`."""

from __future__ import annotations

from typing import Any

import pytest

from engine import events as ev
from engine.config import EngineConfig
from engine.graph.spec import GraphSpec
from engine.models.protocol import ModelInfo
from tests.graphs import gated, make_graph, node
from tests.running import Ran, ask
from tests.scripted_backend import ScriptedBackend, model, text_of

SMALL, MIDDLE, LARGE = model("s", parameters_b=3.0), model("m", parameters_b=7.0), model("l", parameters_b=30.0)


def asked(ran: Ran) -> list[str]:
    """The models that were asked, in order."""
    return [body.model for body in ran.all(ev.ModelStarted)]


async def run(
    scripted: ScriptedBackend, installed: list[ModelInfo], graph: GraphSpec | None = None, **config: Any
) -> Ran:
    scripted.installed = installed
    scripted.answers(["bad"])
    graph = graph or gated(escalate=True, max_retries=2)
    return await ask(graph, config=EngineConfig(**config) if config else None)


async def test_each_retry_asks_the_next_better_model(scripted: ScriptedBackend) -> None:
    ran = await run(scripted, [SMALL, MIDDLE, LARGE])
    assert asked(ran) == ["s", "m", "l"]
    (begin,) = ran.all(ev.Begin)
    assert begin.models == {"@general": "s", "@general+1": "m", "@general+2": "l"}
    assert set(begin.windows) == set(begin.digests) == {"s", "m", "l"}
    assert [body.retry.tier for body in ran.all(ev.Rewound)] == [1, 1]


async def test_without_escalate_a_retry_asks_the_same_model(scripted: ScriptedBackend) -> None:
    ran = await run(scripted, [SMALL, MIDDLE, LARGE], gated(max_retries=2))
    assert asked(ran) == ["s"] * 3
    assert ran.all(ev.Begin)[0].models == {"@general": "s"}
    assert [body.retry.tier for body in ran.all(ev.Rewound)] == [0, 0]


async def test_where_no_better_model_is_left_the_last_one_is_asked_again_and_it_is_said(
    scripted: ScriptedBackend,
) -> None:
    ran = await run(scripted, [SMALL, MIDDLE], gated(escalate=True, max_retries=3))
    assert asked(ran) == ["s", "m", "m", "m"]
    assert ran.all(ev.Begin)[0].models == {"@general": "s", "@general+1": "m"}
    assert ["no better model" in body.reason for body in ran.all(ev.GateDecided)] == [False, True, True]


async def test_with_one_model_a_retry_still_changes_the_prompt(scripted: ScriptedBackend) -> None:
    ran = await run(scripted, [SMALL])
    assert asked(ran) == ["s"] * 3
    texts = [text_of(request) for request in scripted.requests]
    assert len(set(texts)) == 3
    assert "no better model is installed" in ran.all(ev.GateDecided)[0].reason
    assert not any("no better model" in text for text in texts), "that is nothing that a model could do better"


async def test_a_model_that_is_named_stays(scripted: ScriptedBackend) -> None:
    ran = await run(scripted, [SMALL, MIDDLE], gated(escalate=True, max_retries=1, model={"model": "s"}))
    assert asked(ran) == ["s", "s"]


async def test_one_model_that_is_set_for_every_role_stays(scripted: ScriptedBackend) -> None:
    assert asked(await run(scripted, [SMALL, MIDDLE], model="s")) == ["s"] * 3


async def test_a_model_that_is_set_for_a_role_is_where_it_begins(scripted: ScriptedBackend) -> None:
    ran = await run(scripted, [SMALL, MIDDLE, LARGE], roles={"general": "m"})
    assert asked(ran) == ["m", "l", "l"]


async def test_a_retry_is_capped_by_what_the_gates_allow(scripted: ScriptedBackend) -> None:
    ran = await run(scripted, [SMALL, MIDDLE, LARGE], gated(escalate=True, max_retries=1))
    assert ran.all(ev.Begin)[0].models == {"@general": "s", "@general+1": "m"}


@pytest.mark.parametrize(("code", "steps"), [("good", ["s"]), ("bad", ["s", "m"])])
async def test_the_answer_of_the_better_model_counts(scripted: ScriptedBackend, code: str, steps: list[str]) -> None:
    scripted.installed = [SMALL, MIDDLE]
    scripted.script = lambda request: [code if request.model == "s" else "good"]
    ran = await ask(gated(escalate=True))
    assert (asked(ran), ran.result.text) == (steps, "good")


async def test_the_steps_of_several_gates_add_up(scripted: ScriptedBackend) -> None:
    scripted.installed = [SMALL, MIDDLE, LARGE]
    left = ["bad", "good", "bad", "good"]
    scripted.script = lambda _request: [left.pop(0)]
    gates = [
        node(
            f"gate{i}",
            "gate",
            conditions=[{"expression": "content == 'good'", "target": "b" if i == 1 else "end"}],
            default_target="a" if i == 1 else "b",
            max_retries=1,
            escalate=True,
        )
        for i in (1, 2)
    ]
    graph = make_graph(
        [node("start", "entry"), node("a", "model"), node("b", "model"), *gates, node("end", "exit")],
        [("start", "a"), ("a", "gate1"), ("b", "gate2")],
    )
    ran = await ask(graph)
    assert asked(ran) == ["s", "m", "m", "l"]


async def test_the_steps_of_a_gate_count_in_the_sub_graphs_that_run_after_it(scripted: ScriptedBackend) -> None:
    scripted.installed = [SMALL, MIDDLE, LARGE]
    left = ["bad", "bad", "good"]
    scripted.script = lambda _request: [left.pop(0)]
    inside = gated(escalate=True, max_retries=1).model_dump(mode="json", exclude_unset=True)
    inside["nodes"][2]["config"]["conditions"][0]["expression"] = 'content == "good" or retries == 1'
    gate = {"conditions": [{"expression": 'content == "good"', "target": "end"}], "default_target": "sub"}
    graph = make_graph(
        [
            node("start", "entry"),
            node("sub", "subgraph", graph_id="inside"),
            node("gate", "gate", max_retries=1, escalate=True, **gate),
            node("end", "exit"),
        ],
        [("start", "sub"), ("sub", "gate")],
        graphs={"inside": inside},
    )
    ran = await ask(graph)
    assert ran.result.status == "committed", ran.result.error
    assert asked(ran) == ["s", "m", "m"], "what the gate inside asked for is taken back with its graph"
    assert ran.all(ev.Begin)[0].models["@general+2"] == "l"
