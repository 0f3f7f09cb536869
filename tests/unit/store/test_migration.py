"""A store of version 1, as the program wrote it then, is opened by this program: nothing in it is lost."""

from __future__ import annotations

import shutil
import sqlite3
import stat
from pathlib import Path

import pytest

import engine
from engine.store import queries
from engine.store.database import Database, StoreError
from engine.store.files import unused
from engine.store.schema import VERSION
from tests.running import run_in
from tests.unit.graph.samples import good
from tests.unit.store.rig import FILE, read

RECORDED = Path(__file__).parents[2] / "data" / "store_version_1.sqlite"
FIRST = "924e5b0065850974ad177e3dde63322ceee285e1ff2c14941dfa10030103df8b"
SECOND = "d8b697788ab15b6f182b860060db8c0f19f769387ac9a24c292d77743dc88099"
STRICT = "176ffbc25ed68cbc2a45cdf77e86bc21f53e208e7585d19bc48a5c8ecd0c770b"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder with the store of version 1."""
    (tmp_path / "data").mkdir(mode=0o700)
    shutil.copyfile(RECORDED, tmp_path / "data" / FILE)
    (tmp_path / "data" / FILE).chmod(0o600)
    return tmp_path / "data"


def backups(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"{FILE}.schema-*"))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def contents(path: Path) -> list[str]:
    connection = sqlite3.connect(path)
    try:
        return list(connection.iterdump())
    finally:
        connection.close()


async def test_its_transactions_their_events_and_its_session_are_all_there(folder: Path) -> None:
    async with engine.open(folder) as eng:
        rows = await eng.transactions()
        assert [(row.number, row.status, row.graph_id) for row in rows] == [
            (5, "committed", "graph.notes"),
            (4, "rolled_back", "graph.strict"),
            (3, "committed", "graph.notes"),
            (2, "committed", "graph.notes"),
            (1, "committed", "graph.notes"),
        ]
        for row in rows:
            assert (await eng.view(row.tx)).question == row.question
        (session,) = await eng.sessions()
        assert session.messages == 6
    assert read(folder / FILE, "PRAGMA user_version") == [(VERSION,)]


async def test_its_revisions_are_filled_in_from_its_begin_events(folder: Path) -> None:
    async with engine.open(folder) as eng:
        rows = {row.hash: row for row in await eng.graph_history()}
        assert {key: (row.graph_id, row.version, row.name, row.runs) for key, row in rows.items()} == {
            FIRST: ("graph.notes", "1.0.0", "Notes", 3),
            SECOND: ("graph.notes", "1.1.0", "Notes", 1),
            STRICT: ("graph.strict", "1.0.0", "", 1),
        }
        times = {row.number: row.started_ms for row in await eng.transactions()}
        assert (rows[FIRST].first_seen_ms, rows[FIRST].last_used_ms) == (times[1], times[5])
        assert (rows[SECOND].first_seen_ms, rows[SECOND].last_used_ms) == (times[3], times[3])
        graph = await eng.graph_revision("#3")
        assert (graph.version, [node.id for node in graph.nodes]) == ("1.1.0", ["start", "shout", "answer"])


async def test_it_goes_on_with_new_runs(folder: Path) -> None:
    async with engine.open(folder) as eng:
        graph = await eng.graph_revision(SECOND)
        ran = await run_in(eng, graph, "IN CAPITALS")
        assert ran.result.text == "in capitals"
        assert [row.number for row in await eng.transactions(limit=2)] == [6, 5]
        assert (await eng.graph_history())[0].hash == graph.content_hash()


async def test_a_copy_of_it_is_made_first_and_a_notice_says_where(folder: Path) -> None:
    before = contents(folder / FILE)
    database = await Database.open(folder)
    await database.close()
    (backup,) = backups(folder)
    (notice,) = database.notices
    assert str(backup) in notice
    assert contents(backup) == before
    assert read(backup, "PRAGMA user_version") == [(1,)]
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert names(folder) == {FILE, backup.name, "owner.lock"}

    again = await Database.open(folder)
    await again.close()
    assert again.notices == [], "there is nothing to migrate any more"
    assert backups(folder) == [backup]


async def test_the_copy_has_what_only_the_write_ahead_log_holds(folder: Path) -> None:
    other = sqlite3.connect(folder / FILE)
    try:
        other.execute("UPDATE transactions SET question = 'still in the log' WHERE number = 1")
        other.commit()
        database = await Database.open(folder)
        await database.close()
        (backup,) = backups(folder)
        assert read(backup, "SELECT question FROM transactions WHERE number = 1") == [("still in the log",)]
    finally:
        other.close()


async def test_an_earlier_copy_is_kept(folder: Path) -> None:
    earlier = folder / f"{FILE}.schema-1"
    earlier.write_text("precious")
    database = await Database.open(folder)
    await database.close()
    assert earlier.read_text() == "precious"
    assert read(folder / f"{FILE}.schema-1-2", "PRAGMA user_version") == [(1,)]
    assert unused(earlier) == folder / f"{FILE}.schema-1-3"


async def test_without_room_for_the_copy_nothing_is_changed_and_nothing_left_behind(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path) -> None:
        raise OSError(28, "No space left on device")

    before = contents(folder / FILE)
    monkeypatch.setattr("engine.store.backup.force_to_disk", full)
    with pytest.raises(StoreError) as caught:
        await Database.open(folder)
    assert caught.value.code == "disk_full"
    assert contents(folder / FILE) == before
    assert names(folder) <= {FILE, f"{FILE}-wal", f"{FILE}-shm", "owner.lock"}
    monkeypatch.undo()
    database = await Database.open(folder)
    assert not database.read_only
    await database.close()


async def test_a_begin_that_is_damaged_has_no_revision_and_does_not_stop_the_migration(folder: Path) -> None:
    connection = sqlite3.connect(folder / FILE)
    connection.execute("UPDATE events SET body = '{\"graph\":' WHERE gseq = (SELECT min(gseq) FROM events)")
    connection.execute("UPDATE events SET body = '{}' WHERE tx = (SELECT tx FROM transactions WHERE number = 3)")
    connection.commit()
    connection.close()
    database = await Database.open(folder)
    try:
        assert {row.hash: row.runs for row in await queries.revisions(database)} == {FIRST: 2, STRICT: 1}
        assert len(await queries.transactions(database, limit=9)) == 5
    finally:
        await database.close()


async def test_while_an_older_program_owns_it_it_is_read_and_says_that_it_has_no_revisions(folder: Path) -> None:
    from engine.store.ownership import Ownership

    older = Ownership(folder)
    assert older.acquire()
    try:
        async with engine.open(folder) as eng:
            assert len(await eng.transactions()) == 5
            for asked in (eng.graph_history(), eng.graph_revision("#1")):
                with pytest.raises(StoreError) as caught:
                    await asked
                assert "Close the other program" in caught.value.remedy
    finally:
        older.release()
    assert read(folder / FILE, "PRAGMA user_version") == [(1,)]
    assert backups(folder) == []


async def test_a_new_store_and_one_that_is_up_to_date_are_not_copied(tmp_path: Path) -> None:
    for _ in range(2):
        async with engine.open(tmp_path) as eng:
            assert eng.notices == []
    assert backups(tmp_path) == []


async def test_a_newer_store_is_read_with_its_revisions_and_not_copied(folder: Path) -> None:
    database = await Database.open(folder)
    await database.close()
    connection = sqlite3.connect(folder / FILE)
    connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    async with engine.open(folder) as eng:
        assert eng.read_only
        assert len(await eng.graph_history("graph.notes")) == 2
        await run_in(eng, good(), "not recorded")
    assert [path.name for path in backups(folder)] == [f"{FILE}.schema-1"]
    assert read(folder / FILE, "SELECT count(*) FROM graph_revisions") == [(3,)]
