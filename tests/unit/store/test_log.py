from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import events as ev
from engine.bus import EventBus
from engine.errors import EngineError, ErrorClass
from engine.store import queries
from engine.store.database import StoreError
from engine.store.log import GROUP, MAX_UNSYNCED, EventLog
from tests.unit.health.clock import Clock
from tests.unit.store.rig import begin, note, open_store
from tests.waiting import until


async def test_a_begin_is_published_only_when_it_is_on_disk(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        store.gate.open.clear()
        event = store.log.append(begin(), store.log.stream("tx"))
        await store.gate.waiting.wait()
        assert store.published() == []
        assert store.stored() == []
        store.gate.open.set()
        await store.log.synced(event)
        assert store.stored() == [(1, "begin")]
        assert store.published() == [event]


@pytest.mark.parametrize("terminal", [ev.Committed("success", "end", "done"), ev.RolledBack("cancelled")])
async def test_a_terminal_event_is_published_only_when_it_is_on_disk(tmp_path: Path, terminal: ev.Body) -> None:
    async with open_store(tmp_path) as store:
        stream = store.log.stream("tx")
        await store.log.synced(store.log.append(begin(), stream))
        store.published()
        store.gate.open.clear()
        store.gate.waiting.clear()
        event = store.log.append(terminal, stream)
        later = store.log.append(ev.BackendChanged("e", "b", "ready"))
        await store.gate.waiting.wait()
        assert store.published() == [], "neither the barrier nor what came after it"
        store.gate.open.set()
        await store.log.flush()
        assert store.published() == [event, later]


async def test_other_events_are_published_at_once_and_written_soon(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        event = store.log.append(note())
        assert store.published() == [event]
        assert store.log.unsynced == 1
        await store.log.flush()
        assert store.log.unsynced == 0
        assert store.stored() == [(1, "node_started")]


async def test_a_lazy_event_is_written_without_anybody_waiting_for_it(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        store.log.append(note())
        await asyncio.wait_for(store.gate.waiting.wait(), 10)
        await until(lambda: not store.log.unsynced)
        assert store.stored() == [(1, "node_started")]


async def test_what_has_queued_up_is_written_in_groups(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        for _ in range(3 * GROUP):
            store.log.append(note())
        await store.log.flush()
        assert store.gate.groups == 3
        assert len(store.stored()) == 3 * GROUP


async def test_the_file_always_holds_a_prefix_without_gaps(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        total = 3 * GROUP + 7
        for _ in range(total):
            store.log.append(note())
        seen = []
        while store.log.unsynced:
            await asyncio.sleep(0)
            seen.append([gseq for gseq, _ in store.stored()])
        for numbers in seen:
            assert numbers == list(range(1, len(numbers) + 1))
        assert len(seen[-1]) == total
        assert {len(numbers) for numbers in seen} <= {0, GROUP, 2 * GROUP, 3 * GROUP, total}, (
            "a group is whole or absent"
        )


@settings(max_examples=25)
@given(st.lists(st.sampled_from(["begin", "lazy", "engine", "commit", "turn"]), max_size=30))
def test_events_are_published_in_the_order_of_their_numbers(actions: list[str]) -> None:
    async def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with open_store(Path(folder)) as store:
                streams = [store.log.stream("tx 0")]
                appended = []
                for number, action in enumerate(actions, 1):
                    if action == "begin":
                        streams.append(store.log.stream(f"tx {number}"))
                        appended.append(store.log.append(begin(number), streams[-1]))
                    elif action == "lazy":
                        appended.append(store.log.append(note(), streams[-1]))
                    elif action == "engine":
                        appended.append(store.log.append(ev.BackendChanged("e", "b", "ready")))
                    elif action == "commit":
                        appended.append(store.log.append(ev.Committed("success", "end", ""), streams[-1]))
                    else:
                        await asyncio.sleep(0.001)
                await store.log.flush()
                assert store.published() == appended
                assert [gseq for gseq, _ in store.stored()] == [event.gseq for event in appended]

    asyncio.run(run())


async def test_events_of_one_transaction_are_numbered_without_gaps_and_the_engines_are_not(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        one, two = store.log.stream("a"), store.log.stream("b")
        for stream in (one, two, one, None, one):
            store.log.append(note(), stream)
        assert [(e.gseq, e.tx, e.seq) for e in store.published()] == [
            (1, "a", 1),
            (2, "b", 1),
            (3, "a", 2),
            (4, None, 0),
            (5, "a", 3),
        ]


async def test_a_stream_that_goes_on_continues_its_numbers_and_its_time(tmp_path: Path) -> None:
    clock = Clock()
    async with open_store(tmp_path, now=clock.now) as store:
        stream = store.log.stream("a", seq=7, t_ms=500)
        clock.advance(0.25)
        event = store.log.append(note(), stream)
        assert (event.seq, event.t_ms) == (8, 750)


async def test_runs_are_asked_to_pause_when_the_store_is_too_far_behind(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        store.gate.open.clear()
        for _ in range(MAX_UNSYNCED):
            store.log.append(note())
        assert store.log.blocked == ""
        store.log.append(note())
        assert store.log.blocked == "The store is behind."
        waiting = asyncio.create_task(store.log.unblocked())
        await asyncio.sleep(0)
        assert not waiting.done()
        store.gate.open.set()
        await waiting


def full() -> sqlite3.OperationalError:
    """What sqlite3 raises when the disk is full (see the real one in tests/faults)."""
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    return error


async def test_a_refused_group_is_written_when_the_store_takes_it_again(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        store.gate.refusal = full()
        event = store.log.append(begin(), store.log.stream("tx"))
        waiting = asyncio.create_task(store.log.unblocked())
        synced = asyncio.create_task(store.log.synced(event))
        await until(lambda: store.log.error)
        assert "full" in store.log.blocked
        assert "space" in store.log.error.remedy
        store.gate.refusal = None
        await synced
        await waiting
        assert store.log.blocked == ""
        assert store.stored() == [(1, "begin")]
        assert store.published() == [event]


async def test_who_waits_is_told_when_the_patience_is_over_and_nothing_is_lost(tmp_path: Path) -> None:
    clock = Clock()
    async with open_store(tmp_path, now=clock.now, patience_s=10) as store:
        store.gate.refusal = full()
        event = store.log.append(begin(), store.log.stream("tx"))
        synced = asyncio.create_task(store.log.synced(event))
        await until(lambda: store.log.error)
        assert not store.log.failed
        clock.advance(10)
        with pytest.raises(StoreError, match="full"):
            await synced
        assert store.log.failed
        assert store.published() == [event], "every stream goes on, and says how it ended"
        with pytest.raises(StoreError):
            await store.log.synced(store.log.append(note()))
        with pytest.raises(StoreError):
            await store.log.unblocked()
        store.gate.refusal = None
        await until(lambda: not store.log.unsynced)
        assert not store.log.failed
        assert [gseq for gseq, _ in store.stored()] == [1, 2]


async def test_a_commit_that_the_store_never_took_is_a_rollback_for_everybody(tmp_path: Path) -> None:
    clock = Clock()
    async with open_store(tmp_path, now=clock.now, patience_s=10) as store:
        stream = store.log.stream("tx")
        await store.log.synced(store.log.append(begin(), stream))
        store.published()
        store.gate.refusal = full()
        commit = store.log.append(ev.Committed("success", "end", "done", usage=ev.Usage(1, 2, 3)), stream)
        synced = asyncio.create_task(store.log.synced(commit))
        await until(lambda: store.log.error)
        clock.advance(10)
        with pytest.raises(StoreError):
            await synced
        (told,) = store.published()
        assert (told.gseq, told.seq, told.kind) == (commit.gseq, commit.seq, "rolled_back")
        store.gate.refusal = None
        await until(lambda: not store.log.unsynced)
        (event,) = [e for e in await queries.events(store.database, "tx") if e.gseq == commit.gseq]
        assert event.body == told.body, "who reads the file later sees what was told"
        assert isinstance(event.body, ev.RolledBack)
        assert event.body.usage == ev.Usage(1, 2, 3)


@pytest.mark.parametrize("refusal", [ValueError("no active connection"), OSError(5, "Input/output error")])
async def test_whatever_the_database_raises_the_writer_lives_on(tmp_path: Path, refusal: Exception) -> None:
    async with open_store(tmp_path) as store:
        store.gate.refusal = refusal
        event = store.log.append(note())
        synced = asyncio.create_task(store.log.synced(event))
        await until(lambda: store.log.error)
        store.gate.refusal = None
        await synced
        assert store.stored() == [(1, "node_started")]


@pytest.mark.parametrize("value", ["\ud800", object(), b"\xff"])
async def test_what_is_no_json_is_refused_to_who_appends_it_and_takes_no_number(tmp_path: Path, value: object) -> None:
    async with open_store(tmp_path) as store:
        stream = store.log.stream("tx")
        with pytest.raises(EngineError) as caught:
            store.log.append(ev.NodeFinished("n", 1, "ok", data={"value": value}), stream)
        assert caught.value.error_class is ErrorClass.INTERNAL
        event = store.log.append(note(), stream)
        assert (event.gseq, event.seq) == (1, 1)
        await store.log.flush()
        assert store.stored() == [(1, "node_started")]


async def test_an_event_is_stored_as_it_was_when_it_was_appended(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        data = {"value": 1}
        store.log.append(begin(inputs=data), store.log.stream("tx"))
        data["value"] = 2
        await store.log.flush()
        (event,) = await queries.events(store.database, "tx")
        assert isinstance(event.body, ev.Begin)
        assert event.body.inputs == {"value": 1}


async def test_the_log_ends_with_everything_written(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        for _ in range(GROUP + 1):
            store.log.append(note())
    async with open_store(tmp_path) as store:
        assert len(store.stored()) == GROUP + 1


async def test_without_a_database_every_event_counts_as_durable_and_the_latest_are_kept() -> None:
    log = EventLog(EventBus(), None)
    stream, other = log.stream("a"), log.stream("b")
    before = log.append(ev.BackendChanged("e", "b", "starting"))
    first = log.append(begin(), stream)
    await log.synced(first)
    inside = log.append(ev.BackendChanged("e", "b", "ready"))
    log.append(begin(2), other)
    last = log.append(ev.Committed("success", "end", ""), stream)
    log.append(ev.BackendChanged("e", "b", "offline"))
    assert log.unsynced == 0
    assert log.kept("a") == [first, inside, last]
    assert before not in log.kept("b")
    assert log.kept("a", after=first.gseq) == [inside, last]
    assert log.kept("nobody") == []
    await log.flush()
    await log.write_forever()


async def test_with_strict_durability_nothing_is_published_before_it_is_on_disk(tmp_path: Path) -> None:
    async with open_store(tmp_path, durability="strict") as store:
        stream = store.log.stream("tx")
        store.gate.open.clear()
        appended = [
            store.log.append(begin(), stream),
            store.log.append(note(), stream),
            store.log.append(note(), stream),
        ]
        await store.gate.waiting.wait()
        assert store.published() == []
        assert store.log.pending() == [], "who reads sees no more than who listens"
        store.gate.open.set()
        await store.log.flush()
        assert store.published() == appended
        store.gate.open.clear()
        store.gate.waiting.clear()
        lazy = store.log.append(note(), stream)
        await store.gate.waiting.wait()
        assert (store.published(), len(store.stored())) == ([], 3)
        store.gate.open.set()
        await store.log.flush()
        assert store.published() == [lazy]


async def test_with_strict_durability_a_lazy_event_waits_for_no_company(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.store.log.LAZY_S", 3600)
    async with open_store(tmp_path, durability="strict") as store:
        event = store.log.append(note())
        await until(lambda: not store.log.unsynced)
        assert store.published() == [event]


async def test_whatever_is_seen_of_a_strict_log_is_in_the_file(tmp_path: Path) -> None:
    async with open_store(tmp_path, durability="strict") as store:
        for turn in range(2 * GROUP):
            store.log.append(note())
            if turn % 7 == 0:
                await asyncio.sleep(0)
            seen = [event.gseq for event in store.published()]
            assert set(seen) <= {gseq for gseq, _ in store.stored()}
        await store.log.flush()
        assert len(store.stored()) == 2 * GROUP


async def test_a_strict_log_that_is_refused_for_too_long_tells_why_all_the_same(tmp_path: Path) -> None:
    clock = Clock()
    async with open_store(tmp_path, now=clock.now, patience_s=10, durability="strict") as store:
        stream = store.log.stream("tx")
        await store.log.synced(store.log.append(begin(), stream))
        store.published()
        store.gate.refusal = full()
        lazy = store.log.append(note(), stream)
        commit = store.log.append(ev.Committed("success", "end", "done"), stream)
        await until(lambda: store.log.error)
        assert store.published() == []
        clock.advance(10)
        with pytest.raises(StoreError):
            await store.log.synced(commit)
        told: list[ev.Event] = []
        await until(lambda: told.extend(store.published()) or told)
        assert told[0] == lazy
        assert [event.kind for event in told] == ["node_started", "rolled_back"]
        store.gate.refusal = None
        await until(lambda: not store.log.unsynced)


async def test_numbers_that_are_set_aside_are_given_to_nobody_else(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        before = store.log.append(note())
        assert store.log.reserve(5) == before.gseq + 1
        after = store.log.append(note())
        assert after.gseq == before.gseq + 6
        await store.log.flush()
        assert store.published() == [before, after]
