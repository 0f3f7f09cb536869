"""Requests for approval in words, exact and harmless."""

from __future__ import annotations

import json

import pytest

from engine.tools.policy import ApprovalRequest
from tinyllm_tui.approval_text import arguments_of, effect_of, question_of, text_of, title_of
from tinyllm_tui.cli.approving import TerminalApprover


def calling(**arguments: object) -> ApprovalRequest:
    return ApprovalRequest("mail_send", "Sends\x1b[2J mail.", "irreversible", arguments, "hash", "a.example", node="n")


@pytest.mark.parametrize("hidden", ["\u202e", "\u200b", "\x9b", "\x7f", "\U000e0041", "\x1b"])
def test_arguments_show_every_character_and_are_still_the_same_json(hidden: str) -> None:
    request = calling(to=f"a{hidden}b", text="Grüße,\n日本")
    shown = arguments_of(request)
    assert hidden not in shown
    assert json.loads(shown) == dict(request.arguments)
    assert "Grüße" in shown
    assert "日本" in shown


def test_words_for_a_tool() -> None:
    request = calling()
    assert title_of(request) == "n: may the tool mail_send run?"
    assert effect_of(request) == "Effect: irreversible; CANNOT BE UNDONE. Host: a.example."
    assert question_of(request) == "Sends mail."


def test_words_for_an_approval_node() -> None:
    request = ApprovalRequest("", "Send it?", "pure", {}, "hash", node="ask", text="a\x1b]0;x\x07b")
    assert title_of(request) == "ask asks"
    assert (effect_of(request), arguments_of(request)) == ("", "")
    assert text_of(request) == "ab"


async def test_without_a_terminal_the_answer_is_no_and_the_remedy_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    broken: list[int] = []
    approval = await TerminalApprover(lambda: broken.append(1)).ask(calling())
    assert (approval.allowed, approval.by) == (False, "nobody")
    assert broken
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("Note: The node n wants to call mail_send: Sends mail.\n")
    assert "the answer is no.\nRemedy: Run the same command in a terminal, where you are asked.\n" in said.err
