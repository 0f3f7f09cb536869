"""The approval node: what a person is asked, and what their yes and their no lead to."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest

from engine import events as ev
from engine.graph.spec import GraphSpec
from tests.approvers import Person, no, yes
from tests.graphs import chain, make_graph, node
from tests.running import Ran, ask


def branching(**config: Any) -> GraphSpec:
    """entry -> approval -> exit `go` on a yes, exit `stop` on a no."""
    targets = {"approved_target": "go", "rejected_target": "stop", **config}
    return make_graph(
        [
            node("start", "entry"),
            node("ask", "approval", **targets),
            node("go", "exit"),
            node("stop", "exit", status="fallback"),
        ],
        [("start", "ask")],
    )


async def ended_at(graph: GraphSpec, person: Person | None) -> str:
    ran = await ask(graph, approver=person)
    (committed,) = ran.all(ev.Committed)
    return committed.exit_node


async def test_a_yes_leads_to_the_approved_target_and_a_no_to_the_rejected_one() -> None:
    assert await ended_at(branching(), Person(yes)) == "go"
    assert await ended_at(branching(), Person(no)) == "stop"


async def test_where_nobody_can_be_asked_the_run_goes_where_a_no_leads() -> None:
    ran = await ask(branching())
    assert ran.result.exit == "fallback"
    assert ran.result.data["approved"] is False
    assert ran.result.data["approved_by"] == "nobody"
    assert ran.all(ev.ApprovalAnswered)[0].by == "nobody"


async def test_without_an_approved_target_a_yes_goes_along_the_edges() -> None:
    ran = await ask(chain(node("ask", "approval")), "Hello.", approver=Person(yes))
    assert (ran.result.status, ran.result.text) == ("committed", "Hello.")
    assert ran.result.data["approved"] is True
    assert ran.result.data["approved_by"] == "person"


@pytest.mark.parametrize(("person", "words"), [(Person(no), "Not today."), (None, "nobody could be asked")])
async def test_without_a_rejected_target_a_no_rolls_the_run_back(person: Person | None, words: str) -> None:
    ran = await ask(chain(node("ask", "approval")), approver=person)
    assert ran.result.status == "rolled_back"
    error = ran.result.error
    assert error is not None
    assert (error.error_class, error.code, error.node) == ("tool_refused", "rejected", "ask")
    assert words in error.message
    assert error.remedy


async def test_a_no_can_be_dealt_with_by_an_edge_after_a_failure() -> None:
    graph = make_graph(
        [node("start", "entry"), node("ask", "approval"), node("go", "exit"), node("sorry", "exit", status="fallback")],
        [("start", "ask"), ("ask", "go"), ("ask", "sorry", "error == 'rejected'")],
    )
    assert await ended_at(graph, Person(no)) == "sorry"
    assert await ended_at(graph, Person(yes)) == "go"


async def test_the_prompt_is_a_template_and_the_text_is_shown_beside_it() -> None:
    person = Person()
    await ask(
        branching(prompt="Send {{ content | upper }} to {{ data.to }}?"),
        "hello",
        inputs={"to": "Ann"},
        approver=person,
    )
    (request,) = person.asked
    assert request.description == "Send HELLO to Ann?"
    assert (request.text, request.tool, request.node) == ("hello", "", "ask")


async def test_the_default_prompt_is_asked() -> None:
    person = Person()
    await ask(branching(), approver=person)
    assert person.asked[0].description == "Go on with this?"


@pytest.mark.parametrize(("editable", "text"), [(True, "Dear Ann"), (False, "dear an")])
async def test_the_text_of_the_person_goes_on_where_they_may_change_it(editable: bool, text: str) -> None:
    person = Person(functools.partial(yes, text="Dear Ann"))
    ran = await ask(branching(editable=editable), "dear an", approver=person)
    assert ran.result.text == text
    assert person.asked[0].editable is editable


async def test_a_prompt_that_cannot_be_filled_fails_and_asks_nobody() -> None:
    person = Person()
    ran = await ask(branching(prompt="Send it to {{ data.to }}?"), approver=person)
    assert ran.result.error is not None
    assert ran.result.error.code == "nothing_at_path"
    assert not person.asked


async def test_the_request_and_the_answer_are_in_the_log_before_what_follows(tmp_path: Path) -> None:
    ran: Ran = await ask(branching(), data_dir=tmp_path, approver=Person())
    kinds = ran.kinds
    assert kinds.index("approval_asked") + 1 == kinds.index("approval_answered")
    (asked,) = ran.all(ev.ApprovalAsked)
    assert (asked.path, asked.visit, asked.question, asked.text) == ("ask", 1, "Go on with this?", "Why?")
    assert kinds.index("approval_answered") < kinds.index("committed")
