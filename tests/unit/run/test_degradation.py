"""Degradation: what a failure means that no edge handles, as the graph says."""

from __future__ import annotations

from typing import Any

from engine import events as ev
from engine.graph.spec import GraphSpec
from tests.graphs import make_graph, node
from tests.running import ask
from tests.scripted_backend import ScriptedBackend, fault


def line(**fields: Any) -> GraphSpec:
    """entry -> upper -> model `m` -> exclaim -> exit, and a fallback exit."""
    extra = [node("sorry", "exit", status="fallback")] if "fallback_node" in fields else []
    return make_graph(
        [
            node("start", "entry"),
            node("up", "transform", operation="upper"),
            node("m", "model"),
            node("bang", "transform", operation="template", template="{{ content }}!"),
            node("end", "exit"),
            *extra,
        ],
        [("start", "up"), ("up", "m"), ("m", "bang"), ("bang", "end")],
        **fields,
    )


async def test_fail_fast_rolls_back(scripted: ScriptedBackend) -> None:
    scripted.answers([fault()])
    ran = await ask(line())
    assert (ran.result.status, ran.result.reason) == ("rolled_back", "failed")


async def test_skip_failed_goes_on_without_the_node_and_says_that_the_answer_is_partial(
    scripted: ScriptedBackend,
) -> None:
    scripted.answers([fault()])
    ran = await ask(line(degradation="skip_failed"), "hey")
    assert (ran.result.status, ran.result.exit, ran.result.text) == ("committed", "fallback", "HEY!")
    (committed,) = ran.all(ev.Committed)
    assert (committed.data["partial"], committed.data["skipped"]) == (True, ["m"])
    assert ran.view.nodes["m"].state == "failed"


async def test_without_a_failure_nothing_is_partial(scripted: ScriptedBackend) -> None:
    scripted.answers(["fine"])
    ran = await ask(line(degradation="skip_failed"))
    assert (ran.result.exit, ran.result.text) == ("success", "fine!")


async def test_a_question_that_calls_itself_partial_is_not(scripted: ScriptedBackend) -> None:
    scripted.answers(["fine"])
    ran = await ask(line(), inputs={"partial": True})
    assert ran.result.exit == "success"


async def test_skip_failed_leaves_a_failed_branch_out_of_its_join(scripted: ScriptedBackend) -> None:
    scripted.answers_by_system(good=["good"], bad=[fault()])
    graph = make_graph(
        [
            node("start", "entry"),
            node("fan", "fanout", targets=["good", "bad"]),
            node("good", "model", system_prompt="good"),
            node("bad", "model", system_prompt="bad"),
            node("both", "join"),
            node("end", "exit"),
        ],
        [("start", "fan"), ("good", "both"), ("bad", "both"), ("both", "end")],
        degradation="skip_failed",
    )
    ran = await ask(graph)
    assert (ran.result.status, ran.result.exit, ran.result.text) == ("committed", "fallback", "good")
    scripted.answers([fault()])
    none = await ask(graph)
    assert none.result.status == "rolled_back", "a join without any branch is not satisfied"


async def test_fallback_hands_what_there_is_to_its_node(scripted: ScriptedBackend) -> None:
    scripted.answers(["half an ans", fault(code="broken")])
    ran = await ask(line(degradation="fallback", fallback_node="sorry"))
    assert (ran.result.status, ran.result.exit, ran.result.text) == ("committed", "fallback", "half an ans")
    (committed,) = ran.all(ev.Committed)
    assert (committed.data["failed"], committed.data["error"]) == ("m", "broken")


async def test_fallback_without_any_text_hands_on_what_reached_the_node(scripted: ScriptedBackend) -> None:
    scripted.answers([fault()])
    ran = await ask(line(degradation="fallback", fallback_node="sorry"), "hey")
    assert ran.result.text == "HEY"


async def test_a_failure_after_the_fallback_ends_the_run(scripted: ScriptedBackend) -> None:
    scripted.answers([fault()])
    graph = make_graph(
        [
            node("start", "entry"),
            node("m", "model"),
            node("last", "model"),
            node("end", "exit"),
            node("sorry", "exit", status="fallback"),
        ],
        [("start", "m"), ("m", "end"), ("last", "sorry")],
        degradation="fallback",
        fallback_node="last",
    )
    ran = await ask(graph)
    assert (ran.result.status, ran.visited()) == ("rolled_back", ["start", "m", "last"])


async def test_an_edge_that_handles_the_failure_goes_first(scripted: ScriptedBackend) -> None:
    scripted.answers([fault()])
    graph = make_graph(
        [node("start", "entry"), node("m", "model"), node("end", "exit"), node("b", "exit", status="fallback")],
        [("start", "m"), ("m", "end", "status == 'ok'"), ("m", "b", "status == 'failed'")],
        degradation="skip_failed",
    )
    ran = await ask(graph)
    assert (ran.result.exit, ran.all(ev.Degraded)) == ("fallback", [])
