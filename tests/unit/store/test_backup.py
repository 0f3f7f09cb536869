"""Backups, restoring one, and the deep check."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import engine
from engine.store.backup import copy_database
from engine.store.database import Database, StoreError
from engine.store.deep_check import examine
from engine.store.ownership import Ownership
from engine.store.readers import readers
from engine.store.restore import restore
from engine.store.schema import VERSION
from tests.graphs import chain, one_model
from tests.running import run_in
from tests.scripted_backend import ScriptedBackend
from tests.unit.store.rig import FILE, begin, note, open_store, read

RECORDED = Path(__file__).parents[2] / "data" / "store_version_1.sqlite"


@pytest.fixture
async def folder(tmp_path: Path, scripted: ScriptedBackend) -> Path:
    """A data folder with two runs of a session, and one that was rolled back."""
    async with engine.open(tmp_path / "data") as eng:
        session = (await eng.create_session("mine")).id
        for question in ("first", "second"):
            await run_in(eng, one_model(), question, session=session)
        await run_in(eng, chain(exit_config={"status": "error"}), "third")
    return tmp_path / "data"


def change(path: Path, sql: str) -> None:
    connection = sqlite3.connect(path)
    connection.executescript(sql)
    connection.close()


def names(folder: Path, pattern: str = "*") -> set[str]:
    return {path.name for path in folder.glob(pattern)}


async def questions(folder: Path) -> list[str]:
    async with engine.open(folder) as eng:
        return [row.question for row in await eng.transactions()]


# -- copies ----------------------------------------------------------------------------------------------------------


async def test_a_copy_of_a_database_in_use_is_whole_private_and_one_file(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere" / "copy.db"
    copy.parent.mkdir()
    async with engine.open(folder) as eng:
        await run_in(eng, chain(), "still in the log")
        copy_database(folder / FILE, copy)
    assert read(copy, "SELECT question FROM transactions ORDER BY number DESC LIMIT 1") == [("still in the log",)]
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert names(copy.parent) == {"copy.db"}
    assert examine(copy).sound


async def test_what_is_no_database_is_not_copied_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("I am no database. " * 1000)
    with pytest.raises(sqlite3.DatabaseError):
        copy_database(tmp_path / "text", tmp_path / "copy")
    assert names(tmp_path) == {"text"}


# -- restoring -------------------------------------------------------------------------------------------------------


async def test_a_restored_backup_is_the_database_and_the_present_one_is_kept(folder: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup.db"
    copy_database(folder / FILE, backup)
    async with engine.open(folder) as eng:
        await run_in(eng, chain(), "after the backup")
    done = await restore(folder, backup)
    assert (done.report.transactions, done.ended) == (3, ())
    assert await questions(folder) == ["third", "second", "first"]
    assert done.aside is not None
    assert read(done.aside, "SELECT count(*) FROM transactions") == [(4,)]
    assert names(folder) == {FILE, done.aside.name, "owner.lock"}
    assert stat.S_IMODE((folder / FILE).stat().st_mode) == 0o600
    assert backup.exists()


async def test_it_is_restored_where_nothing_was_and_over_what_is_damaged(folder: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup.db"
    copy_database(folder / FILE, backup)
    done = await restore(tmp_path / "new", backup)
    assert done.aside is None
    assert len(await questions(tmp_path / "new")) == 3
    (folder / FILE).write_bytes(b"rubbish " * 1000)
    done = await restore(folder, backup)
    assert done.aside is not None
    assert done.aside.read_bytes() == b"rubbish " * 1000
    assert len(await questions(folder)) == 3


async def test_nothing_is_restored_while_another_process_owns_the_database(folder: Path, tmp_path: Path) -> None:
    copy_database(folder / FILE, tmp_path / "backup.db")
    async with engine.open(folder):
        with pytest.raises(StoreError) as caught:
            await restore(folder, tmp_path / "backup.db")
    assert caught.value.code == "database_owned"
    assert f"process {os.getpid()}" in caught.value.message


def garbage(path: Path) -> None:
    path.write_bytes(b"rubbish " * 1000)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def altered(path: Path) -> None:
    change(path, "UPDATE events SET body = replace(body, 'first', 'worst')")


def foreign(path: Path) -> None:
    path.unlink()
    change(path, "CREATE TABLE recipes (name TEXT); INSERT INTO recipes VALUES ('soup');")


def evil(path: Path) -> None:
    change(path, "CREATE TRIGGER more AFTER INSERT ON sessions BEGIN DELETE FROM events; END;")


def cut(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


@pytest.mark.parametrize("damage", [garbage, empty, altered, foreign, evil, cut, Path.unlink])
async def test_a_file_that_is_no_sound_backup_changes_nothing(folder: Path, tmp_path: Path, damage: object) -> None:
    backup = tmp_path / "backup.db"
    copy_database(folder / FILE, backup)
    assert callable(damage)
    damage(backup)
    before = (folder / FILE).read_bytes()
    with pytest.raises(StoreError) as caught:
        await restore(folder, backup)
    assert caught.value.code == "backup_unusable"
    assert str(backup) in caught.value.message
    assert (folder / FILE).read_bytes() == before
    assert names(folder) <= {"owner.lock", FILE, f"{FILE}-wal", f"{FILE}-shm"}
    ownership = Ownership(folder)
    assert ownership.acquire(), "the refusal did not keep the ownership"
    ownership.release()


async def test_a_backup_of_a_newer_program_is_refused(folder: Path, tmp_path: Path) -> None:
    copy_database(folder / FILE, tmp_path / "backup.db")
    change(tmp_path / "backup.db", f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(StoreError) as caught:
        await restore(folder, tmp_path / "backup.db")
    assert caught.value.code == "backup_newer"


async def test_a_backup_of_an_older_program_is_brought_up_to_date(folder: Path) -> None:
    done = await restore(folder, RECORDED)
    assert done.report.schema == 1
    assert names(RECORDED.parent, f"{RECORDED.name}*") == {RECORDED.name}, "nothing is left beside the backup"
    assert read(folder / FILE, "PRAGMA user_version") == [(VERSION,)]
    assert len(await questions(folder)) == 5


async def test_a_run_that_went_on_during_the_backup_is_neither_resumed_nor_undone(tmp_path: Path) -> None:
    async with open_store(tmp_path / "theirs") as store:
        stream = store.log.stream("tx")
        store.log.append(begin(7), stream)
        store.log.append(note(), stream)
        await store.log.flush()
        copy_database(store.database.path, tmp_path / "backup.db")
    done = await restore(tmp_path / "ours", tmp_path / "backup.db")
    assert done.ended == (7,)
    async with engine.open(tmp_path / "ours") as eng:
        assert eng.recovered == ()
        (row,) = await eng.transactions()
        assert (row.status, row.reason) == ("rolled_back", "restored")
        assert (await eng.view("tx")).reason == "restored"


# -- the deep check --------------------------------------------------------------------------------------------------


def test_a_store_of_the_first_schema_is_sound(tmp_path: Path) -> None:
    shutil.copyfile(RECORDED, tmp_path / FILE)
    report = examine(tmp_path / FILE)
    assert (report.sound, report.schema, report.transactions) == (True, 1, 5), report.problems


async def test_a_store_that_is_in_use_is_sound_and_counted(folder: Path, scripted: ScriptedBackend) -> None:
    import asyncio

    go_on = asyncio.Event()
    scripted.answers(["part", go_on])
    async with engine.open(folder) as eng:
        run = eng.start(one_model(), "still going on")
        await scripted.busy.wait()
        await eng._log.flush()
        report = await asyncio.to_thread(examine, folder / FILE)
        assert report.sound, report.problems
        assert report.transactions == 4
        assert report.log_bytes > 0
        go_on.set()
        await run.result()
    ((events,),) = read(folder / FILE, "SELECT count(*) FROM events")
    report = examine(folder / FILE)
    assert (report.sound, report.events, report.log_bytes) == (True, events, 0)


SECOND = "(SELECT tx FROM transactions WHERE number = 2)"
NOTHING = """
INSERT INTO transactions (number, tx, status, graph_id, graph_hash, question, backend, started_ms, first_gseq)
"""
WRONG = {
    "a changed text": ("event", "UPDATE events SET body = replace(body, 'second', 'seconD')"),
    "a changed time": ("event", f"UPDATE events SET t_ms = t_ms + 1 WHERE tx = {SECOND} AND seq = 3"),
    "a changed version": ("event", f"UPDATE events SET v = 2 WHERE tx = {SECOND} AND seq = 3"),
    "a missing event": ("order", f"DELETE FROM events WHERE tx = {SECOND} AND seq = 3"),
    "a missing begin": ("order", f"DELETE FROM events WHERE tx = {SECOND} AND seq = 1"),
    "a missing end": ("order", f"DELETE FROM events WHERE tx = {SECOND} AND kind = 'committed'"),
    "a missing transaction": (
        "order",
        "UPDATE transactions SET tx = 'another' WHERE number = 2",
    ),
    "a transaction of nothing": ("order", f"{NOTHING} VALUES (99, 'x', 'executing', '', '', '', '', 0, 0)"),
    "a finished run that is called running": ("order", "UPDATE transactions SET status = 'executing' WHERE number = 2"),
    "another question": ("projection", "UPDATE transactions SET question = 'other' WHERE number = 2"),
    "another answer": ("projection", "UPDATE transactions SET answer = 'other' WHERE number = 2"),
    "another span": ("projection", "UPDATE transactions SET last_gseq = last_gseq + 1 WHERE number = 3"),
    "another reason": ("projection", "UPDATE transactions SET reason = 'other' WHERE number = 3"),
    "another usage": ("projection", "UPDATE transactions SET usage = '{}' WHERE number = 2"),
    "another message": ("projection", "UPDATE messages SET content = 'other' WHERE id = 2"),
    "a missing message": ("projection", "DELETE FROM messages WHERE id = 2"),
    "another graph": ("projection", "UPDATE graph_revisions SET spec = '{}'"),
    "another breaker": ("projection", "UPDATE breakers SET body = replace(body, 'closed', 'open')"),
    "a lost session": ("file", "DELETE FROM sessions"),
    "a table more": ("file", "CREATE TABLE recipes (name TEXT)"),
    "a trigger less": ("file", "DROP TRIGGER inbox_session"),
    "another program": ("file", "PRAGMA application_id = 7"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_whatever_is_wrong_is_found_and_named(folder: Path, name: str) -> None:
    kind, sql = WRONG[name]
    if name == "another breaker":
        async with engine.open(folder) as eng:
            from engine import events as ev

            eng._log.append(ev.BreakerChanged(ev.BreakerSnapshot("k", "endpoint", "closed"), "open"))
    assert examine(folder / FILE).sound
    change(folder / FILE, sql)  # without PRAGMA foreign_keys, as anybody could
    report = examine(folder / FILE)
    assert kind in report.counts
    assert report.problems[kind]  # type: ignore[index]
    assert not report.sound


READER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN")
connection.execute("SELECT count(*) FROM events").fetchall()
print("reading", flush=True)
sys.stdin.readline()
connection.execute("COMMIT")
print("done", flush=True)
sys.stdin.readline()
"""


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="this system does not tell who holds locks")
async def test_a_reader_that_does_not_end_is_named(folder: Path) -> None:
    async with engine.open(folder):
        other = subprocess.Popen(  # noqa: ASYNC220 - it is spoken to line by line
            [sys.executable, "-c", READER, str(folder / FILE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert other.stdin is not None
        assert other.stdout is not None
        try:
            assert other.stdout.readline() == "reading\n"
            if readers(folder / FILE) == frozenset():
                pytest.skip("locks of other processes are not shown here")
            assert examine(folder / FILE).long_readers == (other.pid,)
            other.stdin.write("\n")
            other.stdin.flush()
            assert other.stdout.readline() == "done\n"
            assert examine(folder / FILE).long_readers == ()
        finally:
            other.kill()
            other.communicate()


# -- a database that lost what it held --------------------------------------------------------------------------------


async def test_an_emptied_database_is_no_first_run(folder: Path) -> None:
    (folder / FILE).write_bytes(b"")
    assert not examine(folder / FILE).sound
    database = await Database.open(folder)
    await database.close()
    (notice,) = database.notices
    assert "lost" in notice
    assert "db restore" in notice
    (aside,) = names(folder, f"{FILE}.empty-*")
    assert aside in notice
    again = await Database.open(folder)
    await again.close()
    assert again.notices == []


async def test_a_log_without_its_database_is_kept_and_not_taken_for_that_of_a_new_one(folder: Path) -> None:
    async with engine.open(folder) as eng:
        await run_in(eng, chain(), "in the log")
        shutil.copyfile(folder / f"{FILE}-wal", folder / "wal")
    (folder / FILE).unlink()
    (folder / "wal").rename(folder / f"{FILE}-wal")
    log = (folder / f"{FILE}-wal").read_bytes()
    database = await Database.open(folder)
    try:
        assert "is missing" in database.notices[0]
        (aside,) = names(folder, f"{FILE}.empty-*-wal")
        assert (folder / aside).read_bytes() == log
        assert list(await database.fetch("SELECT count(*) FROM events")) == [(0,)]
    finally:
        await database.close()


async def test_a_first_run_says_nothing_even_after_one_that_was_killed_at_once(
    tmp_path: Path,
) -> None:
    (tmp_path / f"{FILE}.new").write_bytes(b"half")
    async with engine.open(tmp_path) as eng:
        assert eng.notices == []
    assert not (tmp_path / f"{FILE}.new").exists()
