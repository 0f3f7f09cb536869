"""Tool calls that a model printed as text."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.nodes.loose_json import NotJson, object_at
from engine.nodes.tool_calls import printed_calls

OFFERED = ("calculator", "text_stats")


def calls(text: str) -> list[tuple[str, dict[str, Any]]]:
    return [(call.name, dict(call.arguments)) for call in printed_calls(text, OFFERED)]


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "calculator", "arguments": {"expression": "1+1"}}',
        '{"name": "calculator", "parameters": {"expression": "1+1"}}',
        '{"tool": "calculator", "args": {"expression": "1+1"}}',
        '{"tool": "calculator", "expression": "1+1"}',
        '{"action": "calculator", "action_input": {"expression": "1+1"}}',
        '{"function": {"name": "calculator", "arguments": "{\\"expression\\": \\"1+1\\"}"}}',
        '{"tool_calls": [{"function": {"name": "calculator", "arguments": {"expression": "1+1"}}}]}',
        '```json\n{"name": "calculator", "arguments": {"expression": "1+1"}}\n```',
        'I will calculate it: {"name": "calculator", "arguments": {"expression": "1+1"}} and then answer.',
        '<tool_call>{"name": "calculator", "arguments": {"expression": "1+1"}}',
        '[TOOL_CALLS][{"name": "calculator", "arguments": {"expression": "1+1"}}]',
        "{'name': 'calculator', 'arguments': {'expression': '1+1',},}",
    ],
)
def test_calls_are_read_in_the_forms_that_models_print(text: str) -> None:
    assert calls(text) == [("calculator", {"expression": "1+1"})]


def test_several_calls_are_all_read() -> None:
    one = '{"name": "calculator", "arguments": {"expression": "1"}}'
    assert len(calls(f"<tool_call>{one}</tool_call>\n<tool_call>{one}</tool_call>")) == 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The answer is {84}.",
        '{"city": "Paris"}',
        '{"name": "Ada", "arguments": "none"}',
        "A calculator takes {expression}.",
        'People called {"name": "calculator"} are rare.',
        'In this API one writes {"name": "weather", "arguments": {}} to ask.',
        '{"name": "calculator", "arguments": {"expression": "1+1"}',
        "{'name': 'calculator', 'arguments': __import__('os').system('true')}",
    ],
)
def test_what_is_no_call_is_none(text: str) -> None:
    assert calls(text) == []


@pytest.mark.parametrize(
    "text", ['<tool_call>{"name": "weather", "arguments": {}}</tool_call>', '{"name": "weather", "arguments": {}}']
)
def test_a_tool_that_was_not_offered_counts_where_only_a_call_can_be_meant(text: str) -> None:
    assert calls(text) == [("weather", {})]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, -2.5, true, null]}', {"a": [1, -2.5, True, None]}),
        ("{'a': True, 'b': None, 'c': 'it\\'s \"so\"'}", {"a": True, "b": None, "c": 'it\'s "so"'}),
        ('{"a": "line\nbreak"}', {"a": "line\nbreak"}),
        ('{"a": "\\d+"}', {"a": "\\d+"}),
        ("{}", {}),
    ],
)
def test_loose_json_is_read(text: str, value: Any) -> None:
    assert object_at(text, 0) == (value, len(text))


@pytest.mark.parametrize(
    "text", ["", "[1]", "{a: 1}", '{"a" 1}', '{"a": 1 "b": 2}', '{"a": ', "{" * 5000, '{"a":' * 50]
)
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(NotJson):
        object_at(text, 0)


@given(st.text(alphabet="{}[]'\":,\\ an1-e", max_size=300))
def test_any_text_is_read_or_refused(text: str) -> None:
    printed_calls(text, OFFERED)


@given(
    st.dictionaries(
        st.text(max_size=5),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=10),
            lambda inner: st.lists(inner),
            max_leaves=5,
        ),
        max_size=4,
    )
)
def test_proper_json_is_read_as_it_is(value: dict[str, Any]) -> None:
    import json

    assert object_at(json.dumps(value), 0)[0] == value
