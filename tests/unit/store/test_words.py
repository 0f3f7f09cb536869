"""The word indexes: what is taken up, found and taken out, and what a person's text can and cannot ask of FTS5."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.store import rare_words, words
from engine.store.database import Database, StoreError
from engine.store.rare_words import find_any
from engine.store.words import MESSAGES, contains, find, match_query, remove, snippet, take_up
from tests.unit.store.rig import FILE, read


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """An empty one that this process owns, with one session."""
    opened = await Database.open(tmp_path)
    await opened.write("INSERT INTO sessions (id, name, created_ms, updated_ms) VALUES ('s', 's', 0, 0)")
    yield opened
    await opened.close()


async def say(database: Database, *texts: str) -> None:
    for text in texts:
        await database.write(
            "INSERT INTO messages (session, tx, role, content, created_ms) VALUES ('s', 't', 'user', ?, 0)", (text,)
        )


async def found(database: Database, text: str) -> list[int]:
    return [hit.id for hit in await find(database, MESSAGES, text, limit=50)]


async def found_any(database: Database, *words: str, limit: int = 50) -> list[int]:
    return [hit.id for hit in await find_any(database, MESSAGES, [[word, f"{word}s"] for word in words], limit=limit)]


def indexed(database: Database) -> list[tuple[int, str]]:
    return read(database.path, "SELECT rowid, content FROM messages_words ORDER BY rowid")


async def test_what_was_just_written_is_found(database: Database) -> None:
    await say(database, "the quokka smiles", "the wombat digs")
    assert await found(database, "QUOKKA") == [1]
    await say(database, "a quokka again")
    assert sorted(await found(database, "quokka")) == [1, 3]


async def test_every_word_must_be_there_unless_one_is_enough(database: Database) -> None:
    await say(database, "red apple", "red pears", "green pear")
    assert await found(database, "pears red") == [2]
    assert sorted(await found_any(database, "pear", "red")) == [1, 2, 3]
    assert (await found_any(database, "pear", "red"))[0] == 2
    assert await found_any(database, "pear", "red", limit=1) == [2]


async def test_a_rare_word_finds_its_row_among_many_with_the_common_ones(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rare_words, "MOST_RANKED", 5)
    await say(database, "red quokka and a pear", *["red pear"] * 20)
    assert await found_any(database, "red", "quokka", "pear", limit=1) == [1]
    assert (await found_any(database, "red", "quokka", "pear"))[0] == 1


async def test_where_all_words_are_common_rows_that_have_them_all_come_before_newer_ones_with_one(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rare_words, "MOST_RANKED", 5)
    await say(database, "red pear", *["a red apple", "a green pear"] * 20)
    hits = await found_any(database, "red", "pear", "unheard")
    assert hits[0] == 1
    assert sorted(hits[1:]) == [37, 38, 39, 40, 41], "of those with one of the words the newest are ranked"


async def test_words_that_are_common_together_are_found_besides_a_rare_one(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rare_words, "MOST_RANKED", 5)
    await say(database, "red pear", *["a red apple", "a green pear"] * 20, "a quokka")
    hits = await found_any(database, "quokka", "red", "pear")
    assert {1, 42} <= set(hits)
    assert hits[0] == 42


async def test_no_more_rows_are_ranked_than_a_query_may_rank(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rare_words, "MOST_RANKED", 5)
    await say(database, *["red"] * 30)
    assert sorted(await found_any(database, "red")) == [26, 27, 28, 29, 30]


async def test_many_words_with_their_forms_are_no_error(database: Database) -> None:
    await say(database, "word63 here")
    assert await found_any(database, *(f"word{number}" for number in range(64))) == [1]
    assert await found_any(database) == []
    assert await found_any(database, "?!", '"') == []


async def test_the_limit_keeps_the_best(database: Database) -> None:
    await say(database, "a long sentence in which an apple is hardly more than an aside", "apple apple apple")
    assert [hit.id for hit in await find(database, MESSAGES, "apple", limit=1)] == [2]


async def test_accents_and_case_do_not_matter(database: Database) -> None:
    await say(database, "Ein Café in Zürich")
    assert await found(database, "ZURICH cafe") == [1]


@pytest.mark.parametrize(
    "text",
    [
        'say "hi" NEAR the end',
        "C++ or C#",
        "a* b^ c:d",
        "content : x",
        "NOT this AND that OR",
        "-x +y",
        "(a) {b}",
        "x'y",
    ],
)
async def test_what_fts5_has_a_meaning_for_means_nothing(database: Database, text: str) -> None:
    await say(database, f"before {text} after", "nothing of it")
    assert await found(database, text) == [1]


@pytest.mark.parametrize("text", ["", "   ", '"', "*", "-", '""', "()", "\x00", "\ud800", "。"])
async def test_a_text_without_words_finds_nothing(database: Database, text: str) -> None:
    await say(database, "something", text.replace("\ud800", "\ufffd"))
    assert await found(database, text) == []


async def test_more_words_than_sqlite_takes_are_no_error(database: Database) -> None:
    await say(database, " ".join(f"w{i}" for i in range(5000)))
    assert await found(database, " ".join(f"w{i}" for i in range(5000))) == [1]


@given(text=st.text(max_size=40))
def test_no_text_makes_a_query_that_fts5_refuses(text: str) -> None:
    import sqlite3

    connection = sqlite3.connect(":memory:")
    try:
        connection.execute("CREATE VIRTUAL TABLE w USING fts5 (content)")
        query = match_query(text)
        assert not query or connection.execute("SELECT rowid FROM w WHERE w MATCH ?", (query,)).fetchall() == []
    finally:
        connection.close()


@pytest.mark.parametrize("statements", [1, 2])
async def test_what_a_crash_left_half_done_is_done_again(
    database: Database, monkeypatch: pytest.MonkeyPatch, statements: int
) -> None:
    await say(database, "quokka")
    whole, done = database.write, 0

    async def until_the_crash(sql: str, parameters: object = ()) -> list[object]:
        nonlocal done
        done += 1
        if done == statements:
            raise StoreError("killed", "The power went.", "")
        return await whole(sql, parameters)  # type: ignore[arg-type,return-value]

    with monkeypatch.context() as crash:
        crash.setattr(database, "write", until_the_crash)
        with pytest.raises(StoreError):
            await take_up(database, MESSAGES)
    assert await found(database, "quokka") == [1]
    assert indexed(database) == [(1, "quokka")]
    assert read(database.path, "SELECT indexed FROM messages") == [(1,)]


async def test_a_row_that_is_edited_while_it_is_taken_up_is_taken_up_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await say(database, "before")
    whole = database.write

    async def edited_in_between(sql: str, parameters: object = ()) -> list[object]:
        rows = await whole(sql, parameters)  # type: ignore[arg-type]
        if sql.startswith("INSERT"):
            await whole("UPDATE messages SET content = 'after', indexed = 0")
        return rows  # type: ignore[return-value]

    with monkeypatch.context() as beside:
        beside.setattr(database, "write", edited_in_between)
        await take_up(database, MESSAGES)
    assert await found(database, "before") == []
    assert await found(database, "after") == [1]


async def test_more_rows_than_one_statement_takes_are_all_taken_up(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(words, "_BATCH", 2)
    await say(database, *(f"word number {i}" for i in range(5)))
    assert len(await found(database, "word")) == 5


async def test_what_is_taken_out_and_not_deleted_is_taken_up_again(database: Database) -> None:
    await say(database, "quokka", "quokka")
    await take_up(database, MESSAGES)
    async with database.indexing:
        await remove(database, MESSAGES, [1])
    assert indexed(database) == [(2, "quokka")]
    assert sorted(await found(database, "quokka")) == [1, 2]


async def test_a_database_that_is_open_for_reading_only_is_searched_to_the_last_message(
    database: Database, tmp_path: Path
) -> None:
    await say(database, "old quokka")
    await take_up(database, MESSAGES)
    await say(database, "new Quokka, 100 % sure", "100 or so: sure")
    reader = await Database.open(tmp_path)
    try:
        assert reader.read_only
        assert await found(reader, "QUOKKA") == [2, 1]
        assert await found(reader, "100% sure") == [3, 2]
        assert await found_any(reader, "old", "sure") == [3, 2, 1]
        assert await found(reader, '" % *') == []
    finally:
        await reader.close()
    assert read(tmp_path / FILE, "SELECT count(*) FROM messages WHERE indexed = 1") == [(1,)]


async def test_reading_only_the_index_is_used_for_all_that_it_has_as_it_stands_now(
    database: Database, tmp_path: Path
) -> None:
    await say(database, "Die Äpfel", "the old pear", "pear and pear")
    await take_up(database, MESSAGES)
    await database.write("UPDATE messages SET content = 'the new plum', indexed = 0 WHERE id = 2")
    reader = await Database.open(tmp_path)
    try:
        assert await found(reader, "äpfel") == [1], "which no comparison of ASCII letters finds"
        assert await found(reader, "pear") == await found_any(reader, "pear") == [3], "nothing by the words that it had"
        assert await found(reader, "plum") == [2]
        assert await found_any(reader, "plum", "pear") == [2, 3]
        assert await found_any(reader, "plum", "pear", limit=1) == [2]
    finally:
        await reader.close()


def test_a_snippet_is_about_the_first_word_that_was_found() -> None:
    content = "padding " * 100 + "the Quokka\nsmiles " + "padding " * 100
    cut = snippet("quokka", content)
    assert "the Quokka smiles" in cut
    assert cut.startswith("...")
    assert cut.endswith("...")
    assert len(cut) <= words.SNIPPET_CHARACTERS + 6
    assert snippet("quokka", "The quokka.") == "The quokka."


def test_a_text_in_memory_contains_what_the_store_would_find() -> None:
    assert contains("QUOKKA what", "What is a quokka?")
    assert not contains("quokka wombat", "What is a quokka?")
    assert not contains("*", "What is a quokka? *")
