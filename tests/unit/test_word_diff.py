"""Which words of two answers differ."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyllm_tui.word_diff import bracketed, merged, word_diff

TEXT = st.text(st.sampled_from("ab \n-+"), max_size=60)


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ("It is Paris.", "It is Rome.", "It is [-Paris.-]{+Rome.+}"),
        ("It is Paris.", "It is surely Paris.", "It is {+surely+} Paris."),
        ("It is so.", "It is so.", "It is so."),
        ("", "New.", "{+New.+}"),
        ("Gone.", "", "[-Gone.-]"),
        ("one\ntwo\n", "one\n2\n", "one\n[-two-]{+2+}\n"),
    ],
)
def test_what_differs_stands_in_brackets(one: str, other: str, both: str) -> None:
    assert merged(one, other) == both


@given(TEXT, TEXT)
def test_the_sides_of_a_difference_are_the_two_texts(one: str, other: str) -> None:
    diff = word_diff(one, other)
    sides = ["".join(piece.text for piece in diff.side(gone=gone)) for gone in (True, False)]
    assert sides == [one, other]
    assert 0 <= diff.share <= 1


def test_texts_that_share_hardly_a_word_are_not_marked() -> None:
    assert not word_diff("The capital of France is Paris.", "I do not know that at all, sorry.").marked
    assert word_diff("The capital is Paris.", "The capital is Rome.").marked


def test_long_texts_are_compared_by_lines() -> None:
    one = "\n".join(f"line {n} of many" for n in range(1000))
    diff = word_diff(one, one.replace("line 500 of many", "line 500 of all"))
    changed = [text for kind, text in bracketed(diff.pieces) if kind != "same"]
    assert changed == ["[-line 500 of many-]", "{+line 500 of all+}"]
