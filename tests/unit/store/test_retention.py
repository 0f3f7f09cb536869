"""Retention: what goes, what stays, and how much room it makes."""

from __future__ import annotations

from pathlib import Path

import pytest

import engine
from engine import events as ev
from engine.config import EngineConfig
from engine.errors import EngineError
from engine.run.engine import Engine
from engine.store.database import StoreError
from engine.store.deep_check import examine
from engine.store.retention import Limits, prune
from tests.graphs import chain, one_model
from tests.running import run_in
from tests.scripted_backend import ScriptedBackend
from tests.unit.store.rig import FILE, begin, note, open_store, read

DAY = 86_400.0


async def numbers(eng: Engine) -> list[int]:
    return [row.number for row in await eng.transactions()]


@pytest.fixture
async def six(tmp_path: Path) -> Path:
    """A store of six runs."""
    async with engine.open(tmp_path) as eng:
        for _ in range(6):
            await run_in(eng, chain(), "Why? " * 4000)
    return tmp_path


@pytest.mark.parametrize("keep", [1, 2, 5, 6, 7])
async def test_the_newest_so_many_are_kept(six: Path, keep: int) -> None:
    async with engine.open(six) as eng:
        report = await eng.prune(keep=keep)
        assert await numbers(eng) == list(range(6, max(6 - keep, 0), -1))
        assert list(report.numbers) == list(range(1, 7 - keep))
    assert examine(six / FILE).sound


async def test_a_dry_run_removes_nothing_and_says_about_what_would_go(six: Path) -> None:
    async with engine.open(six) as eng:
        before = read(six / FILE, "SELECT count(*) FROM events")
        said = await eng.prune(keep=2, dry_run=True)
        assert read(six / FILE, "SELECT count(*) FROM events") == before
        done = await eng.prune(keep=2)
        assert (said.numbers, said.events, said.bytes_before) == (done.numbers, done.events, done.bytes_before)
        assert said.bytes_freed == pytest.approx(done.bytes_freed, rel=0.3)


async def test_the_file_becomes_smaller_by_what_is_freed(six: Path) -> None:
    async with engine.open(six) as eng:
        report = await eng.prune(keep=1)
        assert report.bytes_freed > 5 * 20_000
        assert report.file_freed >= report.bytes_freed
    assert read(six / FILE, "PRAGMA freelist_count") == [(0,)]
    assert (six / FILE).stat().st_size <= report.bytes_before - report.bytes_freed


async def test_what_is_older_goes_by_the_time_at_which_it_ended(six: Path) -> None:
    async with engine.open(six) as eng:
        assert eng._recording is not None
        rows = await eng.transactions()
        ended_s = max(row.started_ms + row.duration_ms for row in rows) / 1000
        young = await prune(eng._recording, Limits(older_than_s=DAY), wall_s=ended_s + DAY - 60)
        assert young.numbers == ()
        old = await prune(eng._recording, Limits(older_than_s=DAY), wall_s=ended_s + DAY + 60)
        assert old.numbers == (1, 2, 3, 4, 5)
        assert await numbers(eng) == [6], "numbers go on from the latest one"
        back = await prune(eng._recording, Limits(older_than_s=DAY), wall_s=ended_s - 3600)
        assert back.numbers == (), "a clock that was set back makes nothing old"


async def test_the_oldest_go_until_the_store_has_its_size(six: Path) -> None:
    async with engine.open(six) as eng:
        used = (await eng.prune(keep=9, dry_run=True)).bytes_before
        assert (await eng.prune(max_bytes=used)).numbers == ()
        report = await eng.prune(max_bytes=used - 50_000)
        assert 1 in report.numbers
        assert list(report.numbers) == list(range(1, len(report.numbers) + 1))
        left = (await eng.prune(keep=9, dry_run=True)).bytes_before
        assert left <= used - 50_000
        assert await numbers(eng), "not more than needed"
        assert (await eng.prune(max_bytes=0)).numbers[-1:] == (5,)
        assert await numbers(eng) == [6]


async def test_limits_work_together(six: Path) -> None:
    async with engine.open(six) as eng:
        assert (await eng.prune(keep=4, older_than_s=DAY)).numbers == (1, 2)


async def test_a_run_that_goes_on_is_never_touched(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        for number in range(1, 5):
            stream = store.log.stream(f"tx{number}")
            store.log.append(begin(number), stream)
            store.log.append(note(), stream)
            if number != 2:
                store.log.append(ev.Committed("success", "end", ""), stream)
        await store.log.flush()
        report = await prune(store.database, Limits(keep=1, older_than_s=0, max_bytes=0), wall_s=1e12)
        assert report.numbers == (1, 3)
        assert read(store.database.path, "SELECT tx, count(*) FROM events GROUP BY tx") == [("tx2", 2), ("tx4", 3)]


async def test_where_the_latest_still_goes_on_the_newest_that_ended_are_counted(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        for number in range(1, 5):
            stream = store.log.stream(f"tx{number}")
            store.log.append(begin(number), stream)
            if number != 4:
                store.log.append(ev.Committed("success", "end", ""), stream)
        await store.log.flush()
        assert (await prune(store.database, Limits(keep=2))).numbers == (1,)


async def test_the_engines_events_stay_where_a_kept_run_spans_them(tmp_path: Path) -> None:
    change = ev.BackendChanged("e", "b", "ready")
    async with open_store(tmp_path) as store:
        long = store.log.stream("long")
        store.log.append(begin(1), long)
        for number in (2, 3):
            stream = store.log.stream(f"tx{number}")
            store.log.append(begin(number), stream)
            store.log.append(change)
            store.log.append(ev.Committed("success", "end", ""), stream)
        store.log.append(ev.Committed("success", "end", ""), long)
        store.log.append(change)
        last = store.log.stream("last")
        store.log.append(begin(4), last)
        store.log.append(ev.Committed("success", "end", ""), last)
        await store.log.flush()
        await store.database.write("UPDATE transactions SET started_ms = 0, duration_ms = 0 WHERE tx LIKE 'tx%'")
        assert (await prune(store.database, Limits(older_than_s=DAY))).numbers == (2, 3)
        from engine.store import queries

        kinds = [event.kind for event in await queries.events(store.database, "long")]
        assert kinds == ["begin", "backend_changed", "backend_changed", "committed"]
        assert read(store.database.path, "SELECT count(*) FROM events WHERE tx IS NULL") == [(2,)]


@pytest.mark.parametrize("limits", [Limits(), Limits(keep=-1), Limits(max_bytes=-1)])
async def test_without_a_sensible_limit_nothing_is_removed(tmp_path: Path, limits: Limits) -> None:
    async with open_store(tmp_path) as store:
        with pytest.raises(EngineError) as caught:
            await prune(store.database, limits)
        assert caught.value.code == "limits_invalid"


async def test_who_only_reads_removes_nothing_but_can_ask_what_would_go(six: Path) -> None:
    async with engine.open(six), engine.open(six) as second:
        with pytest.raises(StoreError, match="reading only"):
            await second.prune(keep=1)
        assert len((await second.prune(keep=1, dry_run=True)).numbers) == 5
    async with engine.open() as nowhere:
        with pytest.raises(EngineError, match="no store"):
            await nowhere.prune(keep=1)


async def test_runs_write_while_others_are_removed(six: Path, scripted: ScriptedBackend) -> None:
    import asyncio

    async with engine.open(six) as eng:
        _, ran = await asyncio.gather(eng.prune(keep=1), run_in(eng, one_model(), "meanwhile"))
        assert await eng.events(ran.result.transaction) == ran.events
        assert ran.result.number == 7
    assert examine(six / FILE).sound


async def test_the_bound_on_the_size_is_kept_at_the_next_start(six: Path) -> None:
    from tests.waiting import until

    async with engine.open(six) as eng:
        for _ in range(4):
            await run_in(eng, chain(), "Why? " * 12_000)
    async with engine.open(six, config=EngineConfig(max_size_mb=1)) as eng:
        await until(lambda: (six / FILE).stat().st_size <= 2**20)
        assert await numbers(eng)
