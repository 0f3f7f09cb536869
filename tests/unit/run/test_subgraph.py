"""Sub-graphs: another graph inside a visit, with a state of its own."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from engine import events as ev
from engine.config import EngineConfig
from engine.graph.spec import GraphSpec
from engine.models.protocol import ChatRequest
from engine.run.state import RunState, apply
from tests.graphs import chain, gated, make_graph, node
from tests.running import ask
from tests.scripted_backend import ScriptedBackend, Step, fault, text_of


def around(inside: GraphSpec, *, edges: Any = (), nodes: Any = (), **config: Any) -> GraphSpec:
    """entry -> subgraph `sub` -> exit."""
    return make_graph(
        [node("start", "entry"), node("sub", "subgraph", graph_id="inside", **config), *nodes, node("end", "exit")],
        [("start", "sub"), ("sub", "end"), *edges],
        graphs={"inside": inside.model_dump(mode="json")},
    )


UP = chain(node("up", "transform", operation="upper"))


async def test_the_answer_of_the_sub_graph_goes_on() -> None:
    ran = await ask(around(UP), "Hey")
    assert (ran.result.status, ran.result.text) == ("committed", "HEY")
    assert ran.visited() == ["start", "sub", "sub#1/start", "sub#1/up", "sub#1/end", "end"]
    assert ran.view.nodes["sub"].visits[0].data["exit"] == "success"


async def test_its_question_and_inputs_are_mapped() -> None:
    inside = make_graph(
        [
            node("start", "entry", required_fields=["tone"]),
            node("say", "transform", operation="template", template="{{ question }} {{ data.tone }}"),
            node("end", "exit"),
        ],
        [("start", "say"), ("say", "end")],
    )
    graph = around(inside, question="data.ask", input_mapping={"tone": "data.voice"})
    ran = await ask(graph, "outer", inputs={"ask": "inner", "voice": "loud"})
    assert ran.result.text == "inner loud"


async def test_a_missing_value_is_a_failure_of_the_node() -> None:
    ran = await ask(around(UP, question="data.nothing"))
    assert ran.result.error is not None
    assert (ran.result.error.code, ran.result.error.node) == ("nothing_at_path", "sub")


async def test_its_models_see_its_own_question(scripted: ScriptedBackend) -> None:
    shout = node("shout", "transform", operation="upper")
    graph = make_graph(
        [node("start", "entry"), shout, node("sub", "subgraph", graph_id="inside"), node("end", "exit")],
        [("start", "shout"), ("shout", "sub"), ("sub", "end")],
        graphs={"inside": chain(node("m", "model")).model_dump(mode="json")},
    )
    await ask(graph, "why?")
    assert text_of(scripted.requests[0]) == "WHY?"


async def test_an_error_exit_is_a_failure_that_edges_can_handle() -> None:
    inside = chain(node("up", "transform", operation="upper"), exit_config={"status": "error"})
    failed = await ask(around(inside))
    assert failed.result.error is not None
    assert (failed.result.status, failed.result.error.code) == ("rolled_back", "subgraph_error")
    plan_b = node("plan_b", "transform", operation="template", template="plan b")
    edges = [("sub", "plan_b", "status == 'failed'"), ("plan_b", "end")]
    handled = await ask(around(inside, nodes=[plan_b], edges=edges))
    assert (handled.result.status, handled.result.text) == ("committed", "plan b")


async def test_a_fallback_exit_is_an_answer_that_says_so() -> None:
    inside = chain(node("up", "transform", operation="upper"), exit_config={"status": "fallback"})
    ran = await ask(around(inside), "Hey")
    assert ran.result.text == "HEY"
    assert ran.view.nodes["sub"].visits[0].data["exit"] == "fallback"


async def test_a_failure_inside_names_the_node_inside(scripted: ScriptedBackend) -> None:
    scripted.answers([fault(code="broken")])
    ran = await ask(around(chain(node("m", "model"))))
    assert ran.result.error is not None
    assert (ran.result.error.code, ran.result.error.node) == ("broken", "sub#1/m")


async def test_a_retry_inside_takes_back_the_inside_only(scripted: ScriptedBackend) -> None:
    scripted.answers(["bad"], ["good"])
    graph = make_graph(
        [
            node("start", "entry"),
            node("fan", "fanout", targets=["sub", "beside"]),
            node("sub", "subgraph", graph_id="inside"),
            node("beside", "transform", operation="upper"),
            node("both", "join", separator="|"),
            node("end", "exit"),
        ],
        [("start", "fan"), ("sub", "both"), ("beside", "both"), ("both", "end")],
        graphs={"inside": gated().model_dump(mode="json")},
    )
    ran = await ask(graph, "Hey")
    assert (ran.result.status, ran.result.text) == ("committed", "good|HEY")
    (rewound,) = ran.all(ev.Rewound)
    assert (rewound.within, rewound.by) == ("sub#1/", "sub#1/gate")
    assert ran.visited().count("beside") == 1, "what runs beside the sub-graph goes on"
    assert ran.visited().count("sub") == 1
    assert [visit.rewound for visit in ran.view.nodes["sub#1/m"].visits] == [True, False]
    assert not any(visit.rewound for visit in ran.view.nodes["beside"].visits)


async def test_a_retry_outside_begins_the_sub_graph_anew(scripted: ScriptedBackend) -> None:
    scripted.answers(["bad"], ["good"])
    graph = make_graph(
        [
            node("start", "entry"),
            node("sub", "subgraph", graph_id="inside"),
            node(
                "gate",
                "gate",
                conditions=[{"expression": 'content == "good"', "target": "end"}],
                default_target="sub",
            ),
            node("end", "exit"),
        ],
        [("start", "sub"), ("sub", "gate")],
        graphs={"inside": chain(node("m", "model")).model_dump(mode="json")},
    )
    ran = await ask(graph)
    assert (ran.result.status, ran.result.text) == ("committed", "good")
    assert [path for path in ran.visited() if path.endswith("/m")] == ["sub#1/m", "sub#2/m"]
    assert ran.view.nodes["sub#1/m"].visits[0].rewound
    assert not ran.view.nodes["sub#2/m"].visits[0].rewound
    assert "refused" in text_of(scripted.requests[1]), "a retry outside is told to the models inside"


async def test_two_branches_run_the_same_sub_graph_side_by_side() -> None:
    graph = make_graph(
        [
            node("start", "entry"),
            node("pieces", "transform", operation="split", separator=" "),
            node("fan", "fanout", targets=["sub"], over="items"),
            node("sub", "subgraph", graph_id="inside"),
            node("all", "join", separator=" "),
            node("end", "exit"),
        ],
        [("start", "pieces"), ("pieces", "fan"), ("sub", "all"), ("all", "end")],
        graphs={"inside": UP.model_dump(mode="json")},
    )
    ran = await ask(graph, "one two three")
    assert ran.result.text == "ONE TWO THREE"
    assert {path for path in ran.visited() if path.endswith("/up")} == {f"sub#{n}/up" for n in (1, 2, 3)}


async def test_fan_outs_join_inside_a_sub_graph() -> None:
    inside = make_graph(
        [
            node("start", "entry"),
            node("fan", "fanout", targets=["up", "low"]),
            node("up", "transform", operation="upper"),
            node("low", "transform", operation="lower"),
            node("both", "join", separator="|"),
            node("end", "exit"),
        ],
        [("start", "fan"), ("up", "both"), ("low", "both"), ("both", "end")],
    )
    assert (await ask(around(around(inside)), "Hey")).result.text == "HEY|hey"


async def test_cancelling_ends_what_runs_inside(scripted: ScriptedBackend) -> None:
    scripted.script = lambda _request: ["Well", asyncio.Event()]
    import engine

    async with engine.open(None) as eng:
        run = eng.start(around(chain(node("m", "model"))), "Why?")
        await scripted.busy.wait()
        run.cancel()
        result = await run.result()
        events = [event async for event in run.events()]
    assert (result.status, result.reason) == ("rolled_back", "cancelled")
    assert scripted.open_streams == 0
    ended = {body.path: body.outcome for body in (e.body for e in events) if isinstance(body, ev.NodeFinished)}
    assert (ended["sub#1/m"], ended["sub"]) == ("cancelled", "cancelled")


async def test_a_join_that_is_decided_ends_a_sub_graph_that_is_not_needed(scripted: ScriptedBackend) -> None:
    def by_model(request: ChatRequest) -> list[Step]:
        return ["Well", asyncio.Event()] if "slow" in request.messages[0].content else ["quick"]

    scripted.script = by_model
    graph = make_graph(
        [
            node("start", "entry"),
            node("fan", "fanout", targets=["sub", "quick"]),
            node("sub", "subgraph", graph_id="inside"),
            node("quick", "model", system_prompt="be quick"),
            node("first", "join", mode="any"),
            node("end", "exit"),
        ],
        [("start", "fan"), ("sub", "first"), ("quick", "first"), ("first", "end")],
        graphs={"inside": chain(node("m", "model", system_prompt="slow")).model_dump(mode="json")},
    )
    ran = await ask(graph)
    assert (ran.result.status, ran.result.text) == ("committed", "quick")
    assert ran.view.nodes["sub"].state == "cancelled"
    assert scripted.open_streams == 0


async def test_the_steps_of_a_run_are_counted_through_its_sub_graphs() -> None:
    ran = await ask(around(around(UP)), config=EngineConfig(max_steps=6))
    assert (ran.result.status, ran.result.reason) == ("rolled_back", "budget")
    assert len(ran.visited()) == 6


async def test_without_an_exit_inside_the_node_fails() -> None:
    inside = make_graph(
        [node("start", "entry"), node("a", "transform", operation="upper"), node("end", "exit")],
        [("start", "a"), ("a", "end", "content == 'never'")],
    )
    ran = await ask(around(inside))
    assert ran.result.error is not None
    assert ran.result.error.code == "no_exit"


async def test_the_state_of_a_sub_graph_is_dropped_with_its_visit() -> None:
    ran = await ask(around(around(UP)))
    state = RunState()
    most = 0
    for event in ran.events:
        if event.tx is not None:
            apply(state, event)
            most = max(most, len(state.frames))
        if isinstance(event.body, ev.NodeFinished) and event.body.path == "sub":
            assert not state.frames
    assert most == 2


@pytest.mark.parametrize("attempts", [1, 2])
async def test_a_sub_graph_that_is_tried_again_counts_its_visits_on(scripted: ScriptedBackend, attempts: int) -> None:
    from engine.errors import ErrorClass

    scripted.answers([fault(ErrorClass.OVERLOADED)], ["fine"])
    inside = chain(node("m", "model", idempotent=False))
    ran = await ask(around(inside, retry={"attempts": attempts, "base_delay_ms": 0}))
    assert ran.result.status == ("committed" if attempts == 2 else "rolled_back")
    assert [body.visit for body in ran.all(ev.NodeStarted) if body.path == "sub#1/m"] == list(range(1, attempts + 1))
