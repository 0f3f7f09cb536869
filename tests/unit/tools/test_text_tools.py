"""The text tools, on ordinary and on hostile texts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import EngineError
from engine.tools.call import InvalidArguments, call_tool
from engine.tools.patterns import MAX_PATTERN, compile_pattern
from engine.tools.protocol import ToolContext
from tests.unit.tools.doubles import TOOLS


async def used(tool: str, **arguments: Any) -> dict[str, Any]:
    return dict((await call_tool(TOOLS.get(tool), arguments, ToolContext())).output)


async def test_the_parts_of_a_text_are_counted() -> None:
    counted = await used("text_stats", text="Hello world. Hello you!\n\nNew paragraph é\n")
    assert counted == {
        "characters": 41, "bytes": 42, "words": 7, "different_words": 6, "lines": 3, "sentences": 3, "paragraphs": 2,
        "tokens": 11,
    }  # fmt: skip


async def test_an_empty_text_has_nothing_to_count() -> None:
    assert set((await used("text_stats", text="")).values()) == {0}


@pytest.mark.parametrize(
    ("arguments", "text", "count"),
    [
        ({"text": "a.b.c", "find": ".", "replace": "-"}, "a-b-c", 2),
        ({"text": "a.b.c", "find": ".", "replace": "-", "count": 1}, "a-b.c", 1),
        ({"text": "Ab aB", "find": "ab", "replace": "x", "ignore_case": True}, "x x", 2),
        ({"text": "a", "find": "a", "replace": r"\1 \g<0>"}, r"\1 \g<0>", 1),
        ({"text": "John Smith", "find": r"(\w+) (?P<l>\w+)", "replace": r"\g<l> \1", "regex": True}, "Smith John", 1),
        ({"text": "a1b22", "find": r"\d+", "replace": "#", "regex": True}, "a#b#", 2),
        ({"text": "x\ny", "find": "^", "replace": "> ", "regex": True}, "> x\n> y", 2),
        ({"text": "abc", "find": "z", "replace": "y"}, "abc", 0),
        ({"text": "aaaa", "find": "a", "replace": "b" * 10_000}, "b" * 40_000, 4),
        ({"text": "a" * 400, "find": "(a)", "replace": "b" * 9000 + r"\1", "regex": True, "count": 2},
         ("b" * 9000 + "a") * 2 + "a" * 398, 2),
    ],
)  # fmt: skip
async def test_texts_and_patterns_are_replaced(arguments: dict[str, Any], text: str, count: int) -> None:
    assert await used("text_replace", **arguments) == {"text": text, "replacements": count}


@given(st.text(max_size=30), st.text(min_size=1, max_size=3), st.text(max_size=5), st.integers(0, 3))
async def test_plain_replacing_agrees_with_python(text: str, find: str, replace: str, count: int) -> None:
    found = await used("text_replace", text=text, find=find, replace=replace, count=count)
    assert found["text"] == text.replace(find, replace, count or -1)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"find": "("}, "bad_pattern"),
        ({"find": "(?:a{1000}){1000}"}, "bad_pattern"),
        ({"find": "((((a{20}){20}){20}){20}){20}"}, "bad_pattern"),
        ({"find": "a{1000000000}"}, "bad_pattern"),
        ({"find": "a{,99999}"}, "bad_pattern"),
        ({"find": "(?x)a{1 000 000}"}, "bad_pattern"),
        ({"find": "(?R)"}, "bad_pattern"),
        ({"find": "((?1))"}, "bad_pattern"),
        ({"find": "(?<q>(?&q))"}, "bad_pattern"),
        ({"find": "(?P<q>(?P>q))"}, "bad_pattern"),
        ({"find": "\\L<words>"}, "bad_pattern"),
        ({"find": "(a|aa)+$", "text": "a" * 5000 + "b"}, "pattern_timeout"),
        ({"find": "a", "replace": "\\2"}, "bad_replacement"),
        ({"find": "a", "replace": "\\g<nope>"}, "bad_replacement"),
        ({"find": "a", "replace": "\\"}, "bad_replacement"),
        ({"find": "(a*)", "text": "a" * 900_000, "replace": "\\1" * 4000}, "text_too_long"),
        ({"find": "a", "text": "a" * 1_000_000, "replace": "b" * 10_000}, "text_too_long"),
        ({"find": "", "text": "a" * 10, "replace": "b"}, "invalid_arguments"),
    ],
)
async def test_a_hostile_pattern_ends_in_an_error(arguments: dict[str, Any], code: str) -> None:
    with pytest.raises(EngineError) as caught:
        await used("text_replace", **{"text": "a", "replace": "x", "regex": True, **arguments})
    assert caught.value.code == code
    assert not caught.value.retryable
    assert caught.value.remedy


@given(st.text(st.sampled_from("ab(?:)[]{}|*+.^$\\d1,9<>=!PRxL-&"), max_size=25))
def test_any_pattern_is_compiled_or_refused_with_one_sentence(source: str) -> None:
    try:
        compile_pattern(source)
    except EngineError as error:
        assert error.code == "bad_pattern"  # noqa: PT017 - the other outcome


def test_a_long_pattern_is_refused() -> None:
    with pytest.raises(EngineError, match="longer"):
        compile_pattern("a" * (MAX_PATTERN + 1))


@pytest.mark.parametrize(
    ("arguments", "pieces"),
    [
        ({"by": "lines"}, ["One. Two!", "Three", "Four"]),
        ({"by": "paragraphs"}, ["One. Two!\nThree", "Four"]),
        ({"by": "sentences"}, ["One.", "Two!", "Three", "Four"]),
        ({"by": "words"}, ["One.", "Two!", "Three", "Four"]),
        ({"by": "separator", "separator": "e"}, ["On", ". Two!\nThr", "\n\nFour"]),
        ({"by": "words", "limit": 2}, ["One.", "Two! Three Four"]),
        ({"by": "size", "size": 10}, ["One. Two!", "Three", "Four"]),
    ],
)
async def test_a_text_is_split(arguments: dict[str, Any], pieces: list[str]) -> None:
    assert await used("text_split", text="One. Two!\nThree\n\nFour", **arguments) == {
        "pieces": pieces, "count": len(pieces),
    }  # fmt: skip


@given(st.text(st.sampled_from("ab .!?\n"), max_size=200), st.integers(10, 40))
async def test_pieces_of_a_size_fit_and_keep_every_word(text: str, size: int) -> None:
    pieces = (await used("text_split", text=text, by="size", size=size, limit=1000))["pieces"]
    assert all(0 < len(piece) <= size for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())


async def test_splitting_by_a_separator_needs_one() -> None:
    with pytest.raises(InvalidArguments, match="separator"):
        await used("text_split", text="a", by="separator")


async def test_a_long_text_keeps_everything_when_split() -> None:
    text = "word " * 150_000
    pieces = (await used("text_split", text=text, by="size", size=2000))["pieces"]
    assert " ".join(pieces).split() == text.split()


@pytest.mark.parametrize(
    ("case", "text"),
    [
        ("upper", "HTTP SERVER'S GRÜẞE2. NEW".replace("ẞ", "SS")),
        ("lower", "http server's grüße2. new"),
        ("title", "Http Server's Grüße2. New"),
        ("sentence", "Http server's grüße2. New"),
    ],
)
async def test_the_case_of_a_text_is_changed(case: str, text: str) -> None:
    assert (await used("text_case", text="HTTP server's grüße2. new", case=case))["text"] == text


@pytest.mark.parametrize(
    ("case", "text"),
    [
        ("snake", "http_server_id_2"),
        ("kebab", "http-server-id-2"),
        ("camel", "httpServerId2"),
        ("pascal", "HttpServerId2"),
    ],
)
async def test_names_are_made_of_words(case: str, text: str) -> None:
    assert (await used("text_case", text="HTTPServer id 2", case=case))["text"] == text


TEXT = """Mail ann@example.org or bob.b+x@mail.example.co.uk, see https://example.org/a_(b)?c=1.
On 2024-05-06 it cost 1,234.50, not -3e4; version v2. "quoted text" and “other”.
```python
print(1)
```
"""


@pytest.mark.parametrize(
    ("kind", "items"),
    [
        ("emails", ["ann@example.org", "bob.b+x@mail.example.co.uk"]),
        ("urls", ["https://example.org/a_(b)?c=1"]),
        ("dates", ["2024-05-06"]),
        ("quoted", ["quoted text", "other"]),
        ("code_blocks", ["print(1)"]),
    ],
)
async def test_things_of_a_kind_are_found(kind: str, items: list[str]) -> None:
    assert (await used("text_extract", text=TEXT, kind=kind))["items"] == items


async def test_numbers_are_found() -> None:
    found = await used("text_extract", text="1,234.50 and -3e4 but not v2 or a.5x; 7.", kind="numbers")
    assert found["items"] == ["1,234.50", "-3e4", "7"]


async def test_a_pattern_gives_its_first_group() -> None:
    found = await used("text_extract", text="a=1 b=2 c=3", kind="regex", pattern=r"\w=(\d)", limit=2)
    assert found == {"items": ["1", "2"], "more": True}


async def test_a_code_block_without_an_end_goes_to_the_end() -> None:
    assert (await used("text_extract", text="~~~\na\n```\nb", kind="code_blocks"))["items"] == ["a\n```\nb"]


@pytest.mark.parametrize("kind", ["numbers", "emails", "urls", "dates", "quoted", "code_blocks"])
@pytest.mark.parametrize("piece", ["a.", "1,", "@a", "a@a.", "http://", '"', "```\n", "1.", "-", "“", "0/"])
async def test_finding_is_quick_on_repetitive_texts(kind: str, piece: str) -> None:
    await used("text_extract", text=piece * 50_000, kind=kind)
