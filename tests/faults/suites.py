"""The fault suites, by name. One more is one more entry here: docs/reliability.md and the command know it from then on.

A suite is a function that measures and returns a dataclass: `problems` is a list of sentences, fields that count what
must never happen are named in `zeros`, and the docstring under a field says in the document what it counts.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True, slots=True)
class Suite:
    """One fault suite."""

    name: str
    """On the command line, and the module here that measures it."""
    title: str
    paragraph: str
    """What it does, in a few sentences."""
    short: Mapping[str, Any]
    """Arguments of the short form."""
    long: Mapping[str, Any]
    """Those of the long one."""
    zeros: tuple[str, ...] = ()
    """Figures that must be 0."""
    module: str = ""
    """Where another one than `name` measures it."""
    seeded: bool = True
    """Whether there is anything random in it: its function then takes a seed."""
    needs: str = ""
    """Module here whose `why_not()` says why it cannot be measured on this machine."""

    @property
    def measure(self) -> Callable[..., Any]:
        found: Callable[..., Any] = self._module.measure
        return found

    @property
    def figures(self) -> type[Any]:
        """The dataclass of its figures."""
        found: type[Any] = self._module.Figures
        return found

    @property
    def why_not(self) -> str:
        """Why it cannot be measured here; empty where it can."""
        return import_module(f"tests.faults.{self.needs}").why_not() if self.needs else ""

    def run(self, arguments: Mapping[str, Any], seed: int) -> Any:
        """Its figures.

        Raises:
            RuntimeError: one of its programs broke.
        """
        found = self.measure(**arguments, **({"seed": seed} if self.seeded else {}))
        return asyncio.run(found) if inspect.isawaitable(found) else found

    @property
    def _module(self) -> Any:
        return import_module(f"tests.faults.{self.module or self.name}")


def _tested(name: str, title: str, paragraph: str, *files: str) -> Suite:
    """A suite whose code stands in test files."""
    arguments = {"files": files}
    return Suite(name, title, paragraph, arguments, arguments, ("failed",), "tested", seeded=False)


SUITES = (
    Suite(
        "kills",
        "kill -9 at random instants",
        "Processes with runs in parallel branches, loops, retries and file effects are killed at random instants, "
        "some again while they recover. The parent read from a pipe what each had acknowledged; effects also append "
        "to a ledger of another process, so that a repeated one is seen. What the database and the files then hold is "
        "compared with both.",
        {"kills": 200},
        {"kills": 5000},
        ("lost", "torn", "twice", "astray", "failed", "failed_workers"),
    ),
    Suite(
        "power",
        "Loss of power",
        "The writes and syncs of the real store are recorded through several lives of its process. At random places "
        "of the recording the power goes: what a disk may then hold, with torn sectors, writes out of order and names "
        "that are lost, is built, opened by the real store and compared with what had been acknowledged before.",
        {"cuts": 200},
        {"cuts": 2000},
        ("lost", "corrupt", "torn", "astray"),
        needs="syscalls",
    ),
    Suite(
        "syscalls",
        "System calls that fail",
        "Of a run of five nodes with two effects, each write and each sync in turn fails with EIO or ENOSPC, once or "
        "from then on, or the process is killed there (`strace -e inject=`). Then another process takes over. The "
        "short form is a sample.",
        {"cases": 60},
        {"cases": None},
        ("lost", "torn", "twice", "astray", "unclear"),
        needs="syscalls",
    ),
    Suite(
        "damaged",
        "Damaged copies of a database",
        "Copies of a database with flipped bits, overwritten bytes, zeroed or foreign pages, cut short or emptied are "
        "looked at by `doctor --deep`, opened, listed and read to the last event. Nothing altered may be accepted, "
        "nothing may break, and what is not used any further must be kept byte for byte.",
        {"copies": 150},
        {"copies": 1000},
        ("broke", "altered", "not_kept", "unclear"),
    ),
    Suite(
        "hostile",
        "A hostile model server",
        "A server over loopback does everything wrong that the table of errors knows, in both dialects and in random "
        "order: the class of each failure, its retries and their waits, text that is taken back, the breakers, and "
        "what is left over are compared with the table.",
        {"rounds": 10},
        {"rounds": 100},
        ("left_tasks", "left_connections", "left_children"),
    ),
    Suite(
        "full_disk",
        "A disk that is full, and has space again",
        "A small tmpfs holds the data folder or the workspace, and something else takes all its space but a little. "
        "The app stays up, says so, begins nothing that it cannot record, and goes on by itself when there is space.",
        {"rounds": 1},
        {"rounds": 10},
        ("lost", "torn", "astray", "unclear"),
        seeded=False,
        needs="full_disk",
    ),
    Suite(
        "soak",
        "Soak",
        "Two hundred runs at a time of a graph with 20 nodes (router, parallel branches, tools that write files, a gate"
        " that sends back) against a server of which 5 % of the answers are faults of all kinds, one by one and as "
        "outages; some runs are cancelled. How each run ended is compared with its events and its files, the breakers "
        "with their rules, and what is held between two rounds with what was held after the first.",
        {"runs": 500},
        {"minutes": 60},
        (
            *("open_ends", "left_tasks", "left_connections", "left_files", "left_children"),
            *("unsound", "wrong_breakers"),
        ),
    ),
    Suite(
        "breakers",
        "Circuit breakers",
        "Random steps, each on a real breaker and on an independent reference that is compared afterwards: calls that "
        "succeed, fail, are cancelled, hang beyond their lease or report too late, the wall clock set back an hour, "
        "breakers set by hand, restarts from what was stored. And 1,000 callers at once before half-open breakers, "
        "alone and through the real caller and its queue: no more than two probes at a time, and no breaker that stays "
        "half-open.",
        {"steps": 20_000, "crowds": 3},
        {"steps": 1_000_000, "crowds": 50},
        ("differences", "too_many_probes", "stuck"),
    ),
    _tested(
        "refusing_store",
        "A store that is full or slow",
        "SQLite is told that its file may not grow, and later that it may; writes are delayed; what cannot be taken "
        "back is listed and never made twice.",
        "test_full_store",
        "test_slow_store",
        "test_not_taken_back",
    ),
    _tested(
        "two_processes",
        "Two processes on one database",
        "A process works on a database that others open: they read, name its owner and leave its runs alone. Readers "
        "read all the time while 50 MB are written: the write-ahead log is reset all the same.",
        "test_two_processes",
    ),
    _tested(
        "clock",
        "The wall clock is set back an hour",
        "Between two processes on one database the wall clock goes back an hour.",
        "test_clock_set_back",
    ),
)
"""In the order of the document."""

BY_NAME = {suite.name: suite for suite in SUITES}
