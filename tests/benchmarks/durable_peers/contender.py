"""One way to persist the steps of a run, ready to be measured."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from engine.config import Durability
from tests.benchmarks.peers.contender import ANSWER, QUESTION

__all__ = ["ANSWER", "QUESTION", "Contender", "Stored", "described"]

_SYNCHRONOUS = {0: "OFF", 1: "NORMAL", 2: "FULL", 3: "EXTRA"}


class Stored(Protocol):
    """An engine with its store open; graphs are compiled before the clock starts, and kept."""

    async def run_chain(self, size: int) -> None:
        """Run a chain of trivial nodes, each of which strips the question."""

    async def run_growing(self, steps: int) -> None:
        """Run one node so many times; each time it adds a message to the list."""

    async def settings(self) -> str:
        """How its connection syncs, as SQLite says."""

    async def seconds_of_chain(self, size: int, times: int) -> float:
        """Wall seconds of one run, from `times` runs in a row."""


@dataclass(frozen=True, slots=True)
class Contender:
    """An engine with a store and its settings."""

    label: str
    """Name and version of the engine."""
    way: str
    """Which of its ways this is."""
    how: str
    """What it promises of a step, by its own documentation."""
    nearest: Durability
    """What of this engine's comes nearest to that, and is the baseline."""
    opened: Callable[[Path], AbstractAsyncContextManager[Stored]]
    """Takes an empty folder of its own."""


class Timed:
    """Measures what a subclass runs."""

    async def run_chain(self, size: int) -> None:
        raise NotImplementedError

    async def prepare(self, size: int) -> None:
        """Compile the graph; called before the clock starts."""

    async def seconds_of_chain(self, size: int, times: int) -> float:
        await self.prepare(size)
        start = time.perf_counter()
        for _ in range(times):
            await self.run_chain(size)
        return (time.perf_counter() - start) / times


def described(connection: sqlite3.Connection) -> str:
    """Of a connection: its journal mode, and when it syncs."""

    def pragma(name: str) -> Any:
        return connection.execute(f"PRAGMA {name}").fetchone()[0]

    return settings_text(pragma("journal_mode"), pragma("synchronous"))


def settings_text(journal_mode: str, synchronous: int) -> str:
    return f"its connection has journal_mode={journal_mode.upper()}, synchronous={_SYNCHRONOUS[synchronous]}"
