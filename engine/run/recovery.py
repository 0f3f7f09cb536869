"""Recovery at start-up: transactions that an earlier process left unfinished are rolled back, and shown."""

from __future__ import annotations

import contextlib

from engine.errors import ErrorClass, ErrorInfo
from engine.run.state import apply
from engine.run.transaction import Transaction
from engine.store import queries
from engine.store.database import Database, StoreError
from engine.store.log import EventLog
from engine.store.rows import TransactionRow

INTERRUPTED = ErrorInfo(
    ErrorClass.CANCELLED,
    "interrupted",
    "The program ended while this run was going on.",
    "Ask again; what the run had done so far can be replayed.",
)


async def roll_back_unfinished(database: Database, log: EventLog) -> tuple[TransactionRow, ...]:
    """Roll back every unfinished transaction; must be called before any run is started.

    Raises:
        StoreError: the store cannot be read or does not take the rollback.
    """
    rows = await queries.unfinished(database)
    for row in rows:
        seq, t_ms = await queries.last_position(database, row.tx)
        tx = Transaction(log, log.stream(row.tx, seq=seq, t_ms=t_ms))
        with contextlib.suppress(StoreError):  # damaged events must not keep the rest from being opened
            for event in await queries.events(database, row.tx):
                apply(tx.state, event)
        await tx.roll_back("interrupted", INTERRUPTED)
    return tuple([await queries.transaction(database, row.tx) for row in rows])
