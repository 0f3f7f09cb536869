"""Conditions: what they mean, what they refuse, and that nothing is silently false."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ConfigurationError, EngineError, ErrorClass
from engine.graph.conditions import MAX_LENGTH, compile_condition

SCOPE: dict[str, Any] = {
    "content": "The answer is 4.",
    "route": "code",
    "routes": ["code", "math"],
    "compound_route": None,
    "scores": {"code": 0.9, "math": 0.4},
    "data": {"n": 3, "flag": True, "inner": {"deep": [1, 2]}, "nothing": None, "pair": (1, 2)},
    "retries": 1,
    "max_retries": 2,
    "checks": {"ok": False},
}


@pytest.mark.parametrize(
    "text",
    [
        "route == 'code'",
        'route != "math"',
        "retries < max_retries",
        "retries <= 1",
        "data.n > 2",
        "data.n >= 3.0",
        "0 < retries < max_retries",
        "'math' in routes",
        "'general' not in routes",
        "'answer' in content",
        "'code' in scores",
        "route in ['code', 'math']",
        "route in ('code',)",
        "not checks.ok",
        "checks.ok or retries == 1",
        "data.flag and not checks.ok",
        "data.flag",
        "true",
        "True and not false",
        "compound_route == null",
        "compound_route == None",
        "route != null",
        "data.nothing == null",
        "len(content) > 3",
        "len(routes) == 2",
        "len(data.inner) == 1",
        "data.inner.deep == [1, 2]",
        "data.pair == [1, 2]",
        "data.pair == (1, 2)",
        "routes != []",
        "data.n > -1",
        "-1.5 < 0",
        "scores.code > scores.math",
        "'a' < 'b'",
        "1 in [null, 1]",
        "null not in []",
        "  route == 'code'\n",
        "checks.ok or true or nowhere.at.all",
        "(data.flag or nowhere) and (retries == 1)",
    ],
)
def test_a_true_condition_is_true_and_its_negation_false(text: str) -> None:
    assert compile_condition(text).evaluate(SCOPE) is True
    assert compile_condition(f"not ({text.strip()})").evaluate(SCOPE) is False


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("nowhere", "there is no `nowhere`"),
        ("data.missing == 1", "there is no `data.missing`"),
        ("data.n.deeper == 1", "field of a number"),
        ("content.length > 1", "field of a text"),
        ("content", "`content` is a text, not true or false"),
        ("retries", "a number"),
        ("routes and true", "a list"),
        ("not compound_route", "null"),
        ("data.n == '3'", "a number is compared with a text"),
        ("data.flag == 1", "true or false is compared with a number"),
        ("checks.ok == 0", "compared"),
        ("retries < '2'", "`<` between a number and a text"),
        ("compound_route > 1", "`>` between null and a number"),
        ("data.flag > false", "`>` between"),
        ("routes < routes", "`<` between"),
        ("1 in content", "`in` between a number and a text"),
        ("'a' in retries", "`in` between"),
        ("1 in routes", "looked for in a list of a text"),
        ("len(retries) > 1", "len() of a number"),
    ],
)
def test_what_cannot_be_decided_is_an_error_and_not_false(text: str, reason: str) -> None:
    with pytest.raises(EngineError) as caught:
        compile_condition(text).evaluate(SCOPE)
    assert caught.value.code == "condition_failed"
    assert caught.value.error_class is ErrorClass.CONFIGURATION
    assert reason in caught.value.message
    assert caught.value.remedy


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "a ==",
        "a = 1",
        "a is b",
        "1 is not 1",
        "a + 1 == 2",
        "2 ** 9 ** 9 ** 9 == 1",
        "~a",
        "+a",
        "-a",
        "-true",
        "a if b else c",
        "[x for x in a]",
        "lambda: 1",
        "(a := 1)",
        "a[0] == 1",
        "{'a': 1} == data",
        "{1}",
        "f'{a}'",
        "b'x' == a",
        "1j == a",
        "... == a",
        "len()",
        "len(a, b) == 1",
        "len(*a) == 1",
        "len(x=a) == 1",
        "open('x')",
        "().__class__.__bases__",
        "'a'.upper() == a",
        "data.keys() == 1",
        "__import__('os').system('ls')",
        "a; b",
        "a) or (b",
        "a\nb",
        "await a",
        "yield",
        "*a",
        "a == '\0'\0",
    ],
)
def test_what_is_not_in_the_language_is_refused_when_it_is_compiled(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        compile_condition(text)
    assert caught.value.code == "condition_invalid"
    assert caught.value.remedy


_TOO_MUCH = [
    "(" * 5000,
    "not " * 200 + "a",
    "[" * 60 + "]" * 60,
    "a" * (MAX_LENGTH + 1),
    "-" * 900 + "1",
    "9" * 900 + " == ",
    "a." * 480 + "a + 1",
]


@pytest.mark.parametrize("text", _TOO_MUCH)
def test_size_and_depth_are_bounded(text: str) -> None:
    with pytest.raises(ConfigurationError):
        compile_condition(text)


def test_the_names_of_a_condition_are_known() -> None:
    names = compile_condition("data.a.b == 1 and len(routes) > vars.x or not true").names
    assert names == {"data.a.b", "routes", "vars.x"}


def test_attributes_of_python_objects_cannot_be_reached() -> None:
    with pytest.raises(EngineError) as caught:
        compile_condition("content.__class__ == 1").evaluate(SCOPE)
    assert caught.value.code == "condition_failed"


def test_values_that_are_nested_too_deeply_are_an_error() -> None:
    deep: list[Any] = []
    for _ in range(sys.getrecursionlimit() * 50):
        deep = [deep]
    other: list[Any] = []
    for _ in range(sys.getrecursionlimit() * 50):
        other = [other]
    with pytest.raises(EngineError, match="nested too deeply"):
        compile_condition("data.a == data.b").evaluate({"data": {"a": deep, "b": other}})


_VOCABULARY = """content route routes data.n scores data.nothing missing retries checks.ok == != < <= > >= in not and or
( ) [ ] , len len( 1 -2 2.5 'a' true null None is if else lambda . ** { } : '"""
_WORDS = st.sampled_from(_VOCABULARY.split())
_TEXTS = st.one_of(st.lists(_WORDS, max_size=14).map(" ".join), st.text(max_size=30))
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["n", "ok", "a"]), inner, max_size=3),
    max_leaves=8,
)


@given(_TEXTS, st.dictionaries(st.sampled_from(["content", "route", "routes", "data", "checks", "retries"]), _VALUES))
def test_any_text_over_any_values_gives_true_false_or_an_engine_error(text: str, scope: dict[str, Any]) -> None:
    try:
        verdict = compile_condition(text).evaluate(scope)
    except EngineError as error:
        assert error.code in ("condition_invalid", "condition_failed")  # noqa: PT017 - either way is fine
    else:
        assert verdict is True or verdict is False


_OPERANDS = st.sampled_from(
    ["content", "route", "routes", "data", "data.n", "checks.ok", "retries", "1", "'a'", "null", "[1, 'a']"]
)
_EXPRESSIONS = st.recursive(
    st.builds(
        "{} {} {}".format, _OPERANDS, st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "in", "not in"]), _OPERANDS
    )
    | st.sampled_from(["true", "false", "checks.ok"]),
    lambda inner: (
        st.builds("({}) {} ({})".format, inner, st.sampled_from(["and", "or"]), inner)
        | st.builds("not ({})".format, inner)
    ),
    max_leaves=6,
)


@given(
    _EXPRESSIONS, st.dictionaries(st.sampled_from(["content", "route", "routes", "data", "checks", "retries"]), _VALUES)
)
def test_a_well_formed_condition_compiles_and_its_negation_is_the_opposite(text: str, scope: dict[str, Any]) -> None:
    condition, negation = compile_condition(text), compile_condition(f"not ({text})")
    try:
        verdict = condition.evaluate(scope)
    except EngineError as error:
        assert error.code == "condition_failed"  # noqa: PT017 - the negation then fails as well
        with pytest.raises(EngineError):
            negation.evaluate(scope)
    else:
        assert negation.evaluate(scope) is not verdict
