"""The calculator: exact where arithmetic is, bounded whatever it is given."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import EngineError, ErrorClass
from engine.tools.calculator import MAX_LENGTH, calculate
from engine.tools.call import call_tool
from engine.tools.protocol import ToolContext
from tests.unit.tools.doubles import TOOLS


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("0.1 + 0.2", "0.3"),
        ("12*7", "84"),
        ("12 x 7 = ?", "84"),
        ("2 + 3 * 4", "14"),
        ("(2 + 3) * 4", "20"),
        ("-2**2", "-4"),
        ("(-2)**2", "4"),
        ("2**-2", "0.25"),
        ("2^3^2", "512"),
        ("--3", "3"),
        ("7 // 2", "3"),
        ("-7 // 2", "-4"),
        ("-7 % 3", "2"),
        ("7 mod 4", "3"),
        ("5!", "120"),
        ("3!!", "720"),
        ("10%", "0.1"),
        ("15% of 80", "12"),
        ("200 + 10%", "220"),
        ("200 - 10%", "180"),
        ("100 * (1 + 5%)^2", "110.25"),
        ("1,234,567 + 1", "1234568"),
        ("1_000 * 3", "3000"),
        ("1e-3", "0.001"),
        ("8 ÷ 2 × 3 − 1", "11"),
        ("√16", "4"),
        ("sqrt(16/25)", "0.8"),
        ("27**(1/3)", "3"),
        ("root(-27, 3)", "-3"),
        ("2**10000 / 2**9999", "2"),
        ("1/7*7", "1"),
        ("round(2.5)", "3"),
        ("round(-2.675, 2)", "-2.68"),
        ("floor(-1.5)", "-2"),
        ("ceil(-1.5)", "-1"),
        ("max(1,234)", "234"),
        ("min(3, 1, 2)", "1"),
        ("mean(1, 2, 3, 4)", "2.5"),
        ("median(5, 1, 3)", "3"),
        ("sum(1, 2, 3)", "6"),
        ("abs(-3.5)", "3.5"),
        ("gcd(12, 18) + lcm(4, 6)", "18"),
        ("comb(5, 2) + perm(4, 2)", "22"),
        ("log(1000) + log2(1024) + log(8, 2)", "16"),
        ("ln(1) + exp(0)", "1"),
    ],
)
def test_results_are_exact_where_arithmetic_is(expression: str, result: str) -> None:
    calculation = calculate(expression)
    assert (calculation.result, calculation.exact) == (result, True)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("sqrt(2)", math.sqrt(2)),
        ("pi", math.pi),
        ("e", math.e),
        ("sin(1)", math.sin(1)),
        ("cos(2)", math.cos(2)),
        ("tan(-3)", math.tan(-3)),
        ("sin(1000000)", math.sin(1_000_000)),
        ("asin(0.3)", math.asin(0.3)),
        ("acos(-0.3)", math.acos(-0.3)),
        ("atan(100)", math.atan(100)),
        ("exp(-100)", math.exp(-100)),
        ("ln(10)", math.log(10)),
        ("2**0.3", 2**0.3),
        ("cbrt(2)", 2 ** (1 / 3)),
        ("degrees(1)", math.degrees(1)),
        ("radians(90)", math.pi / 2),
    ],
)
def test_other_results_agree_with_the_standard_library_and_are_marked_as_rounded(expression: str, value: float) -> None:
    calculation = calculate(expression)
    assert float(calculation.result) == pytest.approx(value, rel=1e-14)
    assert not calculation.exact


def test_a_fraction_without_an_end_is_given_as_a_fraction_too() -> None:
    calculation = calculate("1/3 + 1/3")
    assert (calculation.result, calculation.exact, calculation.fraction) == ("0.6666666666666667", False, "2/3")


@pytest.mark.parametrize("expression", ["sin(pi)", "cos(pi/2)", "sqrt(2)**2 - 2", "4*atan(1) - pi"])
def test_only_rounding_errors_left_is_zero(expression: str) -> None:
    assert calculate(expression).result == "0"


_leaf = st.one_of(
    st.integers(0, 10**12).map(str),
    st.decimals(min_value=0, max_value=10**6, places=4, allow_nan=False).map(lambda number: f"{number:f}"),
)


def _combined(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    binary = st.tuples(parts, st.sampled_from(["+", "-", "*", "/", "//"]), parts)
    return st.one_of(
        binary.map(lambda each: f"({each[0]} {each[1]} {each[2]})"),
        st.tuples(parts, st.integers(-4, 4)).map(lambda each: f"({each[0]})**{each[1]}"),
        parts.map(lambda each: f"-{each}"),
    )


def _by_python(expression: str) -> Fraction | None:
    """What Python's own fractions make of the same text."""
    import re

    exact = re.sub(r"(?<!\*\*)(?<!\*\*-)\b\d+(?:\.\d+)?", lambda number: f"F('{number[0]}')", expression)
    try:
        return Fraction(eval(exact, {"F": Fraction}))
    except ZeroDivisionError:
        return None


@given(st.recursive(_leaf, _combined, max_leaves=8))
def test_it_agrees_with_python_s_fractions_on_generated_expressions(expression: str) -> None:
    expected = _by_python(expression)
    try:
        calculation = calculate(expression)
    except EngineError as error:
        assert (expected is None and "division by zero" in error.message) or "digits" in error.message  # noqa: PT017
        return
    assert expected is not None
    if calculation.exact:
        assert Fraction(calculation.result) == expected
    elif calculation.fraction:
        assert Fraction(calculation.fraction) == expected
    else:
        assert float(Fraction(Decimal(calculation.result))) == pytest.approx(float(expected), rel=1e-14)


@given(st.integers(0, 10**9), st.integers(1, 10**9), st.integers(0, 10**9))
def test_operators_bind_as_in_python(a: int, b: int, c: int) -> None:
    for text in (f"{a}-{b}-{c}", f"{a}-{b}*{c}", f"{a}*{b}//{b}", f"-{a}%{b}+{c}", f"{a}//{b}*{c}"):
        assert calculate(text).result == str(eval(text))


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("=", "empty"),
        ("1+", "missing"),
        ("(1", "`)` is missing"),
        (")", "missing before `)`"),
        ("1 2", "write * between"),
        ("2pi", "write * between"),
        ("1/0", "division by zero"),
        ("0**-1", "division by zero"),
        ("5 % 0", "division by zero"),
        ("sqrt(-1)", "no real root"),
        ("(-8)**0.5", "no real power"),
        ("ln(0)", "positive"),
        ("tan(pi/2)", "not defined"),
        ("asin(2)", "-1 to 1"),
        ("9**9**9", "digits"),
        ("10**5000", "digits"),
        ("0.5**(10**5 + 0.5)", "digits"),
        ("9!!!", "factorial"),
        ("2.5!", "whole numbers"),
        ("1e999999999", "digits"),
        ("1e4000 * 1e4000", "digits"),
        ("comb(10**9, 5)", "10000"),
        ("sin(1e300)", "10^15"),
        ("min()", "0 arguments"),
        ("sqrt(1, 2)", "2 arguments"),
        ("__import__('os').system('id')", "not understood"),
        ("open(1)", "not known"),
        ("(" * 500, "nested"),
        ("sin(" * 200 + "1", "nested"),
        ("2**" * 300 + "2", "nested"),
        ("√" * 999, "nested"),
        ("+".join(["9**999"] * 140), "work"),
        ("1" * (MAX_LENGTH + 1), "longer"),
        ("1\0+1", "not understood"),
        ("٣+1", "not understood"),
        ("\ud800", "not understood"),
    ],
)
def test_what_cannot_be_calculated_gets_one_sentence_and_a_remedy(expression: str, reason: str) -> None:
    with pytest.raises(EngineError) as caught:
        calculate(expression)
    assert (caught.value.error_class, caught.value.code) == (ErrorClass.INVALID_REQUEST, "not_calculable")
    assert reason in caught.value.message
    assert caught.value.remedy


@given(st.text(st.sampled_from("0123456789.,eE+-*/%^!()=? xpi√sqrtlogmax_ \n"), max_size=60))
def test_any_text_is_calculated_or_refused_and_never_crashes(expression: str) -> None:
    try:
        assert calculate(expression).result
    except EngineError as error:
        assert error.code == "not_calculable"  # noqa: PT017 - the other outcome


async def test_a_model_gets_the_number_as_text() -> None:
    outcome = await call_tool(TOOLS.get("calculator"), {"expression": "12*7"}, ToolContext())
    assert outcome.text == "84"
    assert outcome.output == {"result": "84", "exact": True, "fraction": ""}


def test_an_unknown_function_names_the_nearest_known_one() -> None:
    with pytest.raises(EngineError) as caught:
        calculate("sqroot(2)")
    assert caught.value.remedy == "Did you mean `sqrt`?" or "`root`" in caught.value.remedy
