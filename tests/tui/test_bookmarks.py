"""Bookmarks: a file beside the database."""

from __future__ import annotations

import asyncio
import json
import stat
from pathlib import Path

import pytest

from engine import events as ev
from engine.errors import EngineError
from engine.events import BreakerSnapshot
from tinyllm_tui.bookmarks import FILE_NAME, Bookmarks, Place, place_of, position_of


def spanned() -> list[ev.Event]:
    """Events of a run, with two of the engine after the second."""
    breaker = ev.BreakerChanged(BreakerSnapshot("m", "endpoint", "open"), "closed")
    kinds = ["t", "t", None, None, "t", "t"]
    seq = 0
    events = []
    for n, tx in enumerate(kinds, 1):
        seq += tx is not None
        events.append(ev.Event(n, tx, seq if tx else 0, n, n, ev.Checkpoint(n, n, ()) if tx else breaker))
    return events


def test_a_place_is_found_again_also_among_events_of_the_engine() -> None:
    events = spanned()
    for position in range(len(events) + 1):
        assert position_of(events, place_of(events, position)) == position


def test_a_written_file_is_private_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    asyncio.run(Bookmarks(tmp_path).toggle("a", Place(7)))
    assert stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


async def test_bookmarks_are_set_removed_and_still_there_at_the_next_start(tmp_path: Path) -> None:
    first = Bookmarks(tmp_path)
    assert await first.toggle("a", Place(7))
    assert await first.toggle("a", Place(3, 1))
    assert await first.toggle("b", Place(1))
    assert not await first.toggle("b", Place(1))
    second = Bookmarks(tmp_path)
    await second.read()
    assert second.of("a") == (Place(3, 1), Place(7))
    assert second.of("b") == ()


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"version": 2, "runs": {}}', '{"version": 1, "runs": [1]}', "[" * 5000, "\x00"]
)
async def test_a_damaged_file_is_said_and_left_as_it_is(text: str, tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text(text)
    bookmarks = Bookmarks(tmp_path)
    with pytest.raises(EngineError) as caught:
        await bookmarks.toggle("a", Place(1))
    assert "holds no bookmarks" in caught.value.message
    assert caught.value.remedy
    assert (tmp_path / FILE_NAME).read_text() == text


async def test_without_a_folder_they_last_as_long_as_the_program(tmp_path: Path) -> None:
    bookmarks = Bookmarks(tmp_path / "missing")
    assert await bookmarks.toggle("a", Place(1))
    assert bookmarks.of("a") == (Place(1),)
    assert not (tmp_path / "missing").exists()


async def test_another_process_s_bookmarks_are_kept(tmp_path: Path) -> None:
    one, other = Bookmarks(tmp_path), Bookmarks(tmp_path)
    await one.toggle("a", Place(1))
    await other.toggle("b", Place(2))
    assert set(json.loads((tmp_path / FILE_NAME).read_text())["runs"]) == {"a", "b"}
