"""Runs that wait for a person: time limits, cancellation, branches, retries, inner nodes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

import engine
from engine import events as ev
from engine.config import EngineConfig
from engine.errors import EngineError, ErrorClass
from engine.graph.inner_configs import ApprovalConfig
from engine.graph.spec import GraphSpec
from engine.message import Message
from engine.nodes.approval import ApprovalNode
from engine.nodes.context import NodeContext, Outcome
from engine.run.engine import Engine
from engine.run.run import Run
from engine.tools.policy import Approval, ApprovalRequest
from engine.view import fold
from tests.approvers import Person, no, yes
from tests.graphs import chain, make_graph, node
from tests.running import Ran, ask
from tests.scripted_backend import ScriptedBackend
from tests.unit.run.clock import LoopClock
from tests.waiting import until


@pytest.fixture
async def eng() -> AsyncIterator[Engine]:
    async with engine.open(config=EngineConfig(run_timeout_s=60)) as opened:
        yield opened


@pytest.fixture
def person() -> Person:
    """Somebody who thinks until the test lets them answer."""
    thinker = Person()
    thinker.hold = asyncio.Event()
    return thinker


def answer(person: Person) -> None:
    assert person.hold is not None
    person.hold.set()


async def end_of(run: Run) -> Ran:
    async with asyncio.timeout(20):
        events = [event async for event in run.events()]
        return Ran(await run.result(), events)


async def thought_for_an_hour(eng: Engine, graph: GraphSpec, person: Person, monkeypatch: pytest.MonkeyPatch) -> Ran:
    clock = LoopClock(monkeypatch)
    run = eng.start(graph, "Why?", approver=person)
    await until(lambda: person.thinking)
    clock.skip(3600)
    await asyncio.sleep(0.01)
    assert not run.done
    answer(person)
    return await end_of(run)


def around(outer: dict[str, Any], *inner: dict[str, Any], **fields: Any) -> GraphSpec:
    """entry -> a node that runs others inside its visit -> exit."""
    nodes = [node("start", "entry"), outer, *inner, node("end", "exit")]
    return make_graph(nodes, [("start", outer["id"]), (outer["id"], "end")], **fields)


ASK = node("ask", "approval")
SLOW = {"timeout_ms": 1000}
LIMITED = {
    "none but the run's": chain(ASK),
    "the node's own": chain(node("ask", "approval", **SLOW)),
    "a timeout node around it": around(node("hurry", "timeout", inner_node="ask", **SLOW), ASK),
    "a loop around it": around(node("again", "loop", body=["ask"], max_iterations=1, **SLOW), ASK),
    "a sub-graph around it": around(
        node("sub", "subgraph", graph_id="asking", **SLOW),
        graphs={"asking": chain(ASK, id="graph.asking").model_dump(mode="json")},
    ),
}


@pytest.mark.parametrize("limit", LIMITED)
async def test_thinking_counts_against_no_time_limit(
    limit: str, eng: Engine, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = await thought_for_an_hour(eng, LIMITED[limit], person, monkeypatch)
    assert ran.result.error is None
    assert ran.result.status == "committed"
    assert ran.all(ev.ApprovalAnswered)[0].waited_ms >= 3_600_000


async def test_after_the_answer_the_rest_of_the_time_limit_holds(
    eng: Engine, person: Person, monkeypatch: pytest.MonkeyPatch, scripted: ScriptedBackend
) -> None:
    scripted.answers([asyncio.Event()])
    clock = LoopClock(monkeypatch)
    run = eng.start(chain(ASK, node("m", "model")), "Why?", approver=person)
    await until(lambda: person.thinking)
    clock.skip(3600)
    answer(person)
    await until(lambda: scripted.open_streams)
    clock.skip(61)
    ran = await end_of(run)
    assert ran.result.reason == "deadline"


@pytest.mark.parametrize("limit", LIMITED)
async def test_cancelling_ends_the_question_at_once(limit: str, eng: Engine, person: Person) -> None:
    run = eng.start(LIMITED[limit], "Why?", approver=person)
    await until(lambda: person.thinking)
    run.cancel()
    ran = await end_of(run)
    assert ran.result.cancelled
    assert person.thinking == 0
    (answered,) = ran.all(ev.ApprovalAnswered)
    assert (answered.allowed, answered.by) == (False, "cancelled")
    assert ran.view.approvals == []


async def test_branches_are_asked_at_the_same_time_and_answered_in_any_order(eng: Engine) -> None:
    graph = make_graph(
        [
            node("start", "entry"),
            node("fan", "fanout", targets=["a", "b"]),
            node("a", "approval", prompt="a?"),
            node("b", "approval", prompt="b?"),
            node("both", "join", on_dead="degrade"),
            node("end", "exit"),
        ],
        [("start", "fan"), ("a", "both"), ("b", "both"), ("both", "end")],
    )
    answers = {"a": asyncio.Event(), "b": asyncio.Event()}

    class Slow(Person):
        async def ask(self, request: ApprovalRequest) -> Approval:
            self.thinking += 1
            await answers[request.node].wait()
            return yes(request) if request.node == "b" else no(request)

    person = Slow()
    run = eng.start(graph, "Why?", approver=person)
    await until(lambda: person.thinking == 2)
    view = await eng.view(run.transaction)
    assert [each.asked.question for each in view.approvals] == ["a?", "b?"]
    answers["b"].set()
    await asyncio.sleep(0.01)
    answers["a"].set()
    ran = await end_of(run)
    assert ran.result.text == "Why?", "the branch of the yes"
    assert [(each.path, each.allowed) for each in ran.all(ev.ApprovalAnswered)] == [("b", True), ("a", False)]


async def test_a_branch_that_is_not_needed_any_more_is_not_asked_any_more(eng: Engine, person: Person) -> None:
    graph = make_graph(
        [
            node("start", "entry"),
            node("fan", "fanout", targets=["ask", "quick"]),
            ASK,
            node("quick", "transform", operation="upper"),
            node("first", "join", mode="any"),
            node("end", "exit"),
        ],
        [("start", "fan"), ("ask", "first"), ("quick", "first"), ("first", "end")],
    )
    ran = await end_of(eng.start(graph, "Why?", approver=person))
    assert ran.result.text == "WHY?"
    assert person.thinking == 0


class Clumsy:
    """Asks, and fails after the first answer with what may be tried again."""

    attempts = 0

    async def run(self, ctx: NodeContext, message: Message) -> Outcome:
        type(self).attempts += 1
        made = await ApprovalNode(ApprovalConfig()).run(ctx, message)
        if self.attempts == 1:
            raise EngineError(ErrorClass.CONNECTION, "lost", "The connection was lost.")
        return made


@pytest.mark.usefixtures("no_backoff")
async def test_a_visit_that_is_tried_again_asks_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.nodes.factory.ApprovalNode", lambda _config: Clumsy())
    person = Person()
    graph = chain(node("ask", "approval", retry={"attempts": 3, "base_delay_ms": 1}))
    ran = await ask(graph, approver=person)
    assert ran.result.status == "committed"
    assert [body.attempt for body in ran.all(ev.NodeStarted) if body.path == "ask"] == [1, 2]
    assert len(person.asked) == 1
    assert len(ran.all(ev.ApprovalAsked)) == 1


async def test_every_visit_asks_anew() -> None:
    person = Person()
    ran = await ask(around(node("again", "loop", body=["ask"], max_iterations=3), ASK), approver=person)
    assert ran.result.status == "committed"
    assert [request.node for request in person.asked] == ["again#1/ask"] * 3
    assert [body.visit for body in ran.all(ev.ApprovalAsked)] == [1, 2, 3]


async def test_tools_ask_through_the_visit(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a tool asks is logged as what a node asks, and a tool that is refused did not run."""

    class Calls:
        async def run(self, ctx: NodeContext, message: Message) -> Outcome:
            request = ApprovalRequest("mail", "Sends mail.", "irreversible", {"to": "Ann"}, "hash")
            decision = await ctx.tools.policy.decide(request, "ask_call", ctx.tools.approver)
            return Outcome(f"{decision.allowed} {decision.by}")

    monkeypatch.setattr("engine.nodes.factory.ApprovalNode", lambda _config: Calls())
    ran = await ask(chain(ASK), approver=Person())
    assert ran.result.text == "True person"
    assert ran.all(ev.ApprovalAsked)[0].tool == "mail"
    assert (await ask(chain(ASK))).result.text == "False nobody"


async def test_the_view_says_who_waits_and_what_was_answered(eng: Engine, person: Person) -> None:
    run = eng.start(LIMITED["a timeout node around it"], "Why?", approver=person)
    await until(lambda: person.thinking)
    view = await eng.view(run.transaction)
    (waiting,) = view.approvals
    assert (waiting.asked.path, waiting.asked.question) == ("hurry#1/ask", "Go on with this?")
    assert view.nodes["hurry"].shown == "waiting", "the node around it shows it too"
    assert view.nodes["start"].shown == "ok"
    assert any("a person is asked" in entry.text for entry in view.timeline)
    answer(person)
    ran = await end_of(run)
    assert ran.view.approvals == []
    assert ran.view.nodes["hurry"].shown == "ok"
    assert any(entry.text == "a person said yes" for entry in ran.view.timeline)
    assert fold(ran.events) == ran.view
