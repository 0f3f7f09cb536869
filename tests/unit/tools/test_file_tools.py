"""Reading, listing and searching files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.errors import EngineError, ErrorClass
from engine.tools.call import ToolOutcome, call_tool
from engine.tools.protocol import ToolContext
from tests.unit.tools.doubles import TOOLS, file_context


@pytest.fixture
def context(tmp_path: Path) -> ToolContext:
    context = file_context(tmp_path)
    root = tmp_path / "workspace"
    (root / "docs").mkdir()
    (root / "docs" / "a.md").write_text("one\ntwo\nthree\n")
    (root / "b.txt").write_text("Two words\nnothing\n")
    (root / "bin.dat").write_bytes(b"two\0\xff")
    (root / "latin.txt").write_bytes(b"caf\xe9 two\n")
    return context


async def used(context: ToolContext, tool: str, **arguments: Any) -> ToolOutcome:
    return await call_tool(TOOLS.get(tool), arguments, context)


async def test_a_file_is_read_whole(context: ToolContext) -> None:
    outcome = await used(context, "file_read", path="docs/a.md")
    assert outcome.text == "one\ntwo\nthree\n"
    assert outcome.output["total_lines"] == 3
    assert not outcome.output["more"]


async def test_some_lines_of_a_file_say_that_there_are_more(context: ToolContext) -> None:
    outcome = await used(context, "file_read", path="docs/a.md", first_line=2, lines=1)
    assert outcome.output["text"] == "two\n"
    assert outcome.text.endswith("[docs/a.md: lines 2 to 2 of 3]")


async def test_reading_behind_the_end_gives_nothing(context: ToolContext) -> None:
    outcome = await used(context, "file_read", path="docs/a.md", first_line=99)
    assert (outcome.output["text"], outcome.output["last_line"]) == ("", 0)


async def test_a_long_line_is_cut_and_says_so(context: ToolContext, tmp_path: Path) -> None:
    (tmp_path / "workspace" / "long").write_text("x" * 200_000)
    outcome = await used(context, "file_read", path="long")
    assert len(outcome.output["text"]) == 30_000
    assert outcome.output["more"]


async def test_bytes_that_are_no_utf_8_are_replaced(context: ToolContext) -> None:
    assert (await used(context, "file_read", path="latin.txt")).text == "caf\ufffd two\n"


async def test_a_binary_file_is_no_text(context: ToolContext) -> None:
    with pytest.raises(EngineError) as caught:
        await used(context, "file_read", path="bin.dat")
    assert (caught.value.error_class, caught.value.code) == (ErrorClass.INVALID_REQUEST, "not_text")


async def test_a_listing_shows_one_folder_or_all_below(context: ToolContext) -> None:
    flat = await used(context, "file_list")
    assert [each["path"] for each in flat.output["entries"]] == ["b.txt", "bin.dat", "docs", "latin.txt"]
    deep = await used(context, "file_list", recursive=True, glob="*.md")
    assert [each["path"] for each in deep.output["entries"]] == ["docs/a.md"]


async def test_a_listing_says_when_there_is_more(context: ToolContext) -> None:
    outcome = await used(context, "file_list", limit=2)
    assert len(outcome.output["entries"]) == 2
    assert outcome.output["more"]
    assert outcome.text.endswith("[and more]")


async def test_listing_a_file_is_an_error(context: ToolContext) -> None:
    with pytest.raises(EngineError, match="no folder"):
        await used(context, "file_list", path="b.txt")


async def test_a_search_finds_lines_and_skips_binary_files(context: ToolContext) -> None:
    outcome = await used(context, "file_search", text="two")
    found = [(each["path"], each["line"]) for each in outcome.output["matches"]]
    assert found == [("b.txt", 1), ("latin.txt", 1), ("docs/a.md", 2)]
    assert outcome.text.splitlines()[0] == "b.txt:1: Two words"


async def test_a_search_can_mind_case_names_and_folders(context: ToolContext) -> None:
    assert (await used(context, "file_search", text="two", ignore_case=False, glob="b*")).output["matches"] == []
    below = await used(context, "file_search", text="two", path="docs")
    assert [each["path"] for each in below.output["matches"]] == ["docs/a.md"]


async def test_plain_text_is_searched_as_it_is_and_a_pattern_as_a_pattern(context: ToolContext) -> None:
    assert (await used(context, "file_search", text="t.o")).output["matches"] == []
    assert len((await used(context, "file_search", text="t.o", regex=True)).output["matches"]) == 3


async def test_a_search_stops_at_its_limit(context: ToolContext) -> None:
    outcome = await used(context, "file_search", text="o", limit=2)
    assert len(outcome.output["matches"]) == 2
    assert outcome.output["more"]


async def test_a_hostile_pattern_over_many_files_ends_at_its_deadline(context: ToolContext, tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / "workspace" / f"x{number}").write_text(("a" * 290 + "\n") * 50)
    with pytest.raises(EngineError) as caught:
        await used(context, "file_search", text="(a|aa)+$(?<=b)", regex=True)
    assert caught.value.code == "pattern_timeout"


async def test_a_file_name_that_is_no_utf_8_spoils_no_listing(context: ToolContext, tmp_path: Path) -> None:
    try:
        (tmp_path / "workspace" / b"\xff.txt".decode("utf-8", "surrogateescape")).write_text("two")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    outcome = await used(context, "file_list")
    assert "\ufffd.txt" in outcome.text
    await used(context, "file_search", text="two")
