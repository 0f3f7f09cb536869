"""Recovery at start-up: transactions that an earlier process left unfinished are gone on with, or rolled back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine import events as ev
from engine.config import EngineConfig
from engine.errors import EngineError, ErrorClass, ErrorInfo
from engine.graph.recorded import recorded_graph
from engine.run.compensation import forget_copies, take_back
from engine.run.plan import Plan, make_plan
from engine.run.state import RunState, apply
from engine.run.transaction import Transaction
from engine.store import queries
from engine.store.database import Database, StoreError
from engine.store.log import EventLog
from engine.store.rows import TransactionRow
from engine.tools.protocol import ToolContext

INTERRUPTED = ErrorInfo(
    ErrorClass.CANCELLED,
    "interrupted",
    "The program ended while this run was going on.",
    "Ask again; what the run had done so far can be replayed.",
)


@dataclass(frozen=True, slots=True)
class Interrupted:
    """A transaction that can be gone on with."""

    row: TransactionRow
    plan: Plan
    events: Sequence[ev.Event]
    """Its own events, in order."""

    @property
    def begin(self) -> ev.Begin:
        body = self.events[0].body
        assert isinstance(body, ev.Begin)  # noqa: S101 - looked at when this was made
        return body

    @property
    def last(self) -> ev.Event:
        return self.events[-1]


async def interrupted(
    database: Database,
    log: EventLog,
    config: EngineConfig,
    tools_of: Callable[[str], ToolContext],
    *,
    wall_ms: int,
) -> tuple[list[Interrupted], tuple[TransactionRow, ...]]:
    """(what can be gone on with, what was rolled back) of the unfinished transactions; before any run is started.

    Args:
        database: the store, owned by this process.
        log: takes the events of rollbacks.
        config: says what is to happen.
        tools_of: transaction -> what its tools may use.
        wall_ms: the time now, Unix time in milliseconds.

    Raises:
        StoreError: the store cannot be read or does not take a rollback.
    """
    going_on: list[Interrupted] = []
    rolled_back: list[TransactionRow] = []
    for row in await queries.unfinished(database):
        young = wall_ms - row.started_ms <= config.resume_within_s * 1000
        found = await _resumable(database, row) if config.recovery != "roll_back" and young else None
        if found is not None:
            going_on.append(found)
        else:
            await roll_back(database, log, row, tools_of(row.tx))
            rolled_back.append(await queries.transaction(database, row.tx))
    return going_on, tuple(rolled_back)


async def _resumable(database: Database, row: TransactionRow) -> Interrupted | None:
    """None where its events are damaged, its graph cannot be run any more, or its rollback had begun."""
    try:
        events = [event for event in await queries.events(database, row.tx) if event.tx is not None]
        begin = events[0].body if events else None
        if not isinstance(begin, ev.Begin) or any(isinstance(event.body, ev.RollingBack) for event in events):
            return None
        return Interrupted(row, make_plan(recorded_graph(begin.graph, f"#{row.number}")), events)
    except EngineError:
        return None


async def roll_back(
    database: Database, log: EventLog, row: TransactionRow, tools: ToolContext, error: ErrorInfo = INTERRUPTED
) -> ev.RolledBack:
    """Roll back a transaction that no process works on; a rollback that had begun goes on.

    Raises:
        StoreError: the store does not take it.
    """
    seq, t_ms = await queries.last_position(database, row.tx)
    tx = Transaction(log, log.stream(row.tx, seq=seq, t_ms=t_ms))
    with contextlib.suppress(StoreError):  # damaged events must not keep the rest from being opened
        events = await queries.events(database, row.tx)
        tx.absorb([event for event in events if event.tx is not None], lambda _path: False)
    body = await tx.roll_back(
        "interrupted", error, take_back=lambda: take_back(tx, tx.state.effects.to_take_back(), tools)
    )
    if not tx.state.effects.stuck:
        await forget_copies(tools)
    return body


async def forget_copies_of_ended(database: Database, folder: Path, tools_of: Callable[[str], ToolContext]) -> None:
    """Remove the undo copies of runs whose process ended between their end and the removal.

    Copies of what could not be taken back stay for the person, and so do those of runs that are not in the database.

    Args:
        folder: has one folder for each run.
    """
    for tx in await asyncio.to_thread(_names_in, folder):
        with contextlib.suppress(EngineError):
            state = RunState()
            events = await queries.events(database, tx)
            for event in events:
                apply(state, event)
            left = any(isinstance(event.body, ev.RolledBack) and event.body.uncompensated for event in events)
            if state.terminal and not left and not state.effects.stuck:
                await forget_copies(tools_of(tx))


def _names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
