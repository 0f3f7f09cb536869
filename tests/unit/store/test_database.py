from __future__ import annotations

import asyncio
import os
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from engine.errors import EngineError
from engine.store import queries
from engine.store import sessions as stored_sessions
from engine.store.database import Database, StoreError
from engine.store.ownership import Ownership
from engine.store.rows import SessionRow
from engine.store.schema import APPLICATION_ID, VERSION
from tests.unit.store.rig import FILE, begin, note, open_store, read


async def fill(folder: Path, events: int = 3) -> None:
    async with open_store(folder) as store:
        stream = store.log.stream("tx")
        store.log.append(begin(), stream)
        for _ in range(events):
            store.log.append(note(), stream)


async def test_a_new_database_is_private_and_ours(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "data"
    umask = os.umask(0)
    try:
        async with open_store(folder) as store:
            store.log.append(note())
            await store.log.flush()
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    finally:
        os.umask(umask)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert FILE in modes
    assert set(modes.values()) == {0o600}
    assert read(folder / FILE, "PRAGMA application_id") == [(APPLICATION_ID,)]
    assert read(folder / FILE, "PRAGMA user_version") == [(VERSION,)]


async def test_the_names_of_new_folders_are_on_the_disk_before_the_database_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forced: list[Path] = []
    monkeypatch.setattr("engine.store.files.force_to_disk", forced.append)
    async with open_store(tmp_path / "new" / "data"):
        assert {tmp_path, tmp_path / "new"} <= set(forced)


async def test_what_a_killed_process_left_unsynced_is_on_the_disk_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_store(tmp_path / "killed") as store:
        store.log.append(note())
        await store.log.flush()
        shutil.copytree(tmp_path / "killed", tmp_path / "data")
    forced: list[Path] = []
    monkeypatch.setattr("engine.store.database.force_to_disk", forced.append)
    monkeypatch.setattr("engine.store.database._connect", lambda path: pytest.fail(f"read {path} before {forced}"))
    log = tmp_path / "data" / f"{FILE}-wal"
    assert log.stat().st_size
    with pytest.raises(pytest.fail.Exception, match=re.escape(f"before {[log]}")):
        await Database.open(tmp_path / "data")


async def test_a_database_file_that_others_could_read_is_made_private(tmp_path: Path) -> None:
    await fill(tmp_path)
    (tmp_path / FILE).chmod(0o644)
    async with open_store(tmp_path):
        assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


async def test_the_database_is_as_durable_as_sqlite_can_be(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        values = {}
        for pragma in ("journal_mode", "synchronous", "foreign_keys", "trusted_schema", "journal_size_limit"):
            (row,) = await store.database._writer.execute_fetchall(f"PRAGMA {pragma}")
            values[pragma] = row[0]
    assert values == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "trusted_schema": 0,
        "journal_size_limit": 16_777_216,
    }


async def test_what_was_written_is_there_when_it_is_opened_again(tmp_path: Path) -> None:
    await fill(tmp_path)
    async with open_store(tmp_path) as store:
        assert store.database.notices == []
        assert len(await queries.events(store.database, "tx")) == 4


OTHER_PROCESS = """
import asyncio, sys
from pathlib import Path
from engine.store.database import Database

async def main():
    database = await Database.open(Path(sys.argv[1]))
    print("read-only" if database.read_only else "owner", flush=True)
    print(*database.notices, flush=True)
    sys.stdin.readline()
    await database.close()

asyncio.run(main())
"""


def other_process(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(OTHER_PROCESS), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


async def test_a_second_process_opens_it_for_reading_only_and_says_whose_it_is(tmp_path: Path) -> None:
    await fill(tmp_path)
    other = other_process(tmp_path)
    try:
        assert other.stdout is not None
        assert await asyncio.to_thread(other.stdout.readline) == "owner\n"
        database = await Database.open(tmp_path)
        try:
            assert database.read_only
            assert f"process {other.pid}" in database.notices[0]
            assert len(await queries.events(database, "tx")) == 4
            with pytest.raises(StoreError):
                await database.write("DELETE FROM events")
        finally:
            await database.close()
    finally:
        other.kill()
        other.communicate()
    again = await Database.open(tmp_path)
    assert not again.read_only, "the lock of a killed process is gone with it"
    await again.close()


async def test_a_second_engine_of_the_same_process_reads_only_too(tmp_path: Path) -> None:
    async with open_store(tmp_path):
        second = await Database.open(tmp_path)
        assert second.read_only
        assert f"process {os.getpid()}" in second.notices[0]
        await second.close()
        other = other_process(tmp_path)
        out, _ = await asyncio.to_thread(other.communicate, "\n")
        assert out.startswith("read-only"), "closing the second one did not give up the ownership of the first"


def moved_aside(folder: Path) -> list[Path]:
    return [path for path in folder.glob(f"{FILE}.damaged-*") if not path.name.endswith(("-wal", "-shm"))]


def garbage(path: Path) -> None:
    path.write_bytes(b"this is not a database at all, however long it may be. " * 100)


def cut_off(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(3 * 4096 + 100)


def holes(path: Path) -> None:
    with path.open("r+b") as file:
        size = path.stat().st_size
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))


def a_hole_in_a_table(path: Path) -> None:
    ((page,),) = read(path, "SELECT rootpage FROM sqlite_schema WHERE name = 'breakers'")
    with path.open("r+b") as file:
        file.seek(4096 * (page - 1))
        file.write(b"\xff" * 4096)


@pytest.mark.parametrize("damage", [garbage, cut_off, holes, a_hole_in_a_table])
async def test_a_damaged_file_is_moved_aside_and_never_deleted(tmp_path: Path, damage: object) -> None:
    await fill(tmp_path, 500)
    assert callable(damage)
    damage(tmp_path / FILE)
    damaged = (tmp_path / FILE).read_bytes()
    async with open_store(tmp_path) as store:
        (notice,) = store.database.notices
        assert "moved aside" in notice
        assert await queries.transactions(store.database, limit=9) == []
        store.log.append(note())
        await store.log.flush()
    (aside,) = moved_aside(tmp_path)
    assert str(aside) in notice
    assert aside.read_bytes() == damaged


async def test_two_damaged_files_of_one_second_are_both_kept(tmp_path: Path) -> None:
    for _ in range(2):
        garbage(tmp_path / FILE)
        async with open_store(tmp_path):
            pass
    assert len(moved_aside(tmp_path)) == 2


async def test_a_damaged_file_of_another_process_is_not_touched(tmp_path: Path) -> None:
    await fill(tmp_path)
    other = other_process(tmp_path)
    try:
        assert other.stdout is not None
        await asyncio.to_thread(other.stdout.readline)
        garbage(tmp_path / FILE)
        with pytest.raises(StoreError):
            await Database.open(tmp_path)
        assert not moved_aside(tmp_path)
    finally:
        other.kill()
        other.communicate()


async def test_a_database_of_another_program_is_refused_and_not_touched(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / FILE)
    connection.executescript("CREATE TABLE recipes (name TEXT); INSERT INTO recipes VALUES ('soup');")
    connection.close()
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(StoreError) as caught:
        await Database.open(tmp_path)
    assert caught.value.code == "foreign_database"
    assert "--data-dir" in caught.value.remedy
    assert (tmp_path / FILE).read_bytes() == before
    (tmp_path / FILE).unlink()
    database = await Database.open(tmp_path)
    assert not database.read_only, "the refusal did not keep the ownership"
    await database.close()


async def test_a_newer_schema_is_opened_for_reading_only(tmp_path: Path) -> None:
    await fill(tmp_path)
    connection = sqlite3.connect(tmp_path / FILE)
    connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    database = await Database.open(tmp_path)
    try:
        assert database.read_only
        assert "newer version" in database.notices[0]
        assert len(await queries.events(database, "tx")) == 4
        with pytest.raises(StoreError):
            await database.write("DELETE FROM events")
        newer_program = Ownership(tmp_path)
        assert newer_program.acquire(), "who only reads does not own it"
        newer_program.release()
    finally:
        await database.close()


def a_file_in_place_of_the_folder(tmp_path: Path) -> Path:
    (tmp_path / "data").write_text("I am a file.")
    return tmp_path / "data"


def below_a_file(tmp_path: Path) -> Path:
    return a_file_in_place_of_the_folder(tmp_path) / "deeper"


def a_folder_in_place_of_the_file(tmp_path: Path) -> Path:
    (tmp_path / FILE).mkdir()
    return tmp_path


@pytest.mark.parametrize("make", [a_file_in_place_of_the_folder, below_a_file, a_folder_in_place_of_the_file])
async def test_a_folder_that_cannot_be_used_is_one_clear_error(tmp_path: Path, make: object) -> None:
    assert callable(make)
    folder = make(tmp_path)
    with pytest.raises(StoreError) as caught:
        await Database.open(folder)
    assert str(folder) in caught.value.message
    assert "--data-dir" in caught.value.remedy


async def test_readers_do_not_keep_the_write_ahead_log_from_being_reset(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        stream = store.log.stream("tx")
        store.log.append(begin(), stream)
        for _ in range(20):
            for _ in range(100):
                store.log.append(note("n" * 500), stream)
            await asyncio.gather(store.log.flush(), queries.events(store.database, "tx"))
        ((busy, _, _),) = await store.database._writer.execute_fetchall("PRAGMA wal_checkpoint(RESTART)")
        assert busy == 0


async def test_a_cancelled_read_leaves_no_thread_and_no_lock(tmp_path: Path) -> None:
    await fill(tmp_path, 200)
    async with open_store(tmp_path) as store:
        threads = set(threading.enumerate())
        for turns in range(30):
            task = asyncio.create_task(queries.events(store.database, "tx"))
            for _ in range(turns):
                await asyncio.sleep(0.0005)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        for thread in set(threading.enumerate()) - threads:
            await asyncio.to_thread(thread.join, 10)
            assert not thread.is_alive() or "asyncio" in thread.name
        await store.database.write("DELETE FROM events")


async def test_a_cancelled_write_is_done_all_the_same(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        row = SessionRow("s", "name", 1, 1, 0)
        task = asyncio.create_task(stored_sessions.create_session(store.database, row))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await store.database.write("SELECT 1")
        assert await stored_sessions.sessions(store.database) == [row]


async def test_a_write_that_the_database_refuses_is_a_store_error_with_a_remedy(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        ((pages,),) = await store.database._writer.execute_fetchall("PRAGMA page_count")
        await store.database._writer.execute_fetchall(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StoreError) as caught:
            await stored_sessions.create_session(store.database, SessionRow("s", "n" * 100_000, 1, 1, 0))
        assert caught.value.code == "disk_full"
        assert isinstance(caught.value, EngineError)


async def test_a_locked_database_is_named_as_such(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        await store.database._writer.execute_fetchall("PRAGMA busy_timeout = 10")
        other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        try:
            with pytest.raises(StoreError) as caught:
                await store.database.write("DELETE FROM breakers")
            assert caught.value.code == "database_busy"
        finally:
            other.close()


def can_mount() -> bool:
    return os.geteuid() == 0 and shutil.which("unshare") is not None


@pytest.mark.skipif(not can_mount(), reason="needs to be root, for a mount in a namespace of its own")
def test_a_read_only_mount_is_one_clear_error(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    script = f"""
import asyncio
from pathlib import Path
from engine.store.database import Database, StoreError
try:
    asyncio.run(Database.open(Path({str(folder)!r})))
except StoreError as error:
    print(error)
"""
    mounted = f'mount -t tmpfs -o ro tmpfs "{folder}" && exec "{sys.executable}" -c "$SCRIPT"'
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", mounted], capture_output=True, text=True, env={**os.environ, "SCRIPT": script}
    )
    if "mount" in done.stderr or "unshare" in done.stderr:
        pytest.skip(f"no mount here: {done.stderr.strip()}")
    assert "cannot be written (Read-only file system)" in done.stdout
    assert "--data-dir" in done.stdout
