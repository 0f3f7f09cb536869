"""How a judge is asked, and how its verdict is read."""

from __future__ import annotations

from typing import Any

import pytest

from engine.message import estimate_tokens
from engine.nodes.judge import BEST, MAX_READ, MAX_REASON, VERDICT, best_of, quoted, read_verdict, shipped_prompt


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ('{"reason": "fine", "score": 7}', 0.7),
        ('{"score": 10, "reason": "fine"}', 1.0),
        ('{"score": 0}', 0.0),
        ('{"score": 1}', 0.1),
        ('{"score": 0.8}', 0.8),
        ('{"score": "8"}', 0.8),
        ('{"score": "8/10"}', 0.8),
        ('Sure!\n```json\n{"reason": "fine", "score": 7}\n```', 0.7),
        ('I see {braces} and then {"score": 4}', 0.4),
        ("Score: 7", 0.7),
        ("**Score:** 7/10, because it is short.", 0.7),
        ("My rating is 3 / 5.", None),
        ("Rating: 3/5", 0.6),
    ],
)
def test_a_verdict_is_read_tolerantly(text: str, score: float | None) -> None:
    read = read_verdict(text, BEST)
    assert (None if read is None else read[0]) == score


@pytest.mark.parametrize(
    "text",
    ["", "good", "7", "{}", "[" * 5000, "{" * 5000, '{"score": 11}', '{"score": -1}', '{"score": true}',
     '{"score": null}', '{"score": NaN}', '{"score": 1e999}', '{"score": [7]}', '{"score": "very good"}',
     "score: 3, or score: 9", "score: 99", '{"reason": "' + "x" * MAX_READ + '", "score": 9}', '{"reason": "cut of',
     '{"score": 1' + "0" * 500 + "}"],
)  # fmt: skip
def test_no_grade_is_guessed(text: str) -> None:
    assert read_verdict(text, BEST) is None


def test_the_reason_is_one_printable_line() -> None:
    read = read_verdict('{"reason": "a\\n\\u001b[31mb\\u202e  c' + "!" * 500 + '", "score": 5}', BEST)
    assert read is not None
    assert read[1].startswith("a [31mb c!")
    assert read[1].isprintable()
    assert len(read[1]) == MAX_REASON
    assert read_verdict('{"reason": 7, "score": 5}', BEST) == (0.5, "")


@pytest.mark.parametrize(
    ("schema", "best"),
    [
        (VERDICT, 10.0),
        (None, 10.0),
        ({}, 10.0),
        ({"properties": {"score": {"maximum": 5}}}, 5.0),
        ({"properties": {"score": {"type": "number", "maximum": 1}}}, 1.0),
        ({"properties": {"score": {"maximum": 0}}}, 10.0),
        ({"properties": {"score": True}}, 10.0),
    ],
)
def test_the_schema_says_what_the_best_grade_is(schema: dict[str, Any] | None, best: float) -> None:
    assert best_of(schema) == best


@pytest.mark.parametrize(("best", "score"), [(1.0, 1.0), (5.0, 0.2), (10.0, 0.1)])
def test_a_grade_is_a_share_of_the_best(best: float, score: float) -> None:
    assert read_verdict('{"score": 1}', best) == (score, "")


@pytest.mark.parametrize("text", ["one", "a\nb\n\nc", "a\r\nb\u2028c\x0bd\x85e", "", "> a\n> b\n"])
def test_every_line_of_what_is_quoted_is_marked(text: str) -> None:
    lines = quoted(text, 1000).splitlines()
    assert lines
    assert all(line.startswith("> ") for line in lines)
    assert [line.removeprefix("> ") for line in lines] == (text.splitlines() or [""])


@pytest.mark.parametrize("text", ["word " * 4000, "\u00e9" * 20_000, "x\n" * 10_000])
def test_what_is_too_long_loses_its_middle(text: str) -> None:
    short = quoted("BEGIN " + text + " END", 500)
    assert short.startswith("> BEGIN")
    assert short.endswith("END")
    assert "\n> [...]\n" in short
    assert estimate_tokens(short.replace("> ", "")) <= 520


def test_the_shipped_prompt_shows_question_and_answer() -> None:
    prompt = shipped_prompt()
    assert "{{ question }}" in prompt.user
    assert "{{ content }}" in prompt.user
    assert prompt.output_schema is None
