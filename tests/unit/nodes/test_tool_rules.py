"""The rules that call a tool for a small model: each is sure, or says nothing."""

from __future__ import annotations

import time
from typing import Any

import pytest

from engine.nodes.asked_calculation import calculations_asked
from engine.nodes.number_words import number_at
from engine.nodes.tool_rules import RULES, calls_by_rule
from engine.tools.calculator import calculate
from engine.tools.registry import ToolRegistry


@pytest.mark.parametrize(
    ("question", "result"),
    [
        ("12*7", "84"),
        ("What is 12*7?", "84"),
        ("12 divided by 4", "3"),
        ("what is 15% of 240?", "36"),
        ("What is 15 percent of 240", "36"),
        ("What is seventeen times six?", "102"),
        ("how much is twenty-five plus three hundred and four", "329"),
        ("Can you calculate 12 * 7 please?", "84"),
        ("What is 20% off 50?", "40"),
        ("What is the square root of 144?", "12"),
        ("what's 5 squared plus 3 cubed", "52"),
        ("What is the sum of 3 and 4?", "7"),
        ("What is the product of 3, 4 and 5?", "60"),
        ("What is half of 90", "45"),
        ("If I have time, what is 3 to the power of 4?", "81"),
        ("Hi, please tell me what is 1,200 plus 34.5", "1234.5"),
        ("what is 200 plus 10%", "220"),
        ("What is 2024-1990?", "34"),
        ("What is 1000-500?", "500"),
        ("What is $12.50 times 3?", "37.5"),
        ("compute (2 plus 3) times 4", "20"),
        ("What does 3 + 4 equal?", "7"),
        ("Explain arrays. Then compute 2**10.", "1024"),
        ("What is minus five squared", "25"),
        ("What is twelve hundred plus one?", "1201"),
    ],
)
def test_a_calculation_that_is_asked_for_is_found(question: str, result: str) -> None:
    assert [calculate(expression).result for expression in calculations_asked(question)] == [result]


def test_several_calculations_are_found_in_order_and_each_once() -> None:
    assert calculations_asked("What is 12*7 and what is 3+4? And what is 12*7?") == ["12*7", "3+4"]


@pytest.mark.parametrize(
    "question",
    [
        "I was born on 12/05/1990",
        "What is 12/05/1990?",
        "What is 2024-05-01?",
        "2024-05-01",
        "Is 24/7 support available?",
        "What is 24/7?",
        "What is 9/11?",
        "What is 555-1234?",
        "Call 555-123-4567",
        "What is 1939-1945?",
        "What is 192.168.0.1/24?",
        "What is two plus two in binary?",
        "What is 2+2 in French?",
        "What is 3-2 in the premier league",
        "How many times a day?",
        "What are the three times tables",
        "What is the time",
        "What is 5?",
        "What is COVID-19?",
        "Tom has 3 apples and eats 2. How many are left?",
        "Is 3-4 cups of flour enough?",
        "What is twenty thirty plus one",
        "what is 3 times",
        "Write 12*7 in words",
        "The score was 3-2.",
        "What is 1/2 cup of sugar?",
        "What is 12*7 if * means plus?",
        "",
    ],
)
def test_what_only_looks_like_a_calculation_is_left_alone(question: str) -> None:
    assert calculations_asked(question) == []


@pytest.mark.parametrize(
    ("words", "number", "taken"),
    [
        ("seven", 7, 1),
        ("twenty-five", 25, 1),
        ("twenty five", 25, 2),
        ("three hundred and four", 304, 4),
        ("two million three thousand one hundred", 2_003_100, 6),
        ("nineteen hundred", 1900, 2),
        ("five plus", 5, 1),
        ("zero", 0, 1),
    ],
)
def test_numbers_in_words_are_read(words: str, number: int, taken: int) -> None:
    assert number_at(words.split(), 0) == (number, taken)


@pytest.mark.parametrize("words", ["", "hundred", "apple", "twenty thirty", "five six", "and five"])
def test_what_is_no_number_in_words_is_none(words: str) -> None:
    assert number_at(words.split(), 0) is None


PYTHON = "```python\nprint(6*7)\n```"

YES: list[tuple[str, str, dict[str, Any]]] = [
    ("code", f"What does this print?\n{PYTHON}", {"code": "print(6*7)\n"}),
    ("json_format", 'Pretty-print {"b": 1}', {"value": {"b": 1}, "indent": 2}),
    ("json_format", 'Minify this JSON: {"b": [1, 2]}', {"value": {"b": [1, 2]}, "indent": 0}),
    ("json_query", 'Get the field "a.b" from {"a": {"b": 3}}', {"value": {"a": {"b": 3}}, "path": "a.b"}),
    ("json_merge", 'Merge {"a": 1} and {"b": 2}.', {"values": [{"a": 1}, {"b": 2}]}),
    ("json_parse", 'Is this valid JSON? {"a": 1,}', {"text": '{"a": 1,}'}),
    ("text_stats", 'How many words are in "one two three"?', {"text": "one two three"}),
    ("text_case", 'Convert "Hello World" to upper case.', {"text": "Hello World", "case": "upper"}),
    ("text_case", "Turn `userName` into snake_case", {"text": "userName", "case": "snake"}),
    ("text_split", 'Split "One. Two." into sentences', {"text": "One. Two.", "by": "sentences"}),
    ("text_extract", 'Extract the email addresses from "a@b.org, c"', {"text": "a@b.org, c", "kind": "emails"}),
    ("text_replace", 'Replace "a" with "b" in "banana".', {"find": "a", "replace": "b", "text": "banana"}),
    ("file_read", "Read the file notes.txt", {"path": "notes.txt"}),
    ("file_read", "What is in docs/README.md?", {"path": "docs/README.md"}),
    ("file_list", "Which files are there?", {"path": "."}),
    ("file_list", "List the files in the folder docs/old.", {"path": "docs/old"}),
    ("file_search", 'Which files mention "budget"?', {"text": "budget"}),
]


@pytest.mark.parametrize(("tool", "question", "arguments"), YES)
def test_a_question_that_is_for_a_tool_gives_its_arguments(tool: str, question: str, arguments: dict[str, Any]) -> None:
    (found,) = calls_by_rule(tool, question)
    assert found == arguments
    ToolRegistry().get(tool).Input.model_validate(found)


@pytest.mark.parametrize(
    ("tool", "question"),
    [
        ("code", f"Explain this code.\n{PYTHON}"),
        ("code", "What does this print?\n```js\nalert(1)\n```"),
        ("code", f"What do these print?\n{PYTHON}\n{PYTHON}"),
        ("code", "Run a marathon"),
        ("json_format", "What is the format of a date?"),
        ("json_format", 'What does {"b": 1} mean?'),
        ("json_query", 'What is {"a": 1}?'),
        ("json_merge", 'Merge {"a": 1}'),
        ("json_merge", "Merge two git branches {x}"),
        ("json_parse", "Is JSON a valid format for this?"),
        ("text_stats", "How many words are in Hamlet?"),
        ("text_stats", 'Who said "how many words"?'),
        ("text_case", 'What does "lower case" mean?'),
        ("text_split", "Split the bill"),
        ("text_extract", "Find the email of Ada"),
        ("text_replace", 'Replace "a" with "b".'),
        ("text_replace", 'Can "a" replace "b" in "c"?'),
        ("file_read", "Read a good book. It helps."),
        ("file_list", "List the planets"),
        ("file_search", 'Search for "love" songs'),
        ("no_such_tool", "What is 12*7?"),
    ],
)
def test_a_question_that_is_for_no_tool_gives_nothing(tool: str, question: str) -> None:
    assert list(calls_by_rule(tool, question)) == []


def test_every_rule_is_of_a_tool_that_there_is() -> None:
    assert set(RULES) <= set(ToolRegistry().available())


@pytest.mark.parametrize(
    "hostile",
    ["'" * 50_000, "“" * 50_000, "```python\n" * 5000, "{" * 50_000, '{"a":' * 10_000, "read a." * 8000,
     "what is " * 9000, "what is " + "(" * 1900, "read " + "a/" * 20_000, "list files " * 5000, "1-" * 25_000,
     "merge " + "[" * 9000],
)  # fmt: skip
def test_hostile_questions_cost_little(hostile: str) -> None:
    started = time.process_time()
    for tool in RULES:
        calls_by_rule(tool, hostile)
    assert time.process_time() - started < 10.0, "generous: quadratic work would take minutes"
