"""The approval policy: who agrees to what, and that silence is no."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import EngineError, ErrorClass
from engine.tools.call import call_tool
from engine.tools.effect import Permission
from engine.tools.policy import ApprovalPolicy, Decision
from engine.tools.protocol import ToolContext
from tests.unit.tools.doubles import EchoTool, ListJournal, Person


async def called(tool: EchoTool, context: ToolContext, text: str = "a") -> bool:
    try:
        await call_tool(tool, {"text": text}, context)
    except EngineError as error:
        assert (error.error_class, error.code) == (ErrorClass.TOOL_REFUSED, "tool_refused")  # noqa: PT017
        return False
    return True


@pytest.mark.parametrize(
    ("permission", "runs"), [("auto", True), ("ask_host", False), ("ask_call", False), ("deny", False)]
)
async def test_without_anybody_to_ask_only_auto_runs(permission: Permission, runs: bool) -> None:
    tool = EchoTool(permission=permission, host="example.org")
    assert await called(tool, ToolContext()) is runs
    assert bool(tool.ran) is runs


async def test_deny_is_not_even_asked() -> None:
    person = Person()
    assert not await called(EchoTool(permission="deny"), ToolContext(approver=person))
    assert person.asked == []


async def test_a_person_is_shown_the_exact_arguments() -> None:
    person = Person()
    assert await called(EchoTool(permission="ask_call"), ToolContext(approver=person), "rm")
    assert person.asked[0].arguments == {"text": "rm", "times": 1}


async def test_a_no_is_a_no() -> None:
    tool = EchoTool(permission="ask_call")
    assert not await called(tool, ToolContext(approver=Person(allowed=False)))
    assert tool.ran == []


async def test_a_yes_to_other_arguments_is_a_no() -> None:
    tool = EchoTool(permission="ask_call")
    assert not await called(tool, ToolContext(approver=Person(hash_of_another="0" * 64)))
    assert tool.ran == []


async def test_the_hash_is_different_for_other_arguments_and_for_another_tool() -> None:
    person = Person()
    context = ToolContext(approver=person)
    other = EchoTool(permission="ask_call")
    other.id = "echo2"
    for tool, text in ((EchoTool(permission="ask_call"), "a"), (EchoTool(permission="ask_call"), "b"), (other, "a")):
        await called(tool, context, text)
    assert len({request.arguments_hash for request in person.asked}) == 3


async def test_ask_call_asks_every_time_even_when_the_answer_was_about_the_host() -> None:
    person = Person(scope="host")
    context = ToolContext(approver=person)
    for _ in range(2):
        assert await called(EchoTool(permission="ask_call", host="example.org"), context)
    assert len(person.asked) == 2


async def test_ask_host_asks_once_per_host_when_the_person_says_so() -> None:
    person = Person(scope="host")
    context = ToolContext(approver=person)
    for host in ("a.example", "a.example", "b.example"):
        assert await called(EchoTool(permission="ask_host", host=host), context)
    assert [request.host for request in person.asked] == ["a.example", "b.example"]


async def test_a_yes_to_one_call_is_no_yes_to_its_host() -> None:
    person = Person(scope="call")
    context = ToolContext(approver=person)
    for _ in range(2):
        assert await called(EchoTool(permission="ask_host", host="a.example"), context)
    assert len(person.asked) == 2


async def test_ask_host_of_a_tool_without_a_host_asks_every_time() -> None:
    person = Person(scope="host")
    context = ToolContext(approver=person)
    for _ in range(2):
        assert await called(EchoTool(permission="ask_host"), context)
    assert len(person.asked) == 2


async def test_a_host_that_is_approved_for_one_tool_is_not_approved_for_another() -> None:
    context = ToolContext(policy=ApprovalPolicy(hosts={("other", "a.example")}))
    assert not await called(EchoTool(permission="ask_host", host="a.example"), context)


@pytest.mark.parametrize(("own", "override", "runs"), [("deny", "auto", True), ("auto", "deny", False)])
async def test_the_person_s_rule_goes_before_the_tool_s_own(own: Permission, override: Permission, runs: bool) -> None:
    context = ToolContext(policy=ApprovalPolicy(overrides={"echo": override}))
    assert await called(EchoTool(permission=own), context) is runs


@pytest.mark.parametrize("override", ["auto", "ask_host", "ask_call"])
async def test_what_cannot_be_taken_back_is_asked_for_call_by_call_whatever_the_rules_say(override: Permission) -> None:
    tool, person = EchoTool(effect="irreversible", permission="auto", host="a.example"), Person(scope="host")
    policy = ApprovalPolicy(overrides={"echo": override}, hosts={("echo", "a.example")})
    for _ in range(2):
        assert await called(tool, ToolContext(policy=policy, approver=person))
    assert len(person.asked) == 2
    assert not await called(tool, ToolContext(policy=policy)), "nobody can be asked"


async def test_what_cannot_be_taken_back_can_be_denied() -> None:
    person = Person()
    tool = EchoTool(effect="irreversible", permission="deny")
    assert not await called(tool, ToolContext(approver=person))
    assert person.asked == []


@pytest.mark.parametrize(
    ("permission", "approver", "by", "allowed"),
    [
        ("auto", None, "rule", True),
        ("deny", None, "rule", False),
        ("ask_call", None, "nobody", False),
        ("ask_call", Person(), "person", True),
        ("ask_call", Person(allowed=False), "person", False),
    ],
)
async def test_every_decision_is_journalled_with_who_made_it(
    permission: Permission, approver: Any, by: str, allowed: bool
) -> None:
    journal = ListJournal()
    await called(EchoTool(permission=permission), ToolContext(approver=approver, journal=journal))
    decision = journal.steps[0]
    assert isinstance(decision, Decision)
    assert (decision.by, decision.allowed) == (by, allowed)


async def test_a_refused_call_has_no_intent() -> None:
    journal = ListJournal()
    await called(EchoTool(permission="deny"), ToolContext(journal=journal))
    assert journal.intents == []
