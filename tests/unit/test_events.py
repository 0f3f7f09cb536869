from __future__ import annotations

import dataclasses
import json
import types
import typing
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import events as ev
from engine.errors import ErrorClass

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
"""Any text but lone surrogates, which are replaced where text enters the engine."""
INTEGERS = st.integers(-(2**63), 2**63 - 1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | INTEGERS | FLOATS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


def values_of(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a type as it stands in an event body."""
    simple = {str: TEXT, int: INTEGERS, float: FLOATS, bool: st.booleans(), Any: JSON, type(None): st.none()}
    if hint in simple:
        return simple[hint]
    if hint is ErrorClass:
        return st.sampled_from(ErrorClass)
    if dataclasses.is_dataclass(hint):
        hints = typing.get_type_hints(hint)
        fields = {field.name: values_of(hints[field.name]) for field in dataclasses.fields(hint)}
        return st.builds(typing.cast("type[Any]", hint), **fields)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in (types.UnionType, typing.Union):
        return st.one_of(*(values_of(each) for each in arguments))
    if origin is dict:
        return st.dictionaries(TEXT, values_of(arguments[1]), max_size=3)
    if origin is tuple and arguments[-1] is Ellipsis:
        return st.lists(values_of(arguments[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*(values_of(each) for each in arguments))
    raise NotImplementedError(hint)


@pytest.mark.parametrize("kind", sorted(ev.BODIES))
def test_every_body_comes_back_from_its_json_as_it_was(kind: str) -> None:
    cls = ev.BODIES[kind]

    @settings(max_examples=50)
    @given(values_of(cls))
    def round_trip(body: ev.Body) -> None:
        text = ev.encode(body)
        assert ev.decode(kind, cls.V, text) == body
        assert ev.encode(ev.decode(kind, cls.V, text)) == text

    round_trip()


def test_every_body_is_known_to_the_codec() -> None:
    bodies = {
        cls for cls in vars(ev).values() if isinstance(cls, type) and issubclass(cls, ev.Body) and cls is not ev.Body
    }
    assert bodies == set(ev.BODIES.values())


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="newer version"):
        ev.decode("teleported", 1, "{}")


def test_a_newer_version_of_a_body_is_refused() -> None:
    text = ev.encode(ev.Unpaused(3))
    with pytest.raises(ValueError, match="version 2"):
        ev.decode("unpaused", ev.Unpaused.V + 1, text)


@pytest.mark.parametrize("text", ["", "[]", "null", '{"waited_ms": "soon"}', "{"])
def test_text_that_does_not_fit_the_kind_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the words are pydantic's
        ev.decode("unpaused", 1, text)


def test_a_body_of_an_older_program_is_read_with_the_defaults_of_newer_fields() -> None:
    body = ev.NodeStarted("n", 1, 2)
    stored = json.loads(ev.encode(body))
    del stored["attempt"], stored["source"]
    assert ev.decode("node_started", 1, json.dumps(stored)) == body


@given(TEXT.filter(bool), st.data())
def test_the_checksum_finds_a_changed_character(text: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(TEXT.filter(lambda t: len(t) == 1 and t != text[place]))
    damaged = text[:place] + other + text[place + 1 :]
    assert ev.checksum(1, "tx", 1, "begin", text) != ev.checksum(1, "tx", 1, "begin", damaged)


def test_the_checksum_covers_number_transaction_sequence_and_kind() -> None:
    sums = {
        ev.checksum(*row)
        for row in [(1, "t", 1, "k", "{}"), (2, "t", 1, "k", "{}"), (1, "u", 1, "k", "{}"), (1, "t", 2, "k", "{}")]
    }
    assert len(sums) == 4
    assert ev.checksum(1, "t", 1, "j", "{}") not in sums


def test_what_others_must_not_see_before_it_is_on_disk_is_a_barrier() -> None:
    barriers = {kind for kind, cls in ev.BODIES.items() if cls.SYNC is ev.Sync.BARRIER}
    assert barriers == {"begin", "committed", "rolled_back"}


def test_the_envelope_says_the_kind_of_its_body() -> None:
    assert ev.Event(1, None, 0, 0, 0, ev.Paused("full")).kind == "paused"
