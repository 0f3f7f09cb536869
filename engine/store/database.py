"""The SQLite database: opening, migrating, and the only connection that writes."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import shutil
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite

from engine.errors import EngineError, ErrorClass
from engine.store.backup import back_up
from engine.store.creation import create, migration_script
from engine.store.files import FILE_NAME as FILE_NAME
from engine.store.files import PARTS, force_names_to_disk, force_to_disk, make_private, move_aside
from engine.store.ownership import Ownership
from engine.store.schema import APPLICATION_ID, PRAGMAS, VERSION
from engine.store.sqlite_errors import SQLITE_ERRORS, is_damage, words

_ARRIVED = """
WITH row AS MATERIALIZED (
    SELECT json_extract(value, '$[0]') AS gseq, json_extract(value, '$[1]') AS tx, json_extract(value, '$[2]') AS seq,
           json_extract(value, '$[3]') AS t_ms, json_extract(value, '$[4]') AS wall_ms,
           json_extract(value, '$[5]') AS kind, json_extract(value, '$[6]') AS v, json_extract(value, '$[7]') AS body,
           json_extract(value, '$[8]') AS crc, NULL AS origin
    FROM json_each(?)
)
"""
"""Rows of events as a JSON array of arrays, in column order."""

_PROJECT = """
INSERT INTO inbox
    (gseq, tx, seq, t_ms, wall_ms, kind, v, body, crc, number, session, graph_id, graph_hash, question, backend,
     exit, answer, usage, reason, error, breaker_key, breaker, graph, graph_version, graph_name, origin,
     replaces)
SELECT gseq, tx, seq, t_ms, wall_ms, kind, v, body, crc,
    CASE kind WHEN 'begin' THEN json_extract(body, '$.number') END,
    CASE kind WHEN 'begin' THEN json_extract(body, '$.session') END,
    CASE kind WHEN 'begin' THEN json_extract(body, '$.graph.id') END,
    CASE kind WHEN 'begin' THEN json_extract(body, '$.graph_hash') END,
    CASE kind WHEN 'begin' THEN json_extract(body, '$.question') END,
    CASE kind WHEN 'begin' THEN json_extract(body, '$.backend') END,
    CASE WHEN kind IN ('committed', 'rolled_back') THEN json_extract(body, '$.exit') END,
    CASE WHEN kind IN ('committed', 'rolled_back') THEN json_extract(body, '$.text') END,
    CASE WHEN kind IN ('committed', 'rolled_back') THEN json_extract(body, '$.usage') END,
    CASE WHEN kind IN ('committed', 'rolled_back') THEN coalesce(json_extract(body, '$.reason'), '') END,
    CASE WHEN kind IN ('committed', 'rolled_back') THEN coalesce(json_extract(body, '$.error.message'), '') END,
    CASE WHEN kind = 'breaker_changed' AND origin IS NULL THEN json_extract(body, '$.breaker.key') END,
    CASE kind WHEN 'breaker_changed' THEN json_extract(body, '$.breaker') END,
    CASE kind WHEN 'begin' THEN json_extract(body, '$.graph') END,
    CASE kind WHEN 'begin' THEN coalesce(json_extract(body, '$.graph.version'), '') END,
    CASE kind WHEN 'begin' THEN coalesce(json_extract(body, '$.graph.name'), '') END,
    origin,
    CASE kind WHEN 'begin' THEN coalesce(json_extract(body, '$.replaces'), '') END
FROM row
"""
"""Events with what is projected from them. The breakers of a run that comes from elsewhere are not ours."""

INSERT = _ARRIVED + _PROJECT
"""One autocommit statement for a whole group: a cancelled or crashed caller can never leave half of it."""

_STAGED = "WITH row AS (SELECT *, 'imported' AS origin FROM temp.incoming)"

INSERT_STAGED = _STAGED + _PROJECT + "ORDER BY gseq"
"""All events of one imported run, collected in `temp.incoming`, in one autocommit statement."""


_PROBES = (
    "SELECT max(gseq), (SELECT max(number) FROM transactions) FROM events",
    "SELECT count(*) FROM transactions WHERE status = 'executing'",
    "SELECT count(*) FROM sessions",
    "SELECT max(id) FROM messages",
    "SELECT body FROM breakers",
    "SELECT count(*) FROM graph_revisions",
    "SELECT count(*) FROM corrections",
    "SELECT count(*) FROM memories",
)
"""What every start reads: damage there is found while the file can still be moved aside."""


T = TypeVar("T")
Fetch = Callable[[str, Sequence[Any]], Awaitable[Iterable[sqlite3.Row]]]
"""Gives all rows of a query with its parameters."""


class StoreError(EngineError):
    """The database cannot be opened, read or written."""

    def __init__(self, code: str, message: str, remedy: str) -> None:
        super().__init__(ErrorClass.RESOURCE, code, message, remedy=remedy)


class Database:
    """One database file. Use `Database.open`; close it when done."""

    def __init__(self, path: Path, writer: aiosqlite.Connection, ownership: Ownership, read_only: bool) -> None:
        self.path = path
        self.read_only = read_only
        self.notices: list[str] = []
        """Sentences for the person about what opening found."""
        self.schema = VERSION
        """Version of the schema; only a database that is open for reading may have another one than ours."""
        self.importing = asyncio.Lock()
        """Held while `temp.incoming` of the writing connection is used."""
        self.indexing = asyncio.Lock()
        """Held while a word index is changed."""
        self._writer = writer
        self._ownership = ownership
        self._tasks: set[asyncio.Task[Any]] = set()
        """Connections that are being opened or closed."""

    @classmethod
    async def open(cls, folder: Path) -> Database:
        """Open (creating or migrating) the database in `folder`.

        A database that another process owns, or whose schema is newer, is opened for reading only. A damaged file is
        moved aside, never deleted; `notices` says so.

        Raises:
            StoreError: the folder or the file cannot be used.
        """
        path = folder / FILE_NAME
        ownership = Ownership(folder)
        try:
            owned, notices = await asyncio.to_thread(_prepare, folder, path, ownership)
        except OSError as exc:
            ownership.release()
            raise _unusable(folder, exc) from exc
        except sqlite3.Error as exc:
            ownership.release()
            raise store_error(exc, path) from exc
        except BaseException:
            ownership.release()
            raise
        try:
            try:
                return await cls._connect(path, ownership, owned, notices)
            except SQLITE_ERRORS as exc:
                if not owned or not is_damage(exc):
                    raise
                notices.append(await asyncio.to_thread(_begin_anew, path, exc))
                return await cls._connect(path, ownership, owned, notices)
        except (*SQLITE_ERRORS, OSError) as exc:
            ownership.release()
            raise store_error(exc, path) from exc
        except BaseException:
            ownership.release()
            raise

    @classmethod
    async def _connect(cls, path: Path, ownership: Ownership, owned: bool, notices: list[str]) -> Database:
        connection = await _connect(path)
        try:
            for pragma in PRAGMAS:
                await connection.execute_fetchall(pragma)
            version = await _check_identity(connection, path)
            newer = version > VERSION
            if owned and not newer:
                await connection.execute_fetchall("PRAGMA journal_mode = WAL")
                await _migrate(connection, version, path, notices)
                for query in _PROBES:
                    await connection.execute_fetchall(query)
            else:
                ownership.release()  # who only reads does not keep others from writing
                await connection.execute_fetchall("PRAGMA query_only = ON")
        except BaseException:
            await connection.close()
            raise
        database = cls(path, connection, ownership, not owned or newer)
        database.notices = notices
        database.schema = version if database.read_only else VERSION
        if newer:
            notices.append(
                f"The database was written by a newer version of this program (schema {version}, known: {VERSION}): "
                "it is open for reading only, and runs are not recorded. Update the program to record again."
            )
        elif not owned:
            notices.append(
                f"The database belongs to {ownership.owner()}: it is open for reading only here, "
                "and runs are not recorded. Close the other program, or use another --data-dir, to record."
            )
        return database

    def refusal(self, what: str) -> StoreError:
        """Why `what` cannot be done where the database is open for reading only."""
        return StoreError(
            "read_only",
            f"The database is open for reading only, so {what}.",
            "Close the program that owns it, or update this one, then try again.",
        )

    async def insert_events(self, rows_json: str) -> None:
        """Insert a group of event rows (a JSON array of arrays, in column order) in one atomic, durable statement."""
        await self.write(INSERT, (rows_json,))

    async def write(self, sql: str, parameters: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """Run one autocommit statement on the writing connection; it completes even if the caller is cancelled.

        Returns:
            The rows of its `RETURNING`.

        Raises:
            StoreError: the database does not take it.
        """
        try:
            return list(await asyncio.shield(self._writer.execute_fetchall(sql, parameters)))
        except SQLITE_ERRORS as exc:
            raise store_error(exc, self.path) from exc

    async def give_back(self, pages: int) -> None:
        """Shorten the file by so many free pages, as far as there are any.

        Raises:
            StoreError: the database does not take it.
        """
        try:  # a script, for what is executed as a single statement frees one page only
            await asyncio.shield(self._writer.executescript(f"PRAGMA incremental_vacuum({pages})"))
        except SQLITE_ERRORS as exc:
            raise store_error(exc, self.path) from exc

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[aiosqlite.Connection]:
        """A connection for one short read.

        It has its own snapshot and ends at once, so it never keeps the write-ahead log from being reset.
        """
        opening = self._own(_connect(self.path))
        try:
            # who is cancelled while its thread works leaves that to end by itself: `close` waits for it
            connection = await asyncio.shield(opening)
        except asyncio.CancelledError:
            self._own(_closed(opening))
            raise
        try:
            await connection.execute_fetchall("PRAGMA query_only = ON")
            await connection.execute_fetchall("PRAGMA busy_timeout = 5000")
            yield connection
        finally:
            await asyncio.shield(self._own(connection.close()))

    def _own(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """A task that ends before the database is closed."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def fetch(self, sql: str, parameters: Sequence[Any] = ()) -> Iterable[sqlite3.Row]:
        """All rows of one query.

        Raises:
            StoreError: the database cannot be read.
        """
        async with self.reading() as fetch:
            return await fetch(sql, parameters)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Fetch]:
        """Several queries in a row, each as `fetch` makes one: to open a connection takes as long as a small query.

        Raises:
            StoreError: the database cannot be read.
        """
        try:
            async with self.reader() as connection:
                yield connection.execute_fetchall
        except SQLITE_ERRORS as exc:
            raise store_error(exc, self.path) from exc

    async def close(self) -> None:
        """Close all connections and give up the ownership."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        with contextlib.suppress(sqlite3.Error):
            if not self.read_only:
                await self._writer.execute_fetchall("PRAGMA optimize")
        await self._writer.close()
        self._ownership.release()


async def _closed(opening: asyncio.Task[aiosqlite.Connection]) -> None:
    """Close a connection that nobody waits for any more."""
    with contextlib.suppress(*SQLITE_ERRORS):
        await (await opening).close()


def store_error(exc: BaseException, path: Path) -> StoreError:
    """The `StoreError` for what SQLite or the system said, by its error code."""
    code = getattr(exc, "sqlite_errorcode", None)
    primary = None if code is None else code & 0xFF
    full = primary == sqlite3.SQLITE_FULL or getattr(exc, "errno", None) == errno.ENOSPC
    if full or (primary == sqlite3.SQLITE_IOERR and _no_space(path.parent)):
        return StoreError(
            "disk_full",
            f"The disk that holds {path.parent} is full.",
            "Free some space there, or choose another folder with --data-dir.",
        )
    if primary in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return _unusable(path.parent, exc)
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreError(
            "database_busy",
            f"Another program keeps {path} locked.",
            "Close the other program, or choose another folder with --data-dir.",
        )
    return StoreError(
        "database_failed",
        f"The database {path} cannot be used ({words(exc)}).",
        "Run `tinyllm-tui doctor`; another folder can be chosen with --data-dir.",
    )


def _no_space(folder: Path) -> bool:
    """Whether the disk is full: SQLite reports a write-ahead index that cannot grow as an input/output error."""
    try:
        return shutil.disk_usage(folder).free < 65536
    except OSError:
        return False


def _unusable(folder: Path, exc: BaseException) -> StoreError:
    why = getattr(exc, "strerror", None) or str(exc)
    if getattr(exc, "errno", None) == errno.ENOSPC:
        return store_error(exc, folder / FILE_NAME)
    return StoreError(
        "data_folder_unusable",
        f"The data folder {folder} cannot be written ({why}).",
        "Choose a writable folder with --data-dir or TINYLLM_DATA_DIR.",
    )


async def _connect(path: Path) -> aiosqlite.Connection:
    """A connection without transactions of its own; text that is not UTF-8 any more is read all the same."""

    async def opened() -> aiosqlite.Connection:
        connection = await aiosqlite.connect(path, isolation_level=None)
        connection.text_factory = partial(str, encoding="utf-8", errors="replace")  # checksums find what is damaged
        return connection

    opening = asyncio.create_task(opened())
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:  # its thread opens it all the same
        await (await opening).close()
        raise


def _prepare(folder: Path, path: Path, ownership: Ownership) -> tuple[bool, list[str]]:
    """Make the private folder and the database where it is missing.

    Returns:
        Whether this process owns the database from now on, and what the person should know.

    Raises:
        OSError: the folder or the file cannot be used.
        StoreError: another process is just making it.
    """
    missing = [each for each in folder.parents if not each.exists()]
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    owned = ownership.acquire()
    notices = []
    if path.exists():
        make_private(path)
        if owned and path.stat().st_size == 0:
            notices.append(_note_loss(path, "was there, but empty"))
    elif owned and any(path.with_name(path.name + ending).exists() for ending in PARTS[1:]):
        notices.append(_note_loss(path, "is missing, but its write-ahead log is there"))
    if not path.exists():
        if not owned:
            raise StoreError("database_busy", f"{path} is just being made by {ownership.owner()}.", "Try again.")
        force_names_to_disk([folder, *missing])
        create(path)
    elif owned and (log := path.with_name(path.name + "-wal")).exists():
        # a process that was killed between writing and syncing left what is read here, told and built upon: the power
        # may not take it away any more
        force_to_disk(log)
    return owned, notices


def _note_loss(path: Path, what: str) -> str:
    """A database that lost its contents is no first run: say so, and keep what there is of it."""
    aside = move_aside(path, "empty")
    return (
        f"The database {path} {what}: what it held has been lost outside this program. What there was is kept as "
        f"{aside}, and a new database was begun; `tinyllm-tui db restore FILE` brings a backup back."
    )


def _begin_anew(path: Path, exc: Exception) -> str:
    aside = move_aside(path, "damaged")
    create(path)
    return (
        f"The database was damaged ({words(exc)}) and has been moved aside to {aside}; a new one was begun. "
        "`tinyllm-tui db restore FILE` brings a backup back."
    )


async def _check_identity(connection: aiosqlite.Connection, path: Path) -> int:
    """The schema version (0: empty).

    Raises:
        StoreError: a database of another program.
    """
    (application_id,) = await _row(connection, "PRAGMA application_id")
    (version,) = await _row(connection, "PRAGMA user_version")
    (tables,) = await _row(connection, "SELECT count(*) FROM sqlite_schema")
    if tables and application_id != APPLICATION_ID:
        raise StoreError(
            "foreign_database",
            f"{path} is a database of another program.",
            "Choose another folder with --data-dir.",
        )
    if tables and version < 1:
        damage = sqlite3.DatabaseError("its schema version is lost")
        damage.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise damage
    return int(version)


async def _migrate(connection: aiosqlite.Connection, version: int, path: Path, notices: list[str]) -> None:
    """Bring the schema from `version` to ours, one transaction for each step, after a copy of what there was."""
    if version == VERSION:
        return
    backup = await back_up(connection, path, version) if version else None
    for number in range(version + 1, VERSION + 1):
        await connection.executescript(migration_script(number))
    with contextlib.suppress(sqlite3.Error):  # without room for it, pages that retention frees are used again instead
        await connection.execute_fetchall("PRAGMA auto_vacuum = INCREMENTAL")
        await connection.execute_fetchall("VACUUM")
    if backup is not None:
        notices.append(
            f"The database was brought up to date (from schema {version} to {VERSION}). As it was before, it is kept "
            f"in {backup}; delete that file when all is well."
        )


async def _row(connection: aiosqlite.Connection, sql: str) -> tuple[Any, ...]:
    rows = list(await connection.execute_fetchall(sql))
    return tuple(rows[0])
