from __future__ import annotations

import asyncio
import tempfile
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import events as ev
from engine.errors import EngineError, ErrorClass, ErrorInfo
from engine.message import replace_surrogates
from engine.store import queries
from engine.store import sessions as stored_sessions
from engine.store.checksum import checksum
from engine.store.database import StoreError
from engine.store.log import TxStream
from engine.store.retention import Limits, prune
from engine.store.rows import SessionRow
from tests.unit.store.rig import Store, begin, note, open_store, read

TEXT = st.text().map(replace_surrogates)
"""Text as it is when it has entered the engine."""
USAGE = ev.Usage(10, 5, 2, exact=False)
BREAKER = ev.BreakerSnapshot("e small", "endpoint", "open", 3, 0, 99, "It broke.", "xxx")


def start(store: Store, number: int, tx: str = "", **fields: object) -> TxStream:
    stream = store.log.stream(tx or f"tx{number}")
    store.log.append(begin(number, **fields), stream)
    return stream


def commit(store: Store, stream: TxStream, text: str = "done") -> None:
    store.log.append(ev.Committed("success", "end", text, usage=USAGE), stream)


async def test_a_transaction_is_listed_as_executing_from_its_begin(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        start(store, 7, session="s", backend="embedded")
        await store.log.flush()
        (row,) = await queries.transactions(store.database, limit=9)
        assert (row.number, row.tx, row.status, row.session) == (7, "tx7", "executing", "s")
        assert (row.graph_id, row.question, row.backend, row.answer, row.exit) == (
            "graph.test",
            "Why?",
            "embedded",
            "",
            None,
        )
        assert await queries.unfinished(store.database) == [row]


async def test_a_committed_transaction_is_listed_with_its_answer(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        commit(store, start(store, 1), "Because.")
        await store.log.flush()
        (row,) = await queries.transactions(store.database, limit=9)
        assert (row.status, row.exit, row.answer, row.usage, row.events) == (
            "committed",
            "success",
            "Because.",
            USAGE,
            2,
        )
        assert await queries.unfinished(store.database) == []


async def test_a_transaction_that_was_rolled_back_is_listed_with_its_reason(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        error = ErrorInfo(ErrorClass.SERVER, "server", "It broke.")
        store.log.append(ev.RolledBack("failed", error, usage=USAGE), start(store, 1))
        await store.log.flush()
        (row,) = await queries.transactions(store.database, limit=9)
        assert (row.status, row.reason, row.error, row.usage) == ("rolled_back", "failed", "It broke.", USAGE)


async def test_transactions_are_listed_newest_first_and_by_session(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        for number, session in enumerate(["a", "b", None, "a"], 1):
            start(store, number, session=session)
        await store.log.flush()
        assert [row.number for row in await queries.transactions(store.database, limit=3)] == [4, 3, 2]
        assert [row.number for row in await queries.transactions(store.database, limit=9, session="a")] == [4, 1]


@pytest.mark.parametrize("reference", ["42", "#42", " #42 ", "abcd", "abcd1234", "ab"])
async def test_a_transaction_is_found_by_number_id_or_the_beginning_of_its_id(tmp_path: Path, reference: str) -> None:
    async with open_store(tmp_path) as store:
        start(store, 42, "abcd1234")
        start(store, 43, "bbcd1234")
        await store.log.flush()
        assert (await queries.transaction(store.database, reference)).number == 42


async def test_a_number_goes_before_an_id_that_begins_with_it(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        start(store, 7, "42345678abcd")
        await store.log.flush()
        assert (await queries.transaction(store.database, "42345678")).number == 7
        start(store, 42, "abcd1234")
        await store.log.flush()
        assert (await queries.transaction(store.database, "42")).number == 42


@pytest.mark.parametrize(
    "reference", ["41", "423", "#", "", "x", "a", "%", "_bcd1", "a' OR 1=1 --", "99999999999999999999"]
)
async def test_what_names_no_single_transaction_is_not_found(tmp_path: Path, reference: str) -> None:
    async with open_store(tmp_path) as store:
        start(store, 42, "abcd1234")
        start(store, 43, "abce1234")
        start(store, 44, "4231234")
        await store.log.flush()
        with pytest.raises(EngineError) as caught:
            await queries.transaction(store.database, reference)
        assert caught.value.error_class is ErrorClass.NOT_FOUND
        assert "tx list" in caught.value.remedy


async def test_events_are_those_of_the_transaction_and_of_the_engine_inside_its_span(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        change = ev.BackendChanged("e", "b", "ready")
        store.log.append(change)
        one, two = start(store, 1), start(store, 2)
        store.log.append(change)
        commit(store, one)
        store.log.append(change)
        store.log.append(note(), two)
        await store.log.flush()
        published = store.published()
        first = await queries.events(store.database, "tx1")
        assert first == [published[1], published[3], published[4]]
        second = await queries.events(store.database, "tx2")
        assert second == [published[2], published[3], published[5], published[6]], "unfinished: to the end"
        assert await queries.events(store.database, "tx2", after=published[3].gseq) == [published[5], published[6]]
        assert await queries.events(store.database, "nobody") == []


async def test_a_committed_turn_joins_its_session_and_no_other_end_does(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        await stored_sessions.create_session(store.database, SessionRow("s", "mine", 1, 1, 0))
        commit(store, start(store, 1, session="s", question="One?"), "1")
        store.log.append(ev.RolledBack("cancelled"), start(store, 2, session="s", question="Two?"))
        start(store, 3, session="s", question="Three?")
        commit(store, start(store, 4, session="nobody", question="Four?"), "4")
        commit(store, start(store, 5, question="Five?"), "5")
        await store.log.flush()
        assert await stored_sessions.session_messages(store.database, "s") == [
            ("user", "One?", "tx1"),
            ("assistant", "1", "tx1"),
        ]
        (row,) = await stored_sessions.sessions(store.database)
        assert (row.id, row.messages) == ("s", 2)
        assert row.updated_ms > 1
        assert await stored_sessions.session_exists(store.database, "s")
        assert not await stored_sessions.session_exists(store.database, "nobody")


async def test_the_latest_messages_of_a_long_session_are_given_oldest_first(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        await stored_sessions.create_session(store.database, SessionRow("s", "mine", 1, 1, 0))
        for number in range(1, 5):
            commit(store, start(store, number, session="s", question=f"q{number}"), f"a{number}")
        await store.log.flush()
        latest = await stored_sessions.session_messages(store.database, "s", limit=3)
        assert [content for _, content, _ in latest] == ["a3", "q4", "a4"]


async def test_the_latest_state_of_every_breaker_is_kept(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        store.log.append(ev.BreakerChanged(BREAKER, "closed"))
        other = ev.BreakerSnapshot("g/n", "node", "closed", 1)
        store.log.append(ev.BreakerChanged(other, "closed"))
        closed = ev.BreakerSnapshot("e small", "endpoint", "closed")
        store.log.append(ev.BreakerChanged(closed, "half_open"))
        await store.log.flush()
        assert await queries.breakers(store.database) == [closed, other]


async def test_numbers_go_on_where_the_file_ends(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        assert await queries.next_numbers(store.database) == (1, 1)
        store.log.append(note(), start(store, 7))
        await store.log.flush()
        assert await queries.next_numbers(store.database) == (3, 8)
        assert await queries.last_position(store.database, "tx7") == (2, store.published()[-1].t_ms)
        assert await queries.last_position(store.database, "nobody") == (0, 0)


async def test_a_changed_byte_in_one_event_is_found_and_the_other_transactions_can_be_read(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        commit(store, start(store, 1))
        commit(store, start(store, 2))
        await store.log.flush()
        await store.database.write("UPDATE events SET body = replace(body, 'done', 'gone') WHERE gseq = 2")
        with pytest.raises(StoreError) as caught:
            await queries.events(store.database, "tx1")
        assert caught.value.code == "event_damaged"
        assert "doctor" in caught.value.remedy
        assert len(await queries.events(store.database, "tx2")) == 2


async def test_an_event_of_a_newer_program_is_named_as_such(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        start(store, 1)
        await store.log.flush()
        await store.database.write("UPDATE events SET v = 99")
        for row in read(store.database.path, "SELECT gseq, tx, seq, t_ms, wall_ms, kind, v, body FROM events"):
            await store.database.write("UPDATE events SET crc = ? WHERE gseq = ?", (checksum(*row), row[0]))
        with pytest.raises(StoreError) as caught:
            await queries.events(store.database, "tx1")
        assert caught.value.code == "event_unreadable"
        assert "Update" in caught.value.remedy


async def test_retention_keeps_the_newest_transactions_with_the_engines_events_inside_them(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        await stored_sessions.create_session(store.database, SessionRow("s", "mine", 1, 1, 0))
        change = ev.BackendChanged("e", "b", "ready")
        running = None
        for number in range(1, 6):
            store.log.append(change)
            stream = start(store, number, session="s")
            store.log.append(change)
            if number == 3:
                running = stream
            else:
                commit(store, stream)
        await store.log.flush()
        kept_before = await queries.events(store.database, "tx4")
        await prune(store.database, Limits(keep=1))
        assert [row.number for row in await queries.transactions(store.database, limit=9)] == [5, 3], "3 still runs"
        assert running is not None
        assert await queries.events(store.database, "tx4") == []
        assert [e.kind for e in await queries.events(store.database, "tx5")] == [
            "begin",
            "backend_changed",
            "committed",
        ]
        assert len(kept_before) == 3
        ((first,),) = read(store.database.path, "SELECT min(first_gseq) FROM transactions")
        ((oldest,),) = read(store.database.path, "SELECT min(gseq) FROM events")
        assert oldest == first, "what belongs to no kept span is gone"
        assert len(await stored_sessions.session_messages(store.database, "s")) == 8, "a session keeps what was said"
        await prune(store.database, Limits(keep=1))
        assert len(await queries.transactions(store.database, limit=9)) == 2


async def test_retention_of_an_empty_store_does_nothing(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        store.log.append(ev.BackendChanged("e", "b", "ready"))
        await store.log.flush()
        await prune(store.database, Limits(keep=10))
        assert len(store.stored()) == 1


@settings(max_examples=30)
@given(TEXT, TEXT)
def test_any_question_and_answer_come_back_as_they_were(question: str, answer: str) -> None:
    async def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with open_store(Path(folder)) as store:
                await stored_sessions.create_session(store.database, SessionRow("s", "mine", 1, 1, 0))
                commit(store, start(store, 1, session="s", question=question), answer)
                await store.log.flush()
                (row,) = await queries.transactions(store.database, limit=1)
                assert (row.question, row.answer) == (question, answer)
                turns = await stored_sessions.session_messages(store.database, "s")
                assert [content for _, content, _ in turns] == [question, answer]
                assert [asdict(e) for e in await queries.events(store.database, "tx1")] == [
                    asdict(e) for e in store.published()
                ]

    asyncio.run(run())


@pytest.mark.parametrize("missing", ["kind = 'begin'", "kind = 'node_started'", "kind = 'committed'"])
async def test_a_transaction_of_which_an_event_is_missing_is_damaged(tmp_path: Path, missing: str) -> None:
    async with open_store(tmp_path) as store:
        stream = start(store, 1)
        store.log.append(ev.NodeStarted("n", 1, 1), stream)
        store.log.append(ev.BackendChanged("e", "b", "ready"))
        commit(store, stream)
        await store.log.flush()
        assert len(await queries.events(store.database, "tx1")) >= 4
        await store.database.write(f"DELETE FROM events WHERE {missing}")
        with pytest.raises(StoreError) as caught:
            await queries.events(store.database, "tx1")
        assert caught.value.code == "events_missing"
