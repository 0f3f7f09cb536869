"""Timeout nodes: an inner node that is too slow is ended, and what then happens is as the node says."""

from __future__ import annotations

import asyncio
from typing import Any

from engine import events as ev
from engine.graph.spec import GraphSpec
from engine.models.protocol import ChatRequest
from tests.graphs import make_graph, node
from tests.running import ask
from tests.scripted_backend import ScriptedBackend, Step, fault

SHORT_MS = 30


def limited(*more: dict[str, Any], **config: Any) -> GraphSpec:
    """entry -> timeout around the model `slow` -> exit."""
    nodes = [
        node("start", "entry"),
        node("limit", "timeout", inner_node="slow", timeout_ms=SHORT_MS, **config),
        node("slow", "model", system_prompt="slow"),
        *more,
        node("end", "exit"),
    ]
    return make_graph(nodes, [("start", "limit"), ("limit", "end")])


def never_answers(_request: ChatRequest) -> list[Step]:
    return ["Well", asyncio.Event()]


async def test_a_node_in_time_goes_on_with_its_answer(scripted: ScriptedBackend) -> None:
    scripted.answers(["quick"])
    graph = limited()
    roomy = graph.model_copy(
        update={
            "nodes": [
                each.model_copy(update={"config": each.config.model_copy(update={"timeout_ms": 60_000})})
                if each.id == "limit"
                else each
                for each in graph.nodes
            ]
        }
    )
    ran = await ask(roomy)
    assert (ran.result.status, ran.result.text) == ("committed", "quick")
    assert ran.view.nodes["limit"].visits[0].data["timed_out"] is False


async def test_error_fails_the_node_and_ends_the_call(scripted: ScriptedBackend) -> None:
    scripted.answers_by_system(slow=never_answers)
    ran = await ask(limited())
    assert ran.result.error is not None
    assert (ran.result.status, ran.result.error.code) == ("rolled_back", "inner_deadline")
    assert scripted.open_streams == 0
    assert [body.outcome for body in ran.all(ev.NodeFinished) if body.path == "limit#1/slow"] == ["cancelled"]


async def test_skip_goes_on_with_what_came(scripted: ScriptedBackend) -> None:
    scripted.answers_by_system(slow=never_answers)
    ran = await ask(limited(on_timeout="skip"), "Hey")
    assert (ran.result.status, ran.result.text) == ("committed", "Hey")
    assert ran.view.nodes["limit"].visits[0].data["timed_out"] is True
    assert (ran.view.nodes["slow"].state, ran.view.nodes["limit"].state) == ("cancelled", "ok")


async def test_fallback_runs_instead_without_the_deadline(scripted: ScriptedBackend) -> None:
    scripted.answers_by_system(slow=never_answers, instead=["second best"])
    instead = node("instead", "model", system_prompt="instead")
    ran = await ask(limited(instead, on_timeout="fallback", fallback_node="instead"))
    assert (ran.result.status, ran.result.text) == ("committed", "second best")


async def test_a_failure_in_time_is_the_failure_of_the_node(scripted: ScriptedBackend) -> None:
    scripted.answers([fault(code="broken")])
    graph = limited(on_timeout="skip")
    ran = await ask(graph.model_copy(update={"nodes": [_roomy(each) for each in graph.nodes]}))
    assert ran.result.error is not None
    assert ran.result.error.code == "broken"


def _roomy(each: Any) -> Any:
    if each.id != "limit":
        return each
    return each.model_copy(update={"config": each.config.model_copy(update={"timeout_ms": 60_000})})


async def test_the_timeline_says_what_was_too_slow(scripted: ScriptedBackend) -> None:
    scripted.answers_by_system(slow=never_answers)
    ran = await ask(limited(on_timeout="skip"))
    (entry,) = [each for each in ran.view.timeline if each.node == "limit" and each.kind == "node_finished"]
    assert (entry.mark, "too slow" in entry.text) == ("warn", True)
