"""Which JSON Schemas may be used, and that a hostile one ends."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from engine.errors import EngineError, ErrorClass
from engine.graph import json_schema
from engine.graph.json_schema import MAX_CHARACTERS, MAX_DEPTH, check_schema, flaw_of, violation

EVIL = "(a+)+$"
"""Exponential in Python's `re`, and in anything else that goes back."""
TREE = {
    "$ref": "#/$defs/tree",
    "$defs": {"tree": {"type": "object", "properties": {"of": {"type": "array", "items": {"$ref": "#/$defs/tree"}}}}},
}


def deep(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "integer"}
    for _ in range(levels):
        schema = {"items": schema}
    return schema


def doubling(levels: int) -> dict[str, Any]:
    """Each definition is the next one twice: 2 ** levels checks."""
    defs: dict[str, Any] = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(levels)}
    return {"$ref": "#/$defs/d0", "$defs": {**defs, f"d{levels}": {}}}


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"$ref": "http://127.0.0.1:1/schema"}, "elsewhere"),
        ({"items": {"$dynamicRef": "other.json#x"}}, "elsewhere"),
        ({"$ref": "#/$defs/missing"}, "which it does not have"),
        ({"$ref": "#"}, "without end"),
        ({"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}]}}}, "without end"),
        (doubling(40), "takes too long"),
        (deep(MAX_DEPTH + 1), "levels deep"),
        (deep(5000), "is no JSON"),
        ({"enum": ["x" * MAX_CHARACTERS]}, "longer than"),
        ({"type": "objekt"}, "no valid JSON Schema"),
        ({"pattern": "((a{999}){999}){999}"}, "repeats something too often"),
        ({"patternProperties": {"(?R)": {}}}, "recursion"),
        ({"properties": {"a": {"minLength": 5, "maxLength": 3}}}, "fulfilled by nothing"),
        ({"minimum": 1.5, "maximum": 1}, "fulfilled by nothing"),
        ({"patternProperties": {"a": {}}, "unevaluatedProperties": False}, "do not go together"),
    ],
)
def test_a_schema_that_cannot_be_followed_safely_is_refused(schema: dict[str, Any], words: str) -> None:
    flaw = flaw_of(schema)
    assert flaw is not None
    assert words in flaw.problem
    assert flaw.remedy


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        (TREE, {"of": [{"of": []}]}, {"of": [{"of": [1]}]}),
        ({"pattern": "^[a-z]+$"}, "abc", "abc\n1"),
        ({"pattern": "b"}, "abc", "xyz"),
        ({"patternProperties": {"^n_": {"type": "integer"}}}, {"n_a": 1, "b": "x"}, {"n_a": "x"}),
        (
            {"properties": {"a": {}}, "patternProperties": {"^n_": {}}, "additionalProperties": False},
            {"a": 1, "n_x": 2},
            {"b": 1},
        ),
        ({"additionalProperties": {"type": "integer"}}, {"a": 1}, {"a": "x"}),
        ({"uniqueItems": True}, [1, True, "1", [1], {"a": 1}], [{"a": 1, "b": 2}, {"b": 2.0, "a": 1.0}]),
        ({"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "integer"}]}, [1], ["x"]),
        ({"properties": {"pattern": {"type": "integer"}}}, {"pattern": 1}, {"pattern": "x"}),
    ],
)
def test_a_schema_is_enforced_as_the_standard_says(schema: dict[str, Any], good: Any, bad: Any) -> None:
    assert flaw_of(schema) is None
    assert violation(good, schema) is None
    assert violation(bad, schema) is not None


@pytest.mark.parametrize(
    "schema",
    [
        {"pattern": EVIL},
        {"items": {"pattern": EVIL}},
        {"patternProperties": {EVIL: {}}},
        {"patternProperties": {EVIL: {}}, "additionalProperties": False},
        {"$ref": "#/$defs/x", "$defs": {"x": {"$schema": "http://json-schema.org/draft-07/schema#", "pattern": EVIL}}},
        {"$schema": "http://json-schema.org/draft-07/schema#", "anyOf": [{"$ref": "#"}, {"pattern": EVIL}]},
    ],
)
def test_no_pattern_is_searched_without_a_limit(schema: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[str] = []
    monkeypatch.setattr(json_schema, "_found", lambda pattern, _text: bool(searched.append(pattern)))
    monkeypatch.setattr("re.search", lambda *_: pytest.fail("searched by `re`"))
    for value in ("a" * 40 + "!", {"a" * 40 + "!": 1}, ["a" * 40 + "!"]):
        with suppress(EngineError):  # one of them has no end
            violation(value, schema)
    assert set(searched) <= {EVIL}


def test_an_evil_pattern_ends_and_is_the_schemas_fault() -> None:
    with pytest.raises(EngineError) as caught:
        violation("a" * 5000 + "!", {"pattern": "(a|aa)+$"})
    assert (caught.value.error_class, caught.value.code) == (ErrorClass.CONFIGURATION, "schema_too_complex")


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (doubling(40), {}),
        ({"items": {"anyOf": [{"type": "string"}, {"type": "integer"}]}}, list(range(60_000))),
        ({"$ref": "#"}, {}),
        ({"multipleOf": 0.5}, 10**400),
    ],
)
def test_a_check_without_end_is_given_up(schema: dict[str, Any], value: Any) -> None:
    with pytest.raises(EngineError) as caught:
        violation(value, schema)
    assert caught.value.error_class is ErrorClass.CONFIGURATION


def test_many_different_items_are_compared_in_linear_time() -> None:
    assert violation([{"n": n} for n in range(20_000)], {"uniqueItems": True}) is None


def test_the_place_and_the_problem_are_told_and_bounded() -> None:
    schema = {"properties": {"a": {"items": {"type": "integer"}}}}
    with pytest.raises(EngineError, match=r"^The answer does not fulfil its schema at a\.1: ") as caught:
        check_schema({"a": [1, "x" * 9000]}, schema, "The answer", ErrorClass.INVALID_OUTPUT)
    assert len(caught.value.message) < 400
