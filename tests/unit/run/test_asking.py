"""Requests for approval: asked once, answered in the log, and no unless a person says yes to exactly this."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from engine import events as ev
from engine.run.asking import MAX_LOGGED, Asking
from engine.run.limit import Limit
from engine.tools.policy import Approval, ApprovalRequest
from tests.approvers import Person, no, yes
from tests.unit.run.clock import LoopClock
from tests.waiting import until

REQUEST = ApprovalRequest("files_delete", "Deletes a file.", "reversible", {"path": "a.txt"}, "hash-1", host="h")
TEXT = ApprovalRequest("", "Send this?", "pure", {}, "hash-2", text="Dear all", editable=True)


class Log(list[ev.Body]):
    """What was emitted."""

    @property
    def answer(self) -> ev.ApprovalAnswered:
        assert isinstance(self[-1], ev.ApprovalAnswered)
        return self[-1]


async def ask(log: Log, person: Person | None, request: ApprovalRequest = REQUEST) -> Approval:
    return await Asking(log.append, person).ask("a", 1, 1, request)


async def test_the_request_and_the_answer_are_logged() -> None:
    log = Log()
    approval = await ask(log, Person())
    assert approval.allowed
    asked, answered = log
    assert isinstance(asked, ev.ApprovalAsked)
    assert (asked.path, asked.visit, asked.step) == ("a", 1, 1)
    assert (asked.tool, asked.question, asked.effect, asked.host) == (
        "files_delete", "Deletes a file.", "reversible", "h",
    )  # fmt: skip
    assert json.loads(asked.arguments) == {"path": "a.txt"}
    assert not asked.cut
    assert isinstance(answered, ev.ApprovalAnswered)
    assert (answered.allowed, answered.by, answered.arguments_hash) == (True, "person", "hash-1")


async def test_the_approver_is_told_which_node_asks() -> None:
    person = Person()
    await ask(Log(), person)
    assert person.asked[0].node == "a"


async def test_where_nobody_can_be_asked_the_answer_is_no() -> None:
    log = Log()
    approval = await ask(log, None)
    assert (approval.allowed, approval.by) == (False, "nobody")
    assert (log.answer.allowed, log.answer.by) == (False, "nobody")


async def test_an_approver_that_fails_is_nobody() -> None:
    def broken(_request: ApprovalRequest) -> Approval:
        raise RuntimeError("the terminal is gone")

    log = Log()
    approval = await ask(log, Person(broken))
    assert (approval.allowed, approval.by) == (False, "nobody")
    assert "the terminal is gone" in log.answer.reason


async def test_a_yes_to_something_else_is_no() -> None:
    log = Log()
    assert not (await ask(log, Person(lambda request: replace(yes(request), arguments_hash="other")))).allowed
    assert (log.answer.allowed, log.answer.by) == (False, "person")


async def test_a_further_attempt_of_the_visit_is_not_asked_again() -> None:
    log, person = Log(), Person(no)
    asking = Asking(log.append, person)
    first = await asking.ask("a", 1, 1, REQUEST)
    assert await asking.ask("a", 1, 1, REQUEST) == first
    assert len(person.asked) == 1
    assert len(log) == 2
    await asking.ask("a", 1, 2, REQUEST)
    await asking.ask("a", 2, 1, REQUEST)
    await asking.ask("a", 1, 1, replace(REQUEST, arguments_hash="hash-3"))
    assert len(person.asked) == 4, "another step, another visit and other arguments are other questions"


@pytest.mark.parametrize(("editable", "kept"), [(True, "Dear you"), (False, None)])
async def test_only_an_editable_text_can_be_changed(editable: bool, kept: str | None) -> None:
    log = Log()
    person = Person(lambda request: yes(request, text="Dear you"))
    approval = await ask(log, person, replace(TEXT, editable=editable))
    assert approval.text == kept
    assert log.answer.text == kept


async def test_a_text_that_was_sent_on_as_it_was_is_not_changed() -> None:
    assert (await ask(Log(), Person(lambda request: yes(request, text="Dear all")), TEXT)).text is None


async def test_a_text_with_half_a_character_can_be_logged() -> None:
    log = Log()
    await ask(log, Person(lambda request: yes(request, text="\ud800!")), TEXT)
    assert log.answer.text == "\ufffd!"
    ev.encode(log.answer)


async def test_what_is_too_long_for_the_log_is_cut_there_and_not_for_the_person() -> None:
    log, person = Log(), Person()
    await ask(log, person, replace(TEXT, text="x" * (MAX_LOGGED + 1)))
    asked = log[0]
    assert isinstance(asked, ev.ApprovalAsked)
    assert (len(asked.text), asked.cut) == (MAX_LOGGED, True)
    assert len(person.asked[0].text) == MAX_LOGGED + 1


async def test_cancelling_ends_the_question_and_says_so() -> None:
    log, person = Log(), Person()
    person.hold = asyncio.Event()
    task = asyncio.create_task(ask(log, person))
    await until(lambda: person.thinking)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (log.answer.allowed, log.answer.by) == (False, "cancelled")
    assert person.thinking == 0


async def test_the_answer_says_how_long_the_person_thought_and_no_limit_counts_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, log, person = LoopClock(monkeypatch), Log(), Person()
    person.hold = asyncio.Event()
    reached: list[int] = []
    with Limit(60, lambda: reached.append(1)):
        task = asyncio.create_task(ask(log, person))
        await until(lambda: person.thinking)
        clock.skip(3600)
        person.hold.set()
        await task
        await asyncio.sleep(0)
    assert not reached
    assert 3_600_000 <= log.answer.waited_ms < 3_700_000
