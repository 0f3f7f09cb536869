"""Loops: what an iteration gets, when a loop is over, and what a failure in its body means."""

from __future__ import annotations

from typing import Any

import pytest

from engine import events as ev
from engine.config import EngineConfig
from engine.errors import ErrorClass
from engine.graph.spec import GraphSpec
from tests.graphs import make_graph, node
from tests.running import Ran, ask
from tests.scripted_backend import ScriptedBackend, fault

BANG = node("bang", "transform", operation="template", template="{{ content }}!")


def looping(*body: dict[str, Any], **config: Any) -> GraphSpec:
    """entry -> loop over `body` -> exit."""
    names = [each["id"] for each in body]
    nodes = [node("start", "entry"), node("again", "loop", body=names, **config), *body, node("end", "exit")]
    return make_graph(nodes, [("start", "again"), ("again", "end")])


def iterations(ran: Ran) -> int:
    return len([path for path in ran.visited() if path == "again#1/bang"])


async def test_each_iteration_gets_what_the_last_one_made() -> None:
    ran = await ask(looping(BANG, max_iterations=3), "Hey")
    assert (ran.result.status, ran.result.text) == ("committed", "Hey!!!")
    assert ran.view.nodes["again"].visits[0].data["iterations"] == 3


async def test_nodes_of_a_body_run_in_their_order() -> None:
    ran = await ask(looping(BANG, node("up", "transform", operation="upper"), max_iterations=2), "Hey")
    assert ran.result.text == "HEY!!"
    assert [path for path in ran.visited() if "/" in path] == ["again#1/bang", "again#1/up"] * 2
    assert [body.visit for body in ran.all(ev.NodeStarted) if body.path == "again#1/bang"] == [1, 2]


async def test_until_condition_stops_when_it_holds_after_an_iteration() -> None:
    ran = await ask(looping(BANG, mode="until_condition", condition="len(content) >= 5", max_iterations=9), "Hey")
    assert ran.result.text == "Hey!!"


async def test_until_condition_runs_once_even_where_it_holds_before() -> None:
    ran = await ask(looping(BANG, mode="until_condition", condition="len(content) >= 1", max_iterations=9), "Hey")
    assert iterations(ran) == 1


async def test_while_condition_is_asked_before_each_iteration() -> None:
    ran = await ask(looping(BANG, mode="while_condition", condition="len(content) < 5", max_iterations=9), "Hey")
    assert ran.result.text == "Hey!!"
    none = await ask(looping(BANG, mode="while_condition", condition="len(content) > 5", max_iterations=9), "Hey")
    assert (none.result.text, iterations(none)) == ("Hey", 0)


async def test_a_condition_may_count_the_iterations() -> None:
    ran = await ask(looping(BANG, mode="until_condition", condition="data.iteration == 4", max_iterations=9), "Hey")
    assert ran.result.text == "Hey!!!!"


@pytest.mark.parametrize("mode", ["until_condition", "while_condition"])
async def test_a_loop_in_vain_fails_or_goes_on_with_what_there_is(mode: str) -> None:
    condition = "content == 'never'" if mode == "until_condition" else "content != 'never'"
    fields = {"mode": mode, "condition": condition, "max_iterations": 2}
    failed = await ask(looping(BANG, **fields), "Hey")
    assert failed.result.status == "rolled_back"
    assert failed.result.error is not None
    assert (failed.result.error.code, failed.result.error.error_class) == ("loop_exhausted", "budget_exhausted")
    ran = await ask(looping(BANG, **fields, on_exhausted="continue"), "Hey")
    assert (ran.result.text, ran.view.nodes["again"].visits[0].data["exhausted"]) == ("Hey!!", True)


async def test_until_success_tries_again_from_what_the_failed_iteration_got(scripted: ScriptedBackend) -> None:
    scripted.answers([fault()], [fault()], ["done"])
    ran = await ask(looping(node("m", "model"), mode="until_success", max_iterations=5))
    assert (ran.result.status, ran.result.text) == ("committed", "done")
    assert ran.view.nodes["again"].visits[0].data["iterations"] == 3
    assert [body.outcome for body in ran.all(ev.NodeFinished) if body.path == "again#1/m"] == ["failed", "failed", "ok"]


async def test_until_success_ends_with_the_last_failure(scripted: ScriptedBackend) -> None:
    scripted.answers([fault(code="broken")])
    ran = await ask(looping(node("m", "model"), mode="until_success", max_iterations=2))
    assert ran.result.error is not None
    assert (ran.result.error.code, ran.result.error.node) == ("broken", "again#1/m")


async def test_other_modes_fail_with_their_body(scripted: ScriptedBackend) -> None:
    scripted.answers([fault(code="broken")])
    ran = await ask(looping(node("m", "model"), max_iterations=3))
    assert (ran.result.status, len(scripted.requests)) == ("rolled_back", 1)


async def test_a_loop_cannot_outrun_the_steps_of_its_run() -> None:
    ran = await ask(looping(BANG, max_iterations=1000), config=EngineConfig(max_steps=20))
    assert (ran.result.status, ran.result.reason) == ("rolled_back", "budget")
    assert len(ran.visited()) == 20


async def test_loops_nest() -> None:
    inner = node("inside", "loop", body=["bang"], max_iterations=2)
    nodes = [
        node("start", "entry"),
        node("again", "loop", body=["inside"], max_iterations=3),
        inner,
        BANG,
        node("end", "exit"),
    ]
    ran = await ask(make_graph(nodes, [("start", "again"), ("again", "end")]), "Hey")
    assert ran.result.text == "Hey" + "!" * 6
    assert {path for path in ran.visited() if path.count("/") == 2} == {f"again#1/inside#{n}/bang" for n in (1, 2, 3)}


async def test_the_node_that_is_drawn_has_the_state_of_the_one_inside(scripted: ScriptedBackend) -> None:
    scripted.answers([fault()], ["fine"])
    ran = await ask(looping(node("m", "model"), mode="until_success"))
    states = []
    for upto in range(1, len(ran.events) + 1):
        view = Ran(ran.result, ran.events[:upto]).view
        states.append(view.nodes["m"].state)
    assert [state for i, state in enumerate(states) if not i or state != states[i - 1]] == [
        "idle",
        "running",
        "failed",
        "running",
        "ok",
    ]


async def test_the_output_of_a_body_can_be_read_after_the_loop(scripted: ScriptedBackend) -> None:
    nodes = [
        node("start", "entry"),
        node("again", "loop", body=["bang"], max_iterations=2),
        BANG,
        node("m", "model", input=["bang"]),
        node("end", "exit"),
    ]
    await ask(make_graph(nodes, [("start", "again"), ("again", "m"), ("m", "end")]), "Hey")
    assert "Hey!!" in [message.content for message in scripted.requests[0].messages][-1]


async def test_errors_that_no_iteration_can_mend_end_the_loop() -> None:
    wrong = node("wrong", "transform", operation="json_stringify", path="nothing.here")
    ran = await ask(looping(wrong, mode="until_success", max_iterations=3))
    assert ran.result.error is not None
    assert ran.result.error.error_class is ErrorClass.INVALID_OUTPUT
    assert len([path for path in ran.visited() if path == "again#1/wrong"]) == 3
