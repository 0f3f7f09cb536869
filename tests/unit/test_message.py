from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.message import Message, estimate_tokens, replace_surrogates


def test_tokens_are_a_quarter_of_the_bytes_rounded_up() -> None:
    assert [estimate_tokens(text) for text in ("", "a", "abcd", "abcde", "ééé")] == [0, 1, 1, 2, 2]


@given(st.text())
def test_an_estimate_is_made_of_any_text(text: str) -> None:
    assert estimate_tokens(text) >= len(text) // 4


@given(st.text(st.characters()))
def test_text_without_lone_surrogates_can_be_stored(text: str) -> None:
    clean = replace_surrogates(text)
    clean.encode("utf-8")
    assert replace_surrogates(clean) == clean


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_ordinary_text_is_left_as_it_is(text: str) -> None:
    assert replace_surrogates(text) == text


def test_a_split_character_is_joined_and_a_lone_half_is_replaced() -> None:
    assert replace_surrogates("a\ud83d\ude00b") == "a😀b"
    assert replace_surrogates("a\ud83db") == "a\ufffdb"


def test_a_nul_is_replaced_as_the_store_would_cut_the_text_off_there() -> None:
    assert replace_surrogates("a\0b") == "a\ufffdb"


def test_a_message_of_the_person_has_no_path() -> None:
    message = Message(1, "hello")
    assert (message.path, message.visit, dict(message.data)) == ("", 0, {})
