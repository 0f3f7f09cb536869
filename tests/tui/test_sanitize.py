"""What passes the terminal's trust boundary."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tinyllm_tui.sanitize import one_line, sanitize

FORBIDDEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def test_harmless_text_is_returned_as_it_is() -> None:
    text = "Größe: 5 µm\nnächste Zeile 漢字 👍"
    assert sanitize(text) is text


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bPq#0\x1b\\sixel", "sixel"),
        ("\x9b2Jgone", "gone"),
        ("\x9d52;c;AAAA\x9cclip", "clip"),
        ("a\x1b]0;never ended", "a0;never ended"),
        ("\x1b(0lqk", "lqk"),
        ("a\x00b\x07c\x7fd", "abcd"),
        ("abc\u202edef\u2066", "abcdef"),
        ("a\r\nb\rc\u2028d", "a\nb\nc\nd"),
        ("a\tb", "a   b"),
        ("x\ud800y", "x\ufffdy"),
        ("a\u200d b\u200d", "a b"),
        ("\u200d👩\u200d\u200d👧 👩\u200d👧", "👩👧 👩\u200d👧"),
        ("[/nope] [b]bold[/b]", "[/nope] [b]bold[/b]"),
    ],
)
def test_what_a_terminal_would_obey_is_removed(hostile: str, shown: str) -> None:
    assert sanitize(hostile) == shown


@given(st.text(st.characters(codec=None)))
def test_nothing_dangerous_passes_and_a_second_pass_changes_nothing(text: str) -> None:
    once = sanitize(text)
    assert FORBIDDEN.search(once) is None
    assert sanitize(once) == once


@given(st.text(st.sampled_from("ab ]漢👩👧❤\u200d\ufe0f\u0301\x00\x1b")))
def test_what_stands_behind_a_text_has_its_own_place(text: str) -> None:
    shown = sanitize(text)
    assert cell_len(shown + "x") == cell_len(shown) + 1


@pytest.mark.parametrize("unit", ["\x9d", "\x1b]", "\x1b[0;", "\x1bP", "\x9b", "\x90a"])
@pytest.mark.timeout(20)
def test_a_megabyte_of_unfinished_sequences_takes_linear_time(unit: str) -> None:
    sanitize(unit * (1_000_000 // len(unit)))


def test_one_line_joins_lines_and_cuts() -> None:
    assert one_line("a\n\x1b[1mb  c") == "a b c"
    assert one_line("x" * 50, 10) == "x" * 9 + "…"
