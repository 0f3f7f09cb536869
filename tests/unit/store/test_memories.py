"""Long-term memories in the store: added once, searched, edited, pinned, forgotten, bounded."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.errors import EngineError
from engine.store import memories as stored
from engine.store.database import FILE_NAME, Database, StoreError
from engine.store.memories import Memory
from tests.unit.store.rig import read


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await Database.open(tmp_path)
    yield opened
    await opened.close()


async def add(database: Database, text: str, wall_ms: int = 1, most: int = 100, **fields: str) -> int:
    return await stored.add(database, Memory("note", text, **fields), wall_ms, most=most)


async def texts(database: Database, words: str) -> list[str]:
    return [row.text for row, _ in await stored.search(database, words, limit=10)]


async def test_the_same_text_twice_is_one_memory(database: Database) -> None:
    first = await add(database, " The cat is called Mo. ")
    assert await add(database, "The cat is called Mo.", 5) == first
    (row,) = await stored.memories(database)
    assert (row.text, row.kind, row.created_ms, row.edited_ms, row.uses) == ("The cat is called Mo.", "note", 1, 5, 0)


async def test_an_edited_memory_is_found_by_its_new_words_and_no_longer_by_the_old_ones(database: Database) -> None:
    number = await add(database, "The cat is called Mo.")
    assert await texts(database, "cat") == ["The cat is called Mo."]
    await stored.edit(database, number, "The dog is called Rex.", 7)
    assert await texts(database, "cat") == []
    assert await texts(database, "dog") == ["The dog is called Rex."]


async def test_a_memory_cannot_take_the_text_of_another(database: Database) -> None:
    await add(database, "one")
    other = await add(database, "two")
    with pytest.raises(EngineError, match="Another memory has this text"):
        await stored.edit(database, other, "one", 2)
    assert [row.text for row in await stored.memories(database)] == ["two", "one"]


async def test_a_forgotten_memory_is_gone_with_its_words(database: Database, tmp_path: Path) -> None:
    number = await add(database, "The cat is called Mo.")
    assert await texts(database, "cat") != []
    await stored.forget(database, number)
    assert await texts(database, "cat") == []
    assert await stored.memories(database) == []
    assert read(tmp_path / FILE_NAME, "SELECT count(*) FROM memories_words") == [(0,)]


async def test_what_is_not_there_is_told_with_the_remedy(database: Database) -> None:
    for change in (
        stored.edit(database, 9, "x", 1),
        stored.pin(database, 9, pinned=True),
        stored.forget(database, 9),
    ):
        with pytest.raises(EngineError, match="There is no memory 9") as caught:
            await change
        assert "memory list" in caught.value.remedy


@pytest.mark.parametrize(("text", "code"), [(" \n", "memory_empty"), ("x" * 4001, "memory_too_long")])
async def test_an_empty_text_and_one_that_is_too_long_are_refused(database: Database, text: str, code: str) -> None:
    with pytest.raises(EngineError) as caught:
        await add(database, text)
    assert caught.value.code == code
    assert await stored.memories(database) == []


async def test_nothing_is_kept_of_a_transaction_that_did_not_commit(database: Database) -> None:
    with pytest.raises(EngineError, match="is not committed"):
        await add(database, "a fact", tx="0" * 32)
    assert await stored.memories(database) == []


async def test_the_least_recently_used_that_is_not_pinned_makes_room(database: Database) -> None:
    pinned, old, used = [await add(database, name, 1, 3) for name in ("pinned", "old", "used")]
    await stored.pin(database, pinned, pinned=True)
    await stored.mark_used(database, [used], 9)
    await add(database, "new", 5, 3)
    assert {row.text for row in await stored.memories(database)} == {"pinned", "used", "new"}
    assert old not in await stored.by_id(database, [old])
    assert await texts(database, "old") == []


async def test_where_all_are_pinned_nothing_more_is_taken(database: Database) -> None:
    await stored.pin(database, await add(database, "one", most=1), pinned=True)
    with pytest.raises(EngineError, match="are pinned"):
        await add(database, "two", most=1)
    assert [row.text for row in await stored.memories(database)] == ["one"]


@pytest.mark.parametrize(
    "text", ['"', "NEAR(", "cat AND", "content:cat*", "cat OR", "a'; DROP TABLE memories; --", "^-"]
)
async def test_hostile_match_syntax_is_only_words(database: Database, text: str) -> None:
    await add(database, "The cat is called Mo.")
    await stored.search(database, text, limit=5)
    assert [row.text for row, _ in await stored.search_any(database, [[text], ['cat" OR']], limit=5)] == [
        "The cat is called Mo."
    ]


async def test_a_store_that_is_open_for_reading_refuses_every_change(database: Database, tmp_path: Path) -> None:
    number = await add(database, "The cat is called Mo.")
    reading = await Database.open(tmp_path)
    try:
        assert reading.read_only
        assert [row.text for row in await stored.memories(reading)] == ["The cat is called Mo."]
        for change in (
            add(reading, "more"),
            stored.edit(reading, number, "x", 1),
            stored.pin(reading, number, pinned=True),
            stored.forget(reading, number),
            stored.mark_used(reading, [number], 1),
        ):
            with pytest.raises(StoreError, match="open for reading only"):
                await change
    finally:
        await reading.close()


async def test_a_store_of_an_older_program_has_no_memories(database: Database) -> None:
    await add(database, "The cat is called Mo.")
    database.schema = 3
    assert await stored.memories(database) == []
    assert await texts(database, "cat") == []
