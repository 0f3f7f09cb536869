"""Two processes on one database: the second only reads, says whose it is, and takes over nothing that lives."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import engine
from engine import events as ev
from engine.config import EngineConfig
from engine.run.engine import Engine
from engine.store.deep_check import examine
from tests.faults.oracle import Oracle
from tests.faults.workload import inputs_of, works, write
from tests.graphs import chain
from tests.running import run_in
from tests.scripted_backend import ScriptedBackend

OWNER = """
import asyncio, sys
from pathlib import Path
from tests.faults import ledger
from tests.faults.workload import Job, live
ledger.install()
asyncio.run(live(Job(Path(sys.argv[1]), sys.argv[2], 7, None), 1))
"""
READER = """
import asyncio, sys
import engine

async def main():
    async with engine.open(sys.argv[1]) as eng:
        assert eng.read_only
        print("reading", flush=True)
        while True:
            for row in await eng.transactions():
                await eng.view(row.tx)

asyncio.run(main())
"""
HOLDER = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1] + "/tinyllm.db", isolation_level=None)
connection.execute("BEGIN")
connection.execute("SELECT count(*) FROM events").fetchall()
print("holding", flush=True)
time.sleep(600)
"""


@asynccontextmanager
async def program(source: str, *arguments: str) -> AsyncIterator[subprocess.Popen[str]]:
    """A process that works until it is killed."""
    process = await asyncio.to_thread(
        subprocess.Popen,
        [sys.executable, "-c", source, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        yield process
    finally:
        await killed(process)


async def killed(process: subprocess.Popen[str]) -> list[str]:
    """Kill a process; what it had said that was not read yet."""
    assert process.stdout is not None
    process.send_signal(signal.SIGKILL)
    said = [] if process.stdout.closed else await asyncio.to_thread(process.stdout.readlines)
    process.stdout.close()
    await asyncio.to_thread(process.wait)
    return said


async def lines_until(process: subprocess.Popen[str], kind: str, count: int) -> list[dict[str, Any]]:
    """What it says until it has said `kind` so many times."""
    assert process.stdout is not None
    lines: list[dict[str, Any]] = []
    async with asyncio.timeout(60):
        while sum(line["kind"] == kind for line in lines) < count:
            lines.append(json.loads(await asyncio.to_thread(process.stdout.readline)))
    return lines


async def stopped_in_a_run(process: subprocess.Popen[str], data: Path) -> None:
    """Stop a process while a run of its is on its way in the database: not always is one."""
    async with asyncio.timeout(60):
        while True:
            process.send_signal(signal.SIGSTOP)
            async with engine.open(data) as eng:
                if any(row.status == "executing" for row in await eng.transactions()):
                    return
            process.send_signal(signal.SIGCONT)
            await asyncio.sleep(0.01)


async def test_a_second_process_reads_names_the_owner_and_leaves_its_runs_alone(
    tmp_path: Path, scripted: ScriptedBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.graph.tool_checks.TOOLS", frozenset({"ledger_add", "file_write"}))
    (tmp_path / "workspace").mkdir()
    oracle = Oracle(tmp_path, works())
    config = EngineConfig(workspace=tmp_path / "workspace", recovery="roll_back", keep_transactions=1)
    async with program(OWNER, str(tmp_path), "first") as owner:
        oracle.heard(await lines_until(owner, "told", 3))
        for _ in range(5):
            async with engine.open(tmp_path / "data", config=config) as eng:
                assert eng.read_only
                assert any(f"process {owner.pid}" in notice for notice in eng.notices)
                assert (eng.resumed, eng.recovered, eng.left) == ((), (), ())
                rows = await eng.transactions()
                assert any(row.status == "executing" for row in rows), "there were runs to take over"
                ran = await run_in(eng, chain(write("one", "a")), inputs=inputs_of("mine"))
                assert ran.result.error is not None
                assert ran.result.error.code == "no_store", "what is not recorded changes nothing"
        oracle.heard(await lines_until(owner, "told", 3))
        await stopped_in_a_run(owner, tmp_path / "data")
        oracle.heard(json.loads(line) for line in await killed(owner))
    oracle.look()
    assert oracle.problems == []
    assert not any(each.reason == "interrupted" for each in oracle.logged.values()), "nobody but its owner ended a run"
    async with program(OWNER, str(tmp_path), "second") as heir:
        opened = (await lines_until(heir, "open", 1))[-1]  # what it resumes may be heard before
        assert opened["resumed"], "now that their process is gone, somebody goes on with them"


async def test_of_many_processes_that_start_at_once_one_owns_the_database(tmp_path: Path) -> None:
    async with engine.open(tmp_path / "data"):
        pass  # made; nobody owns it
    (tmp_path / "workspace").mkdir()
    async with contextlib.AsyncExitStack() as stack:
        started = [await stack.enter_async_context(program(OWNER, str(tmp_path), f"{n}")) for n in range(4)]
        opened = [(await lines_until(process, "open", 1))[-1] for process in started]
        readers = [line for line in opened if line["notices"]]
        assert len(readers) == 3
        owner = next(process for process, line in zip(started, opened, strict=True) if not line["notices"])
        assert all(f"process {owner.pid}" in line["notices"][0] for line in readers)


BIG = "x" * 200_000
ROUNDS = 250
"""Of one big event each: 50 MB in all."""
RESET = 20_000_000
"""Bytes above which the write-ahead log has not been reset: `journal_size_limit`, and what is on its way."""


async def largest_log(eng: Engine) -> int:
    """Bytes of the write-ahead log at its largest, while much is written and read."""
    assert eng.data_dir is not None
    assert not eng.read_only
    largest = 0
    for _ in range(ROUNDS):
        eng._log.append(ev.BackendChanged("e", "b", "ready", BIG))
        await eng._log.flush()
        await eng.transactions()
        largest = max(largest, (eng.data_dir / "tinyllm.db-wal").stat().st_size)
    return largest


async def some_runs(folder: Path) -> None:
    async with engine.open(folder) as eng:
        for _ in range(5):
            await run_in(eng, chain())
        eng._log.append(ev.BackendChanged("e", "b", "ready"))


async def test_our_readers_never_keep_the_write_ahead_log_from_being_reset(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    await some_runs(tmp_path)
    async with engine.open(tmp_path) as eng, contextlib.AsyncExitStack() as stack:
        readers = [await stack.enter_async_context(program(READER, str(tmp_path))) for _ in range(2)]
        for reader in readers:
            assert reader.stdout is not None
            assert await asyncio.to_thread(reader.stdout.readline) == "reading\n"
        largest = await largest_log(eng)
        assert all(reader.poll() is None for reader in readers)
    record_property("largest write-ahead log with two of our readers, bytes", largest)
    assert largest < RESET


async def test_a_foreign_reader_that_keeps_its_snapshot_does_and_is_named(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    await some_runs(tmp_path)
    async with program(HOLDER, str(tmp_path)) as holder:
        assert holder.stdout is not None
        assert await asyncio.to_thread(holder.stdout.readline) == "holding\n"
        async with engine.open(tmp_path) as eng:
            largest = await largest_log(eng)
            assert largest > RESET
        record_property("largest write-ahead log with a foreign reader that stays, bytes", largest)
        report = await asyncio.to_thread(examine, tmp_path / "tinyllm.db")
        assert report.long_readers in ((holder.pid,), None)
