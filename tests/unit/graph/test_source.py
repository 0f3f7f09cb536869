"""Reading YAML: hostile texts are refused early, and only unmistakable values are typed."""

from __future__ import annotations

import time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from engine.graph.problems import GraphError
from engine.graph.source import MAX_ALIASES, MAX_BYTES, MAX_DEPTH, MAX_NODES, Place, read_yaml


def value_of(text: str) -> object:
    document = read_yaml(f"x: {text}\n", "f.yaml")
    assert document.problems == []
    return document.data["x"]


_OLD = "no yes on off True NULL 010 0x1f 1_000 12:30:45 +5 .5 5. 2024-01-01 .inf .nan 0b11 << = ~x 1e999"


@pytest.mark.parametrize("text", [*_OLD.split(), "9" * 40])
def test_what_only_old_yaml_takes_for_a_value_stays_text(text: str) -> None:
    assert value_of(text) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("0", 0),
        ("-12", -12),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("-0.25", -0.25),
        ('"5"', "5"),
        ("'true'", "true"),
        ("!!str 5", "5"),
    ],
)
def test_plain_values_are_typed(text: str, value: object) -> None:
    found = value_of(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("opening", ["[", "{", "- ", "? ", "[[", "{a: ", "- - "])
@pytest.mark.parametrize("count", [3000, 100_000])
def test_deep_nesting_is_refused_before_it_costs_anything(opening: str, count: int) -> None:
    started = time.process_time()
    with pytest.raises(GraphError, match=f"more than {MAX_DEPTH} levels"):
        read_yaml(opening * count, "f.yaml")
    assert time.process_time() - started < 5  # plain PyYAML needs minutes for the longest of these


def test_brackets_beyond_the_limit_are_not_even_scanned(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[int] = []
    original = yaml.SafeLoader.fetch_flow_collection_start

    def counting(loader: yaml.SafeLoader, token_class: type) -> None:
        opened.append(1)
        original(loader, token_class)

    monkeypatch.setattr(yaml.scanner.Scanner, "fetch_flow_collection_start", counting)
    with pytest.raises(GraphError):
        read_yaml("[" * 3000, "f.yaml")
    assert len(opened) == MAX_DEPTH


def test_nesting_up_to_the_limit_is_accepted() -> None:
    depth = MAX_DEPTH
    assert read_yaml("[" * depth + "]" * depth, "f.yaml").data is not None


def test_a_text_of_more_than_a_megabyte_is_refused() -> None:
    with pytest.raises(GraphError, match="larger than 1 MB"):
        read_yaml("a" * (MAX_BYTES + 1), "f.yaml")


def test_too_many_values_are_refused() -> None:
    with pytest.raises(GraphError, match="more than 10,000 values"):
        read_yaml("[" + "a," * MAX_NODES + "]", "f.yaml")


def test_an_alias_counts_as_much_as_what_it_stands_for() -> None:
    bomb = (
        "a0: &a0 ["
        + "x," * 50
        + "]\n"
        + "".join(f"a{n}: &a{n} [{f'*a{n - 1},' * 4}]\n" for n in range(1, MAX_ALIASES // 4 + 1))
    )
    with pytest.raises(GraphError, match="more than 10,000 values"):
        read_yaml(bomb, "f.yaml")


def test_nesting_by_aliases_counts_as_nesting() -> None:
    deep = "[" * 40
    text = f"a: &a {deep}{']' * 40}\nb: &b {deep}*a{']' * 40}\n"
    with pytest.raises(GraphError, match=f"more than {MAX_DEPTH} levels"):
        read_yaml(text, "f.yaml")


def test_a_few_aliases_are_fine_and_many_are_not() -> None:
    assert read_yaml("a: &a [1]\nb: [*a, *a]\n", "f.yaml").data == {"a": [1], "b": [[1], [1]]}
    with pytest.raises(GraphError, match="aliases"):
        read_yaml("a: &a 1\nb: [" + "*a," * (MAX_ALIASES + 1) + "]\n", "f.yaml")


@pytest.mark.parametrize("text", ["&a [*a]", "a: &a {b: *a}", "&a {*a : 1}"])
def test_a_value_that_contains_itself_is_refused(text: str) -> None:
    with pytest.raises(GraphError, match="contains itself"):
        read_yaml(text, "f.yaml")


@pytest.mark.parametrize(
    "tag", ["!!python/object/apply:os.system", "!!python/name:os.system", "!include", "!!set", "!!binary"]
)
def test_tags_have_no_power(tag: str) -> None:
    document = read_yaml(f"x: {tag} [ls]\n", "f.yaml")
    assert document.data["x"] is None
    assert "has no meaning here" in document.problems[0].message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\na: 2\n", "twice; the first is on line 1"),
        ("a: {b: 1, b: 2}\n", "twice"),
        ("[a]: 1\n", "A key must be a text"),
        ("x: !!int five\n", "not of type int"),
    ],
)
def test_mistakes_in_keys_and_tags_are_listed(text: str, words: str) -> None:
    assert [words in problem.message for problem in read_yaml(text, "f.yaml").problems] == [True]


_NO_YAML = [
    '"\\U99999999"',
    '"\\x"',
    "%YAML 9999999999999999999.1\n---\na",
    "%TAG ! tag:x\n",
    "a: \x00",
    "*nobody",
    "a: b: c",
    "--- a\n--- b",
    "a: |1000000\n",
    "'",
    "a: @b",
    "}",
]


@pytest.mark.parametrize("text", _NO_YAML)
def test_what_is_no_yaml_is_said_to_be_none(text: str) -> None:
    with pytest.raises(GraphError) as caught:
        read_yaml(text, "f.yaml")
    assert "f.yaml" in caught.value.message
    assert caught.value.remedy


def test_lone_surrogates_are_replaced() -> None:
    assert read_yaml('"a\\ud800b": "c\\udfff"\n', "f.yaml").data == {"a\ufffdb": "c\ufffd"}


def test_every_value_has_a_place() -> None:
    document = read_yaml("a:\n  b: [1,\n    2]\n", "f.yaml")
    assert document.place_of(("a", "b")) == Place(2, 3)
    assert document.place_of(("a", "b", 1)) == Place(3, 5)
    assert document.place_of(("a", "missing", 7)) == Place(1, 1)


_YAMLISH = st.text(alphabet=st.sampled_from(list("ab01 \n\t-:?[]{},&*!|>'\"%@#.\\~<=\ud800é")), max_size=80)


@given(st.one_of(_YAMLISH, st.text(max_size=80)))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        document = read_yaml(text, "f.yaml")
    except GraphError as error:
        assert error.problems  # noqa: PT017 - either way is fine; anything else fails the test
    else:
        assert isinstance(document.problems, list)
