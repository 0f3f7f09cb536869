"""Transforms between texts, JSON and lists, and by regular expressions."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.graphs import chain, node
from tests.running import Ran, ask


async def run(*configs: dict[str, Any], question: str = "hi", inputs: dict[str, Any] | None = None) -> Ran:
    """Transforms in a row."""
    return await ask(
        chain(*(node(f"t{index}", "transform", **config) for index, config in enumerate(configs))),
        question,
        inputs=inputs,
    )


async def transformed(question: str, inputs: dict[str, Any] | None = None, **config: Any) -> str:
    ran = await run(config, question=question, inputs=inputs)
    return ran.result.text if ran.result.error is None else f"error {ran.result.error.code}"


async def items(question: str, **config: Any) -> list[str]:
    ran = await run(config, question=question)
    assert ran.result.text == question or config["operation"] != "split"
    found: list[str] = ran.result.data["items"]
    return found


# -- JSON --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("key", "expected"), [("text", '{"text": "a \\"b\\""}'), ("x y", '{"x y": "a \\"b\\""}')])
async def test_json_wrap_puts_the_text_under_the_key(key: str, expected: str) -> None:
    ran = await run({"operation": "json_wrap", "key": key}, question='a "b"')
    assert ran.result.text == expected
    assert ran.result.data["json"] == {key: 'a "b"'}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, '{"a": [1]}'),
        ({"path": "json.a"}, "[1]"),
        ({"path": "other"}, '"text"'),
        ({"path": "none.there"}, "error nothing_at_path"),
        ({"indent": 1}, '{\n "a": [\n  1\n ]\n}'),
        ({"indent": 2}, '{\n  "a": [\n    1\n  ]\n}'),
    ],
)
async def test_json_stringify_writes_a_part_of_the_payload(config: dict[str, Any], expected: str) -> None:
    text = await transformed("hi", {"json": {"a": [1]}, "other": "text"}, operation="json_stringify", **config)
    assert text == expected


@pytest.mark.parametrize("question", ['{"b": 1}', "no JSON"])
@pytest.mark.parametrize("default", ["", "none"])
async def test_a_default_stands_for_what_json_extract_does_not_find(question: str, default: str) -> None:
    assert await transformed(question, operation="json_extract", path="a", default=default) == default
    assert (await transformed(question, operation="json_extract", path="a")).startswith("error")


# -- lists -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, ["one,two", "three,"]),
        ({"separator": ","}, ["one", "two\n\nthree"]),
        ({"separator": "e"}, ["on", ",two\n\nthr", ","]),
        ({"separator": ",", "length": 4}, ["one", "two\n", "\nthr", "ee"]),
        ({"separator": ",", "length": 100}, ["one,two\n\nthree"]),
        ({"separator": ",", "length": 10}, ["one", "two\n\nthree"]),
    ],
)
async def test_split_makes_pieces_and_keeps_the_text(config: dict[str, Any], expected: list[str]) -> None:
    assert await items("one,two\n\nthree,", operation="split", **config) == expected


async def test_pieces_are_at_most_as_long_as_said_and_lose_nothing() -> None:
    text = " ".join("x" * (index % 13) + str(index) for index in range(200))
    for length in (1, 5, 17, 1000):
        pieces = await items(text, operation="split", separator=" ", length=length)
        assert max(map(len, pieces)) <= length
        assert "".join(pieces).replace(" ", "") == text.replace(" ", "")


async def test_a_text_of_very_many_pieces_is_refused() -> None:
    assert await transformed("a," * 10_001, operation="split", separator=",") == "error too_many_pieces"
    assert len(await items("a," * 10_000, operation="split", separator=",")) == 10_000


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, 'a\n\nb\n\n{"c": 1}'),
        ({"separator": ""}, 'ab{"c": 1}'),
        ({"separator": ", "}, 'a, b, {"c": 1}'),
        ({"path": "deep.list"}, "1\n\n2"),
        ({"path": "word"}, "error not_a_list"),
        ({"path": "nowhere"}, "error nothing_at_path"),
    ],
)
async def test_join_puts_the_elements_of_a_list_together(config: dict[str, Any], expected: str) -> None:
    inputs = {"items": ["a", "b", {"c": 1}], "deep": {"list": [1, 2]}, "word": "text"}
    assert await transformed("hi", inputs, operation="join", **config) == expected


async def test_a_joined_text_cannot_fill_the_memory() -> None:
    inputs = {"items": ["x"] * 1000}
    assert await transformed("hi", inputs, operation="join", separator="-" * 1000) == "error joined_too_long"


async def test_what_is_split_can_be_joined() -> None:
    ran = await run(
        {"operation": "split", "separator": ","}, {"operation": "join", "separator": ";"}, question="a,b,,c"
    )
    assert ran.result.text == "a;b;c"


# -- patterns ----------------------------------------------------------------------------------------------------------

SUM = "What is 12 + 30? And 5 + 6?"


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"pattern": r"\d+ \+ \d+"}, "12 + 30"),
        ({"pattern": r"(\d+) \+ (\d+)"}, "12"),
        ({"pattern": r"(\d+) \+ (\d+)", "group": 0}, "12 + 30"),
        ({"pattern": r"(\d+) \+ (\d+)", "group": 2}, "30"),
        ({"pattern": r"(?P<left>\d+) \+ (?P<right>\d+)", "group": "right"}, "30"),
        ({"pattern": r"(\d+) - (\d+)"}, "error nothing_found"),
        ({"pattern": r"(\d+) - (\d+)", "default": "none"}, "none"),
        ({"pattern": "what"}, "error nothing_found"),
        ({"pattern": "what", "ignore_case": True}, "What"),
        ({"pattern": "(x)?What"}, ""),
    ],
)
async def test_regex_extract_takes_what_the_pattern_finds_first(config: dict[str, Any], expected: str) -> None:
    assert await transformed(SUM, operation="regex_extract", **config) == expected


async def test_regex_extract_keeps_all_that_was_found_and_the_named_groups_of_the_first() -> None:
    pattern = r"(?P<left>\d+) \+ (?P<right>\d+)"
    ran = await run({"operation": "regex_extract", "pattern": pattern, "group": 0}, question=SUM)
    assert ran.result.data["items"] == ["12 + 30", "5 + 6"]
    assert ran.result.data["groups"] == {"left": "12", "right": "30"}
    assert len(await items("a" * 5000, operation="regex_extract", pattern="a")) == 1000


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"pattern": r"\d+"}, "What is  + ? And  + ?"),
        ({"pattern": r"\d+", "replacement": "n"}, "What is n + n? And n + n?"),
        ({"pattern": r"(\d+) \+ (?P<r>\d+)", "replacement": r"\g<r> + \1"}, "What is 30 + 12? And 6 + 5?"),
        ({"pattern": "w", "replacement": "V"}, SUM),
        ({"pattern": "w", "replacement": "V", "ignore_case": True}, "Vhat is 12 + 30? And 5 + 6?"),
        ({"pattern": r"\d+", "replacement": r"\7"}, "error bad_replacement"),
        ({"pattern": "^|$", "replacement": "|"}, f"|{SUM}|"),
    ],
)
async def test_regex_replace_replaces_all_that_the_pattern_finds(config: dict[str, Any], expected: str) -> None:
    assert await transformed(SUM, operation="regex_replace", **config) == expected


@pytest.mark.parametrize("replacement", ["-" * 1000, "\\1" * 100])
async def test_a_replacement_cannot_fill_the_memory(replacement: str) -> None:
    text = "ab" * 6000
    config = {"operation": "regex_replace", "pattern": "(a+b)", "replacement": replacement}
    assert await transformed(text, **config) == "error text_too_long"


HOSTILE = [
    (r"(a|aa)+$", "a" * 60 + "!"),
    (r"(?:.*?,){11}P", ",".join(map(str, range(25))) * 20),
    (r"(?:(a)|(b))+(?:(a)|(b))+(?:(a)|(b))+[xy]$", "ab" * 50_000 + "z"),
]


@pytest.mark.parametrize(
    ("operation", "pattern", "text"),
    [("regex_extract", *HOSTILE[0]), ("regex_replace", *HOSTILE[1]), ("regex_extract", *HOSTILE[2])],
)
async def test_a_hostile_pattern_stops_while_the_loop_runs(operation: str, pattern: str, text: str) -> None:
    longest = 0.0

    async def tick() -> None:
        nonlocal longest
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(0.005)
            longest = max(longest, loop.time() - before)

    ticking = asyncio.create_task(tick())
    found = await transformed(text, operation=operation, pattern=pattern, timeout_ms=20_000)
    ticking.cancel()
    assert found == "error pattern_timeout"
    assert longest < 1, "generous: on the loop it would be as long as the search"


async def test_a_hostile_pattern_stops_at_the_deadline_of_its_node() -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    pattern, text = HOSTILE[0]
    found = await transformed(text, operation="regex_extract", pattern=pattern, timeout_ms=100)
    assert found in {"error node_deadline", "error pattern_timeout"}
    assert loop.time() - began < 3
