"""Soak: 200 runs at a time against a server with 5 % faults; long: `uv run python -m tests.faults.soak --minutes 60`.

The engine and its runs are a program of their own, so that its memory, files and tasks are its alone; the server is
another one. The work comes in rounds: after each, when nothing is under way, what is left over is compared with what
was there after the first round.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import engine
from engine.config import BreakerConfig, EngineConfig, RetryConfig
from engine.run.engine import Engine
from engine.store.database import FILE_NAME
from engine.store.deep_check import examine
from tests.faults.programs import end_after, figures_of
from tests.faults.soak_breakers import BreakerLog
from tests.faults.soak_server import told
from tests.faults.soak_work import one_run, work
from tests.waiting import until

AT_ONCE = 200
ROUND = 250
"""Runs of a round. The first warms up: what it allocates is kept for good reasons."""
FAULTS = 0.05
COOLDOWN_S = 1.0
SLOTS = 16
"""Calls at the same time to each model."""
KEPT = 1000
"""Transactions that are kept from one round to the next."""
GROWTH_MB = 50.0
RECOVERY_RUNS = 300
"""Runs without faults after which every circuit breaker is closed again."""


@dataclass
class Figures:
    """What came of it."""

    runs: int = 0
    visits: int = 0
    """Visits of nodes."""
    ends: dict[str, int] = field(default_factory=dict)
    """How runs ended: the exit of those that committed, or the reason why they were rolled back -> runs."""
    requests: int = 0
    """Chats that the server was asked for."""
    faults: dict[str, int] = field(default_factory=dict)
    """Class of the fault that a request met -> requests; `accepted` only looks like one."""
    faults_percent: float = 0.0
    breakers: dict[str, int] = field(default_factory=dict)
    """Changes of circuit breakers -> how often."""
    warm_mb: float = 0.0
    """Memory of the program (RSS) after the first round."""
    growth_mb: float = 0.0
    """The most by which it was larger after a later round."""
    open_ends: int = 0
    """Runs that ended neither committed nor rolled back, or left files that they should not."""
    left_tasks: int = 0
    left_connections: int = 0
    left_files: int = 0
    left_children: int = 0
    unsound: int = 0
    """Problems that `doctor --deep` finds in the store."""
    wrong_breakers: int = 0
    """Changes against the rules, and states that are not those of the last event."""
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = []
        for name, value in asdict(self).items():
            if isinstance(value, dict):
                lines += [f"{name}: {key:<22} {each}" for key, each in sorted(value.items())]
            elif name != "problems":
                lines.append(f"{name.replace('_', ' '):<28} {value}")
        return "\n".join(lines + self.problems[:40])


@dataclass(frozen=True, slots=True)
class Held:
    """What the program holds while nothing is under way."""

    tasks: int
    files: int
    children: int
    memory_mb: float

    @classmethod
    def now(cls) -> Held:
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        children = [pid for f in Path("/proc/self/task").glob("*/children") for pid in f.read_text().split()]
        files = [link for link in Path("/proc/self/fd").iterdir() if not _is_connection(link)]
        return cls(len(asyncio.all_tasks()), len(files), len(children), pages * os.sysconf("SC_PAGESIZE") / 2**20)


def _is_connection(link: Path) -> bool:
    """Connections that are kept for the next call come and go; the server counts them at the end."""
    try:
        return f"{link.readlink()}".startswith("socket:")
    except OSError:  # that of the listing itself
        return True


class Soak:
    """The rounds on one engine."""

    def __init__(self, eng: Engine, address: str, folder: Path, seed: int) -> None:
        self.figures = Figures()
        self._engine = eng
        self._address = address
        self._workspace = folder / "workspace"
        self._store = folder / "data" / FILE_NAME
        self._dice = random.Random(seed)
        self._graph = work()
        self._log = BreakerLog(COOLDOWN_S)
        self._seen = 0
        """gseq of the last event that was looked at."""

    async def run(self, runs: int | None, minutes: float | None) -> Figures:
        """Rounds until so many runs are made, or the time is over; then one without faults."""
        began, warm = time.monotonic(), None
        told(self._address, faults=FAULTS)
        while not _over(self.figures.runs, runs, time.monotonic() - began, minutes):
            left = ROUND if runs is None else min(ROUND, runs - self.figures.runs)
            await self._round(left)
            held = await self._quiet(warm)
            warm = warm or held
            self.figures.warm_mb = round(warm.memory_mb, 1)
            self.figures.growth_mb = max(self.figures.growth_mb, round(held.memory_mb - warm.memory_mb, 1))
        await self._recover()
        self.figures.seconds = round(time.monotonic() - began, 1)
        return self.figures

    async def _round(self, runs: int) -> None:
        """So many runs, `AT_ONCE` at a time."""
        numbers = iter(range(self.figures.runs, self.figures.runs + runs))

        async def one_after_the_other() -> None:
            for number in numbers:
                ended = await one_run(self._engine, self._graph, self._workspace, number, self._dice)
                self.figures.runs += 1
                self.figures.ends[ended.end] = self.figures.ends.get(ended.end, 0) + 1
                self.figures.open_ends += bool(ended.problems)
                self.figures.problems += ended.problems

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(one_after_the_other())

    async def _quiet(self, warm: Held | None) -> Held:
        """What is held after a round, when nothing is under way; what is too much is a problem."""
        await self._read_log()
        await self._engine.prune(keep=KEPT)
        try:
            await until(lambda: not told(self._address)["busy"])
            await until(lambda: warm is None or len(asyncio.all_tasks()) <= warm.tasks)
        except TimeoutError:
            self.figures.problems.append("requests or tasks go on after the end of all runs")
        held = Held.now()
        if warm is not None:
            self._more("left_tasks", held.tasks - warm.tasks)
            self._more("left_files", held.files - warm.files)
            self._more("left_children", held.children - warm.children)
        return held

    def _more(self, name: str, count: int) -> None:
        if count > 0:
            setattr(self.figures, name, max(getattr(self.figures, name), count))
            self.figures.problems.append(f"after {self.figures.runs} runs: {name} {count}")

    async def _read_log(self) -> None:
        """Look at what the store has of the runs and the breakers since the last time."""
        for row in await self._engine.transactions(limit=ROUND + AT_ONCE):
            if row.status not in ("committed", "rolled_back"):
                self.figures.open_ends += 1
                self.figures.problems.append(f"transaction #{row.number} is {row.status}")
        with closing(sqlite3.connect(self._store)) as store:  # events that belong to no run have no reader of their own
            count = "SELECT count(*) FROM events WHERE kind = 'node_started' AND gseq > ?"
            self.figures.visits += store.execute(count, (self._seen,)).fetchone()[0]
            self._log.read(store, self._seen)
            self._seen = store.execute("SELECT max(gseq) FROM events").fetchone()[0]

    async def _recover(self) -> None:
        """Without faults every breaker closes again, and then every run commits."""
        self.figures.requests, self.figures.faults = _met(told(self._address, faults=0.0))
        self.figures.faults_percent = round(100 * sum(self.figures.faults.values()) / self.figures.requests, 2)
        kept, self.figures.ends = self.figures.ends, {}
        made = self.figures.runs
        while any(each.state != "closed" for each in self._engine.breakers()):
            if self.figures.runs - made > RECOVERY_RUNS:
                break
            await asyncio.sleep(COOLDOWN_S)
            await self._round(20)
        self.figures.ends = {}
        await self._round(20)
        await self._read_log()
        if set(self.figures.ends) - {"success", "fallback", "cancelled"}:
            self.figures.problems.append(f"with a server that is well again runs end as {self.figures.ends}")
        self.figures.ends = kept
        wrong = self._log.problems + self._log.compare(self._engine.breakers(), open_is_wrong=True)
        self.figures.breakers = dict(self._log.changes)
        self.figures.wrong_breakers += len(wrong)
        self.figures.problems += wrong


def _over(made: int, runs: int | None, seconds: float, minutes: float | None) -> bool:
    return made >= runs if runs is not None else seconds >= 60 * (minutes or 0)


def _met(state: dict[str, Any]) -> tuple[int, dict[str, int]]:
    """(requests, class of fault -> requests)."""
    met = dict(Counter(state["met"]))
    requests = sum(met.values())
    met.pop("fine", None)
    return requests, met


@contextmanager
def server(seed: int) -> Iterator[str]:
    """The address of a server, which ends afterwards."""
    command = [sys.executable, "-m", "tests.faults.soak_server", "--seed", f"{seed}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        try:
            yield program.stdout.readline().strip()
        finally:
            program.communicate()  # closes its stdin


async def soak_here(folder: Path, runs: int | None, minutes: float | None, seed: int) -> Figures:
    """Soak an engine of this process."""
    (folder / "workspace").mkdir()
    with server(seed) as address:
        before = Held.now()
        config = EngineConfig(
            backend="ollama",
            ollama_host=address,
            concurrency=SLOTS,
            workspace=folder / "workspace",
            breaker=BreakerConfig(cooldown_s=COOLDOWN_S),
            retry=RetryConfig(base_s=0.05, cap_s=0.5),
            run_timeout_s=120,
            cache_ttl_s=2,
            keep_transactions=KEPT,
        )
        async with engine.open(folder / "data", config=config) as eng:
            figures = await Soak(eng, address, folder, seed).run(runs, minutes)
        await _closed(figures, address, before)
    report = await asyncio.to_thread(examine, folder / "data" / FILE_NAME)
    figures.unsound = sum(report.counts.values())
    figures.problems += [text for texts in report.problems.values() for text in texts]
    if figures.growth_mb >= GROWTH_MB:
        figures.problems.append(f"memory grew by {figures.growth_mb} MB")
    return figures


async def _closed(figures: Figures, address: str, before: Held) -> None:
    """Nothing is left of an engine that was closed."""
    connections = 0

    def ended() -> bool:
        nonlocal connections
        connections = told(address)["open"]
        return not connections

    try:
        await until(ended)
    except TimeoutError:
        figures.left_connections = connections
        figures.problems.append(f"{connections} connections are left when the engine is closed")
    after = Held.now()
    for name in ("tasks", "children"):
        count = getattr(after, name) - getattr(before, name)
        if count > 0:
            setattr(figures, f"left_{name}", count)
            figures.problems.append(f"{count} {name} are left when the engine is closed")


def measure(runs: int | None = None, *, minutes: float | None = None, seed: int = 1) -> Figures:
    """Soak an engine with so many runs, or for so long, in a program of its own.

    Raises:
        RuntimeError: the program broke.
    """
    form = ["--runs", f"{runs}"] if runs is not None else ["--minutes", f"{minutes}"]
    (found,) = figures_of("tests.faults.soak", [["--one", "--seed", f"{seed}", *form]])
    return Figures(**found)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(";")[0])
    parser.add_argument("--runs", type=int)
    parser.add_argument("--minutes", type=float, help="instead of a number of runs")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--one", action="store_true", help="in this process; prints the figures as JSON")
    options = parser.parse_args()
    runs = options.runs if options.runs or options.minutes else 500
    if options.one:
        end_after(600 + 60 * (options.minutes or 0) + (runs or 0))
        with tempfile.TemporaryDirectory(prefix="tinyllm-soak-") as folder:
            figures = asyncio.run(soak_here(Path(folder), runs, options.minutes, options.seed))
        print(json.dumps(asdict(figures)))
        return 0
    figures = measure(runs, minutes=options.minutes, seed=options.seed)
    print(figures)
    return 1 if figures.problems else 0


if __name__ == "__main__":
    sys.exit(main())
