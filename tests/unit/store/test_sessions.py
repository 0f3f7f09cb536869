"""Sessions: what was said in them is found, shown, exported, and gone when they are deleted; in a store and without."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import engine
from engine.errors import EngineError
from engine.events import RolledBack
from engine.run.engine import Engine
from engine.store.deep_check import examine
from engine.store.export_session import as_markdown
from engine.store.rows import MessageRow, SessionRow
from tests.graphs import chain, gated
from tests.running import run_in
from tests.scripted_backend import ScriptedBackend
from tests.unit.store.rig import FILE, begin, open_store, read

ECHO = chain()
"""Its answer is the question."""


@pytest.fixture(params=["stored", "in memory"])
async def eng(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Engine]:
    """An engine whose sessions are stored, and one whose sessions live as long as it does."""
    async with engine.open(tmp_path if request.param == "stored" else None) as opened:
        yield opened


async def session_with(eng: Engine, *questions: str, name: str = "zoo") -> str:
    row = await eng.create_session(name)
    for question in questions:
        await run_in(eng, ECHO, question, session=row.id)
    return row.id


async def test_a_message_is_found_with_where_it_was_said(eng: Engine) -> None:
    zoo = await session_with(eng, "What is a quokka?")
    await session_with(eng, "What is granite?", name="stones")
    hits = await eng.search_sessions("QUOKKA")
    assert [(hit.session, hit.name, hit.content) for hit in hits] == [(zoo, "zoo", "What is a quokka?")] * 2
    assert {hit.role for hit in hits} == {"user", "assistant"}
    assert {hit.snippet for hit in hits} == {"What is a quokka?"}
    (message, _) = await eng.session_history(zoo)
    assert {(hit.tx, hit.number) for hit in hits} == {(message.tx, message.number)}
    assert len(await eng.search_sessions("what is", limit=3)) == 3
    assert [row.role for row in await eng.session_history(zoo, limit=1)] == ["assistant"], "the latest"
    assert await eng.search_sessions('" OR *') == []


async def test_a_run_that_was_rolled_back_leaves_no_trace_in_its_session_nor_in_the_search(
    eng: Engine, scripted: ScriptedBackend
) -> None:
    del scripted
    session = await session_with(eng, "kept quokka")
    before = [await eng.session(session), await eng.session_history(session), await eng.search_sessions("quokka")]
    ran = await run_in(eng, gated(expression='content == "never"', max_retries=1), "lost quokka", session=session)
    assert ran.result.status == "rolled_back"
    assert [
        await eng.session(session),
        await eng.session_history(session),
        await eng.search_sessions("quokka"),
    ] == before
    assert "lost" not in await eng.export_session(session, "json")


async def test_a_session_has_the_name_that_it_was_given_last(eng: Engine) -> None:
    session = await session_with(eng, "quokka")
    row = await eng.rename_session(session, "  my\nanimals ")
    assert row.name == "my animals"
    assert await eng.session("my animals") == row
    assert {hit.name for hit in await eng.search_sessions("quokka")} == {"my animals"}
    with pytest.raises(EngineError, match="empty"):
        await eng.rename_session(session, " \n")


async def test_a_session_is_found_by_id_by_name_and_by_the_beginning_of_its_id(eng: Engine) -> None:
    first, second = await session_with(eng), await session_with(eng, name="zoo 2")
    for reference in (first, first[:12], "zoo"):
        assert (await eng.session(reference)).id == first
    assert (await eng.session("zoo 2")).id == second
    await session_with(eng, name="zoo")
    with pytest.raises(EngineError, match="'zoo' fits 2 sessions"):
        await eng.session("zoo")
    for nothing in ("", "absent", "zo"):
        with pytest.raises(EngineError, match="no session"):
            await eng.session(nothing)


async def test_what_was_said_in_a_deleted_session_is_gone_and_the_rest_stays(eng: Engine) -> None:
    gone, stays = await session_with(eng, "quokka one"), await session_with(eng, "quokka two")
    assert len(await eng.search_sessions("quokka")) == 4
    await eng.delete_session(gone)
    assert [row.id for row in await eng.sessions()] == [stays]
    assert {hit.session for hit in await eng.search_sessions("quokka")} == {stays}
    for call in (eng.session_messages(gone), eng.delete_session(gone), eng.rename_session(gone, "x"),
                 eng.set_session_memory(gone, on=True), eng.export_session(gone)):  # fmt: skip
        with pytest.raises(EngineError, match="no session"):
            await call


async def test_a_session_in_which_a_run_goes_on_is_not_deleted(eng: Engine, scripted: ScriptedBackend) -> None:
    del scripted
    session = await session_with(eng)
    run = eng.start(gated(), "why", session=session)
    with pytest.raises(EngineError, match="goes on") as refused:
        await eng.delete_session(session)
    assert refused.value.code == "session_busy"
    await run.result()
    await asyncio.sleep(0)
    await eng.delete_session(session)


async def test_long_term_memory_is_on_for_a_session_until_it_is_turned_off(eng: Engine) -> None:
    session = await session_with(eng)
    assert (await eng.session(session)).memory
    assert not (await eng.set_session_memory(session, on=False)).memory
    assert not (await eng.session(session)).memory
    assert (await eng.set_session_memory(session, on=True)).memory


async def test_the_json_document_of_a_session_has_all_of_it(eng: Engine) -> None:
    session = await session_with(eng, "Straße \x1b[31m?")
    row = await eng.session(session)
    document = json.loads(await eng.export_session(session, "json"))
    messages = document.pop("messages")
    assert document == {
        "format": "tinyllm-session", "version": 1, "id": session, "name": "zoo", "created_ms": row.created_ms,
        "updated_ms": row.updated_ms, "memory": True,
    }  # fmt: skip
    assert [(each["role"], each["content"]) for each in messages] == [
        ("user", "Straße \x1b[31m?"),
        ("assistant", "Straße \x1b[31m?"),
    ]
    said = await eng.session_history(session)
    assert [(each["transaction"], each["number"]) for each in messages] == [(each.tx, each.number) for each in said]


async def test_deleting_leaves_a_sound_store_without_its_words(tmp_path: Path) -> None:
    async with engine.open(tmp_path) as eng:
        session = await session_with(eng, "quokka one", "quokka two")
        await eng.search_sessions("quokka")
        await session_with(eng, "wombat")
        await eng.delete_session(session)
        rows = await eng.transactions()
        assert [row.session for row in rows[1:]] == [session, session], "the transactions stay as they were"
    report = examine(tmp_path / FILE)
    assert report.sound, report.problems
    assert read(tmp_path / FILE, "SELECT count(*) FROM messages_words") == [(0,)]
    assert read(tmp_path / FILE, "SELECT count(*) FROM messages") == [(2,)]


async def test_a_session_whose_run_was_interrupted_is_not_deleted(tmp_path: Path) -> None:
    from engine.store import sessions as stored

    async with open_store(tmp_path) as store:
        await stored.create_session(store.database, SessionRow("s", "mine", 1, 1, 0))
        stream = store.log.stream("t")
        store.log.append(begin(session="s"), stream)
        await store.log.flush()
        with pytest.raises(EngineError, match="goes on"):
            await stored.delete_session(store.database, "s")
        assert await stored.session_exists(store.database, "s")
        store.log.append(RolledBack("failed"), stream)
        await store.log.flush()
        assert await stored.delete_session(store.database, "s")


async def test_what_is_open_for_reading_only_is_searched_and_not_changed(tmp_path: Path) -> None:
    async with engine.open(tmp_path) as owner:
        session = await session_with(owner, "What is a quokka?")
        async with engine.open(tmp_path) as reader:
            assert reader.read_only
            assert len(await reader.search_sessions("quokka")) == 2
            own = await session_with(reader, "A quokka of mine")
            assert [hit.session for hit in await reader.search_sessions("quokka")] == [own, own, session, session]
            for call in (reader.delete_session(session), reader.rename_session(session, "x"),
                         reader.set_session_memory(session, on=False)):  # fmt: skip
                with pytest.raises(EngineError, match="reading only"):
                    await call
            await reader.delete_session(own)


def test_no_word_of_a_message_can_end_its_block_or_pose_as_a_heading() -> None:
    hostile = "before\n```\n# Heading\n````` \nafter"
    row = SessionRow("s", "# [x](y)\n<b>", 0, 0, 1)
    text = as_markdown(row, [MessageRow("user", hostile, "t", None, 0), MessageRow("assistant", "plain", "t", 12, 0)])
    fences = re.findall(r"^(`{6})(?:text)?$", text, re.MULTILINE)
    assert len(fences) == 2, "the block of the first is longer than any run in it"
    assert f"``````text\n{hostile}\n``````\n" in text
    assert "```text\nplain\n```\n" in text
    assert text.startswith("# Session \\# \\[x\\]\\(y\\) \\<b\\>\n")
    assert "## Question, transaction t, 1970-01-01 00:00:00 UTC" in text
    assert "## Answer, transaction #12, 1970-01-01 00:00:00 UTC" in text
