"""The work during which the power goes: lives of processes on one data folder, each with another thing to do.

The store is the real one. Two things are added in its process: a line for each group of events that it says is durable,
and a write-ahead log that is reset after some dozens of pages instead of a thousand, so that a short trace has many
checkpoints.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

import engine
from engine.config import EngineConfig
from engine.events import TERMINAL
from engine.run.engine import Engine
from engine.store.database import Database
from engine.store.schema import PRAGMAS
from tests.approvers import Person, yes
from tests.faults.ledger import LEDGER
from tests.faults.workload import SlowBackend, follow, inputs_of, script, works
from tests.scripted_backend import tool_model

AT_ONCE = 3
"""Runs at the same time."""
CHECKPOINT_PAGES = 60
"""Pages in the write-ahead log after which it is written back."""
ENDS = frozenset(body.KIND for body in TERMINAL)
KEPT = 6
"""Runs that are left when some are removed."""

Synchronous = Literal["FULL", "NORMAL", "OFF"]


@dataclass(frozen=True)
class Life:
    """What one process does."""

    name: str
    """Part of the names of its runs."""
    runs: int
    """How many it begins."""
    recovery: Literal["resume", "roll_back"] = "resume"
    prunes: bool = False
    """Whether it removes old runs meanwhile."""
    killed_at: int = 0
    """The sync at which it is killed, from 1; 0: at none."""
    killed_at_end: int = 0
    """The end of a run that is written when it is killed, and not synced, from 1; 0: at none."""

    @property
    def killed(self) -> bool:
        return bool(self.killed_at or self.killed_at_end)


def lives(dice: random.Random) -> list[Life]:
    """The first one makes the database; two are killed between a write and its sync."""
    return [
        Life("0", 5),
        Life("1", 12, killed_at_end=dice.randint(1, 5)),
        Life("2", 2),
        Life("3", 12, killed_at=dice.randint(3, 40)),
        Life("4", 3, recovery="roll_back"),
        Life("5", 4, prunes=True),
        Life("6", 3),
    ]


async def live(folder: Path, life: Life, pipe: int, groups: int, seed: int, synchronous: Synchronous) -> None:
    """Do it, and say to the pipe what a person is told.

    Args:
        folder: has `workspace`, and is to have `data`.
        pipe: file descriptor.
        groups: file descriptor that takes every group of events before it is written, as a line of JSON; or -1.
        synchronous: how the store syncs; all but `FULL` breaks its promises.
    """
    LEDGER.pipe, LEDGER.dice, LEDGER.pause_s = pipe, random.Random(seed), 0.001
    config = EngineConfig(workspace=folder / "workspace", recovery=life.recovery, run_timeout_s=3600)
    added = (f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}", f"PRAGMA synchronous = {synchronous}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.store.database.PRAGMAS", (*PRAGMAS, *added))
        _tell_groups(patch, groups, life.killed_at_end)
        SlowBackend(script, [tool_model()]).install(patch)
        async with engine.open(folder / "data", config=config, approver=Person(yes)) as eng:
            LEDGER.write("open", resumed=[run.transaction for run in eng.resumed], notices=eng.notices)
            for row in await eng.transactions():
                if row.status != "executing":
                    LEDGER.write("seen", tx=row.tx, status=row.status, text=row.answer)
            await _work(eng, life)
    LEDGER.write("closed")


def _tell_groups(patch: pytest.MonkeyPatch, groups: int, killed_at_end: int) -> None:
    """Say which events are about to be written, and which are durable."""
    insert = Database.insert_events
    ends = 0

    async def told(database: Database, rows_json: str) -> None:
        nonlocal ends
        rows = json.loads(rows_json)
        ends += any(kind in ENDS for _, _, _, _, _, kind, *_ in rows)
        if groups >= 0:
            os.write(groups, rows_json.encode() + b"\n")
        LEDGER.write("writing", last=rows[-1][0])
        if killed_at_end and ends == killed_at_end:
            # nobody could hit the instant after the write and before the sync from outside
            await database.write("PRAGMA wal_autocheckpoint = 0")
            await database.write("PRAGMA synchronous = OFF")
            await insert(database, rows_json)
            os.kill(os.getpid(), signal.SIGKILL)
        await insert(database, rows_json)
        LEDGER.write("durable", last=rows[-1][0])

    patch.setattr(Database, "insert_events", told)


async def _work(eng: Engine, life: Life) -> None:
    session = (await eng.create_session(life.name)).id
    LEDGER.write("session", id=session)
    kinds, numbers = works(), iter(range(life.runs))

    async def one_after_the_other() -> None:
        for number in numbers:
            kind, name = LEDGER.dice.choice(list(kinds)), f"run-{life.name}-{number}"
            await follow(
                eng.start(
                    kinds[kind].graph,
                    f"{kind} {name}",
                    session=session if number % 2 else None,
                    inputs=inputs_of(name),
                    approver=Person(yes),
                )
            )

    async with asyncio.TaskGroup() as group:
        for run in eng.resumed:
            group.create_task(follow(run))
        for _ in range(AT_ONCE):
            group.create_task(one_after_the_other())
        if life.prunes:
            LEDGER.write("pruning")
            await eng.prune(keep=KEPT)
            LEDGER.write("pruned")
