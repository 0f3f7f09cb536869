"""The check `numbers_agree`."""

from __future__ import annotations

from typing import Any

import pytest

from engine.message import Message
from engine.nodes.checks import run_checks
from engine.nodes.number_check import MAX_EQUATIONS, MAX_NUMBERS, number_problem


def calculated(result: str, **fields: Any) -> dict[str, Any]:
    call = {"tool": "calculator", "arguments": {"expression": "?"}, "text": result, "ok": True, **fields}
    return {"tools": [call]}


def problem(text: str, result: str | None = None) -> str:
    return number_problem(Message(1, text, {} if result is None else calculated(result)))


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("The answer is 84.", "84"),
        ("It is **84**!", "84"),
        ("\\boxed{84}", "84"),
        ("84.00 euros", "84"),
        ("1,234,567", "1234567"),
        ("1.234.567", "1234567"),
        ("1{,}234{,}567", "1234567"),
        ("about 1.23 million", "1234567"),
        ("about 1,230,000", "1234567"),
        ("84k", "84000"),
        ("0.33", "0.3333333333333333"),
        ("0.67 or 0.666...", "0.6666666666666667"),
        ("1/3 of it", "0.3333333333333333"),
        ("15%", "0.15"),
        ("pi is 3.14", "3.141592653589793"),
        ("roughly 3", "3.141592653589793"),
        ("1.5 × 10^20", "150000000000000000000"),
        ("1.5e20 of them", "150000000000000000000"),
        ("\u22125 degrees", "-5"),
        ("5 less", "-5"),
        ("eighty-four", "84"),
        ("```\n84\n```", "84"),
        ("First 12, then 7, so 84 in all.", "84"),
    ],
)
def test_an_answer_with_the_calculators_result_passes(text: str, result: str) -> None:
    assert problem(text, result) == ""


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("The answer is 85.", "84"),
        ("The answer is 8 4.", "84"),
        ("I do not know.", "84"),
        ("It is 184.", "84"),
        ("0.34", "0.3333333333333333"),
        ("about 1,240,000", "1234567"),
        ("4", "3.141592653589793"),
        ("0", "0.004"),
        ("It is x84.", "84"),
        ("16%", "0.15"),
    ],
)
def test_an_answer_with_another_number_is_refused_with_the_result(text: str, result: str) -> None:
    checks, reasons = run_checks(Message(1, text, calculated(result)), ())
    assert (checks["numbers_agree"], checks["ok"]) == (False, False)
    assert reasons == [f"the calculator's result, {result}, is not in the answer"]


def test_the_last_result_counts() -> None:
    calls = calculated("84")["tools"] + calculated("85")["tools"]
    assert number_problem(Message(1, "85", {"tools": calls})) == ""
    assert number_problem(Message(1, "84", {"tools": calls})) != ""


@pytest.mark.parametrize(
    "data",
    [
        calculated("84", ok=False),
        calculated("84", tool="code"),
        calculated("1/3"),
        calculated("9" * 100),
        calculated("not calculable"),
        {"tools": "calculator"},
        {"tools": None},
        {"tools": [None, 3, "84", {}, {"tool": "calculator", "ok": True}]},
        {"tools": [{"tool": "calculator", "ok": True, "text": 84}]},
        {},
    ],
)
def test_where_there_is_no_result_to_compare_the_answer_passes(data: dict[str, Any]) -> None:
    assert number_problem(Message(1, "It is 7.", data)) == ""


@pytest.mark.parametrize(
    "text",
    [
        "12 * 7 = 84",
        "12*7=84, as you see",
        "12 × 7 = 84",
        "$12 \\times 7 = 84$",
        "**12 * 7 = 84**",
        "1. 12 * 7 = 84",
        "12 x 7 = 84",
        "1,000 * 3 = 3,000",
        "10 / 3 = 3.33",
        "2/3 = 0.666...",
        "2/3 = 0.66666666666666667",
        "1/2 + 1/3 = 5/6",
        "7 / 2 = 3",
        "3/2 = 1,5",
        "0.1 + 0.2 = 0.3",
        "-3 + 4 = 1",
        "2^10 = 1024",
        "2**3 * 2 = 16",
        "3 + 4 = 7 * 2 = 14",
        "1.5 * 2 = 3.0",
        "(3 + 4) * 2 = 14",
    ],
)
def test_equations_that_hold_pass(text: str) -> None:
    assert problem(text) == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("12 * 7 = 85", "`12 * 7 = 85` is wrong, it is 84"),
        ("So 12 * 7 = 85.", "`12 * 7 = 85` is wrong, it is 84"),
        ("- 12 * 7 = 85", "`12 * 7 = 85`"),
        ("It costs 5. 12 * 7 = 85", "`12 * 7 = 85`"),
        ("area = 12 * 7 = 85", "`12 * 7 = 85`"),
        ("\\(12 \\cdot 7 = 85\\)", "`12 * 7 = 85`"),
        ("€12 + €3 = €16", "it is 15"),
        ("1,000 * 3 = 3,001", "it is 3000"),
        ("10/3 = 3.34", "it is 3.333333333333333"),
        ("1/2 + 1/3 = 2/5", "it is 0.8333333333333333"),
        ("3 - 5 = 2", "it is -2"),
        ("0.1 + 0.2 = 0.4", "it is 0.3"),
        ("3 + 4 = 7 * 2 = 15", "`7 * 2 = 15`"),
        ("2**3 * 2 = 17", "it is 16"),
        ("First 1 + 1 = 2.\nThen 2 + 2 = 5.", "`2 + 2 = 5`"),
    ],
)
def test_an_equation_that_does_not_hold_is_refused_with_what_it_is(text: str, words: str) -> None:
    checks, reasons = run_checks(Message(1, text), ())
    assert (checks["numbers_agree"], checks["ok"]) == (False, False)
    assert words in reasons[0]


@pytest.mark.parametrize(
    "text",
    [
        "x + 12 * 7 = 85",
        "2x + 3 = 8",
        "f(2) + 1 = 9",
        "sqrt(16) + 1 = 6",
        "5 dollars * 3 = 16",
        "12 * 7 = 85%",
        "12 * 7 = 85 million",
        "12 * 7 = 85 mod 3",
        "12 * 7 = 85 + y",
        "3 m + 4 m = 8 m",
        "1 + 1 = 10 in binary",
        "It is not true that 12 * 7 = 85.",
        "For 1, 234 + 1 = 235",
        "9^9^9 = 5",
        "1/0 = 5",
        "12 * 7 = 84/0",
        "12 * 7 == 85",
        "3 + 4 >= 8",
        "12 * 7\n= 85",
        "```python\nx = 12 * 7 = 85\n12 * 7 = 85\n```",
        "1990 \u2013 2000 = 10 years",
        "US$12 * 7 = 84",
    ],
)
def test_what_cannot_be_decided_passes(text: str) -> None:
    assert problem(text) == ""


@pytest.mark.parametrize(
    "text",
    ["1+1=3 " * 3000, "=" * 20_000, "(" * 20_000 + "=1", "9" * 20_000, "1," * 10_000, "1" + " " * 20_000 + "=",
     "9^9^9^9=1\n" * 2000, "1 ** " * 4000, "\u0663 * 2 = 5", "1" + "0" * 5000 + " + 1 = 2"],
)  # fmt: skip
def test_hostile_numbers_are_bounded(text: str) -> None:
    assert len(problem(text, "7")) < 300


def test_only_so_much_is_calculated() -> None:
    right = "1 + 1 = 2\n"
    assert problem(right * (MAX_EQUATIONS - 1) + "1 + 1 = 3") != ""
    assert problem(right * MAX_EQUATIONS + "1 + 1 = 3") == ""
    assert problem("7 " * MAX_NUMBERS, "84") != ""
    assert problem("7 " * (MAX_NUMBERS + 1), "84") == ""
