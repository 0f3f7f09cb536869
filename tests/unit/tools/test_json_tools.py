"""The JSON tools, on ordinary and on hostile values."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import EngineError, ErrorClass
from engine.tools.call import call_tool
from engine.tools.clean import clean
from engine.tools.json_tools import parse_json, query_json
from engine.tools.protocol import ToolContext
from tests.unit.tools.doubles import TOOLS


async def used(tool: str, **arguments: Any) -> dict[str, Any]:
    return dict((await call_tool(TOOLS.get(tool), arguments, ToolContext())).output)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, 2.5, null]}', {"a": [1, 2.5, None]}),
        ("[]", []),
        ('"text"', "text"),
        ('Here you are:\n```json\n{"a": 1}\n```\nBye', {"a": 1}),
        ('The answer is {"a": 1} I think', {"a": 1}),
        ('[see above] {"a": 1}', {"a": 1}),
        ('{"a": 1} and so on', {"a": 1}),
        ('"\\ud800"', "\ufffd"),
    ],
)
async def test_json_is_read_also_from_what_models_write_around_it(text: str, value: Any) -> None:
    assert (await used("json_parse", text=text))["value"] == value


@pytest.mark.parametrize(
    "text",
    [
        "nothing here",
        "{",
        '{"a": }',
        "NaN",
        "[Infinity]",
        "[" * 100_000,
        '{"a":' * 50_000,
        "1" * 5000,
        "'a'",
        "{'a': 1}",
    ],
)
async def test_what_is_not_json_is_an_error_with_a_place(text: str) -> None:
    with pytest.raises(EngineError) as caught:
        await used("json_parse", text=text)
    assert (caught.value.error_class, caught.value.code) == (ErrorClass.INVALID_REQUEST, "not_json")
    assert len(str(caught.value)) < 300


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.text(max_size=3), parts, max_size=3),
    max_leaves=8,
)


@given(_values, st.sampled_from(["", "Answer: ", "```json\n"]))
def test_generated_json_is_read_back(value: Any, before: str) -> None:
    text = json.dumps(value)
    if isinstance(value, dict | list):
        text = before + text + ("\n```" if before.startswith("`") else "")
    assert parse_json(text) == clean(value)


VALUE = {"items": [{"name": "a", "n": 1}, {"name": "b"}], "a.b": {"c": 3}, "x": {"0": "zero"}}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("", VALUE),
        ("items.0.name", "a"),
        ("items[1].name", "b"),
        ("items[-1].name", "b"),
        ("$.items[0].n", 1),
        ("items.*.name", ["a", "b"]),
        ("items[*].n", [1]),
        ("items.*.none", []),
        ('["a.b"].c', 3),
        ("x.0", "zero"),
        ("x[0]", "zero"),
        ("x.*", ["zero"]),
    ],
)
async def test_a_part_is_found_by_its_path(path: str, found: Any) -> None:
    assert (await used("json_query", value=VALUE, path=path))["value"] == found
    assert (await used("json_query", value=json.dumps(VALUE), path=path))["value"] == found


@pytest.mark.parametrize(
    ("path", "code", "remedy"),
    [
        ("item", "nothing_at_path", "Did you mean `items`?"),
        ("items.7", "nothing_at_path", "2 elements"),
        ("items.name", "nothing_at_path", "2 elements"),
        ("items.0.name.x", "nothing_at_path", "only a str"),
        ("items[", "bad_path", "dots"),
        ("items..name", "bad_path", "dots"),
        ('["a', "bad_path", "dots"),
        ("]", "bad_path", "dots"),
        ('["\\x"]', "bad_path", "JSON strings"),
    ],
)
async def test_a_path_that_leads_nowhere_says_where_it_ends(path: str, code: str, remedy: str) -> None:
    with pytest.raises(EngineError) as caught:
        await used("json_query", value=VALUE, path=path)
    assert (caught.value.error_class, caught.value.code) == (ErrorClass.INVALID_REQUEST, code)
    assert remedy in caught.value.remedy


@given(_values, st.text(st.sampled_from('ab.[]*0-1"$\\'), max_size=15))
def test_any_path_finds_something_or_is_refused(value: Any, path: str) -> None:
    try:
        query_json(value, path)
    except EngineError as error:
        assert error.code in {"bad_path", "nothing_at_path"}  # noqa: PT017 - the other outcome


async def test_json_is_written_indented_or_on_one_line() -> None:
    assert (await used("json_format", value='{"b":1,"a":"é"}', sort_keys=True))["text"] == '{\n  "a": "é",\n  "b": 1\n}'
    assert (await used("json_format", value={"b": [1, 2]}, indent=0))["text"] == '{"b": [1, 2]}'


async def test_objects_are_merged_deep_or_flat() -> None:
    values = [{"a": {"x": 1, "y": 1}, "l": [1]}, '{"a": {"y": 2}, "l": [2]}']
    assert (await used("json_merge", values=values))["value"] == {"a": {"x": 1, "y": 2}, "l": [2]}
    assert (await used("json_merge", values=values, deep=False))["value"] == {"a": {"y": 2}, "l": [2]}


async def test_only_objects_are_merged() -> None:
    with pytest.raises(EngineError) as caught:
        await used("json_merge", values=[{"a": 1}, [2]])
    assert (caught.value.code, "Value 2" in caught.value.message) == ("not_an_object", True)
