"""What is said of an operation of a visit."""

from __future__ import annotations

from engine.view import OpView
from tinyllm_tui.widgets.op_lines import said_words


def test_code_that_only_defines_something_does_not_look_as_if_its_answer_were_none() -> None:
    assert said_words(OpView(step=0, op="tool code", started_ms=0, result="None")) == "ran without output"
    assert said_words(OpView(step=0, op="tool code", started_ms=0, result="3")) == "3"
