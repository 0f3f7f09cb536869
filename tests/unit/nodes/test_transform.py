from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import engine
from engine.errors import EngineError
from engine.nodes.json_values import MAX_DEPTH, plain_json
from engine.nodes.paths import dotted
from tests.graphs import chain, make_graph, node
from tests.running import ask, run_in


async def transformed(question: str, inputs: dict[str, Any] | None = None, **config: Any) -> str:
    ran = await ask(chain(node("t", "transform", **config)), question, inputs=inputs)
    return ran.result.text if ran.result.error is None else f"error {ran.result.error.code}"


@pytest.mark.parametrize(
    ("operation", "text", "expected"),
    [
        ("upper", "Straße", "STRASSE"),
        ("lower", "ABC", "abc"),
        ("strip", " \n a b \t", "a b"),
        ("json_parse", '{"a": 1}', '{"a": 1}'),
        ("json_parse", "{", "error not_json"),
        ("json_parse", '"x"', '"x"'),
    ],
)
async def test_an_operation_does_what_its_name_says(operation: str, text: str, expected: str) -> None:
    assert await transformed(text, operation=operation) == expected


async def test_truncate_keeps_so_many_characters() -> None:
    assert await transformed("äbcdef", operation="truncate", length=2) == "äb"
    assert await transformed("äbcdef", operation="truncate", length=99) == "äbcdef"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a.b", "deep"),
        ("list.1", "second"),
        ("n", "1.5"),
        ("a", '{"b": "deep"}'),
        ("missing", "error nothing_at_path"),
        ("list.7", "error nothing_at_path"),
        ("list.x", "error nothing_at_path"),
        ("n.x", "error nothing_at_path"),
    ],
)
async def test_json_extract_takes_the_value_at_a_dotted_path(path: str, expected: str) -> None:
    text = '{"a": {"b": "deep"}, "list": ["first", "second"], "n": 1.5}'
    assert await transformed(text, operation="json_extract", path=path) == expected


async def test_json_parse_makes_the_value_known_to_conditions_and_templates() -> None:
    graph = make_graph(
        [
            node("start", "entry"),
            node("parse", "transform", operation="json_parse"),
            node("fill", "transform", operation="template", template="{{ data.json.name }} is {{ data.json.age }}"),
            node("end", "exit"),
        ],
        [("start", "parse"), ("parse", "fill", "data.json.age > 30"), ("fill", "end")],
    )
    assert (await ask(graph, '{"name": "Ada", "age": 36}')).result.text == "Ada is 36"


NASTY = [
    '{"a": "\\ud800", "\\udfff": ["\\ud83d\\ude00", "\\u0000"]}',
    "[" * 99 + "1" + "]" * 99,
    "123456789012345678901234567890",
    '"\\ud800"',
    "1e400",
]


@pytest.mark.parametrize("text", NASTY)
async def test_any_json_of_a_model_can_be_stored_and_comes_back_as_it_was(tmp_path: Path, text: str) -> None:
    graph = chain(node("t", "transform", operation="json_parse"))
    async with engine.open(tmp_path) as eng:
        ran = await run_in(eng, graph, text)
        assert await eng.events(ran.result.transaction) == ran.events
        assert await eng.view(ran.result.transaction) == ran.view
        assert ran.result.error is None or ran.result.error.code == "not_json"


@pytest.mark.parametrize("text", ["NaN", "-Infinity", "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "[" * 100_000, ""])
async def test_what_is_no_json_or_too_deep_is_refused(text: str) -> None:
    assert await transformed(text, operation="json_parse") == "error not_json"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(st.characters()),
        lambda s: st.lists(s) | st.dictionaries(st.text(st.characters()), s),
    )
)
def test_plain_json_can_be_encoded_and_changes_nothing_else(value: Any) -> None:
    plain = plain_json(value)
    assert json.loads(json.dumps(plain, ensure_ascii=False).encode()) == plain
    assert plain_json(plain) == plain


def test_an_empty_path_is_the_whole_value() -> None:
    assert dotted([1], "") == [1]
    with pytest.raises(EngineError):
        dotted({"a": math.nan}, "a.b")
