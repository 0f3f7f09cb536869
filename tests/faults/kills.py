"""kill -9 at random instants; the long form is `uv run python -m tests.faults.kills --kills 5000`.

This process is the ledger and the oracle. It forks one worker after the other on the same data folder, reads what they
say from a pipe, and kills them. Some are killed again while they recover what the one before left; every few kills one
is let be, goes on with everything (or rolls it back), and then all that was left in the world is compared.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from tests.faults import ledger
from tests.faults.oracle import Oracle
from tests.faults.programs import end_after, figures_of, shares
from tests.faults.workload import Job, live, works

LONGEST_LIFE_S = 0.6
"""Kills fall evenly between the fork and this."""
PATIENCE_S = 120.0
"""A worker that is let be and has not ended by then hangs."""
KILLS_PER_FOLDER = 50
AT_ONCE = 3
"""Programs that kill, at the same time."""
SETTLE = 0.4
"""Share of kills after which everything is let come to its end."""


@dataclass
class Figures:
    """What came of it."""

    kills: int = 0
    while_opening: int = 0
    """Before the engine was open: in recovery of what an earlier kill had left, for the most part."""
    between_intent_and_outcome: int = 0
    """After which an effect had an intent on disk and no outcome."""
    effect_had_happened: int = 0
    """Of these: it was in the ledger."""
    while_taking_back: int = 0
    """After which a rollback was begun and not ended."""
    interrupted_runs: int = 0
    """Runs that were going on when their process was killed; one that is killed twice counts twice."""
    resumed: int = 0
    """Runs with which a later process went on; likewise."""
    rolled_back_at_start: int = 0
    ends: dict[str, int] = field(default_factory=dict)
    """Status -> transactions."""
    acknowledged: int = 0
    """Ends of runs that a worker had told."""
    effects: int = 0
    """Effects that were applied."""
    lost: int = 0
    torn: int = 0
    twice: int = 0
    astray: int = 0
    failed: int = 0
    failed_workers: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)

    def add(self, other: Figures) -> None:
        """Take in what came of other kills at the same time."""
        for each in fields(self):
            mine, theirs = getattr(self, each.name), getattr(other, each.name)
            if each.name == "ends":
                self.ends = dict(Counter(mine) + Counter(theirs))
            else:
                setattr(self, each.name, max(mine, theirs) if each.name == "seconds" else mine + theirs)

    def __str__(self) -> str:
        told = asdict(self)
        told.pop("problems")
        return "\n".join([f"{name.replace('_', ' '):<28} {value}" for name, value in told.items()] + self.problems)


@dataclass
class Life:
    """What a worker said until it ended, and how it ended."""

    lines: list[dict[str, Any]]
    status: int
    """As `os.waitpid` says."""

    @property
    def killed(self) -> bool:
        return os.WIFSIGNALED(self.status) and os.WTERMSIG(self.status) == signal.SIGKILL

    def first(self, kind: str) -> dict[str, Any] | None:
        return next((line for line in self.lines if line["kind"] == kind), None)


def spawn(job: Job) -> tuple[int, int]:
    """(process id, reading end of its pipe) of a worker. This process has one thread, so that it can simply fork."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return pid, reading
    status = 1
    try:
        os.close(reading)
        asyncio.run(live(job, writing))
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def worker_life(job: Job, kill_after_s: float | None) -> Life:
    """Let a worker live until it is killed, or ends."""
    pid, pipe = spawn(job)
    deadline = time.monotonic() + (PATIENCE_S if kill_after_s is None else kill_after_s)
    said = bytearray()
    while (left := deadline - time.monotonic()) > 0:
        if select.select([pipe], [], [], left)[0]:
            read = os.read(pipe, 65536)
            if not read:
                break
            said += read
    os.kill(pid, signal.SIGKILL)  # it is not reaped yet: the number is still its own
    while read := os.read(pipe, 65536):  # what it had said before
        said += read
    os.close(pipe)
    _, status = os.waitpid(pid, 0)
    return Life([json.loads(line) for line in said.splitlines()], status)


class Suite:
    """Kills on one folder after the other."""

    def __init__(self, seed: int, parent: Path) -> None:
        self.figures = Figures()
        self._dice = random.Random(seed)
        self._parent = parent
        self._lives = 0

    def run(self, kills: int) -> Figures:
        began = time.monotonic()
        while self.figures.kills < kills:
            folder = self._parent / f"{self.figures.kills}"
            (folder / "workspace").mkdir(parents=True)
            self._run_on(folder, min(KILLS_PER_FOLDER, kills - self.figures.kills))
            shutil.rmtree(folder)
        self.figures.seconds = round(time.monotonic() - began, 1)
        return self.figures

    def _run_on(self, folder: Path, kills: int) -> None:
        oracle = Oracle(folder, works())
        for left in reversed(range(kills)):
            self._kill(oracle)
            if not left or self._dice.random() < SETTLE:
                self._settle(oracle)
        figures = self.figures
        for name in ("lost", "torn", "twice", "astray", "failed"):
            setattr(figures, name, getattr(figures, name) + getattr(oracle, name))
        figures.problems += oracle.problems
        figures.acknowledged += len(oracle.told)
        figures.effects += sum(each.kinds["effect_intended"] for each in oracle.logged.values())
        figures.ends = dict(Counter(figures.ends) + Counter(each.last for each in oracle.logged.values()))

    def _kill(self, oracle: Oracle) -> None:
        life = worker_life(self._job(oracle, None), self._dice.uniform(0, LONGEST_LIFE_S))
        self._took_over(oracle, life)
        if not life.killed:
            self._failed(oracle, "a worker ended by itself", life)
        figures = self.figures
        figures.kills += 1
        figures.while_opening += life.first("open") is None
        in_doubt = oracle.look()
        figures.between_intent_and_outcome += bool(in_doubt)
        figures.effect_had_happened += any(call in oracle.added for call in in_doubt)
        going_on = [each for each in oracle.logged.values() if not each.ended]
        figures.interrupted_runs += len(going_on)
        figures.while_taking_back += any(each.kinds["rolling_back"] for each in going_on)

    def _settle(self, oracle: Oracle) -> None:
        life = worker_life(self._job(oracle, self._dice.choice([0, 0, 2])), None)
        self._took_over(oracle, life)
        if life.status or life.first("closed") is None:
            self._failed(oracle, "a worker that was let be did not end well", life)
        oracle.look()
        oracle.settled()

    def _job(self, oracle: Oracle, new_runs: int | None) -> Job:
        self._lives += 1
        return Job(
            oracle.folder,
            f"{self._lives}",
            seed=self._dice.randrange(2**32),
            new_runs=new_runs,
            recovery="roll_back" if self._dice.random() < 0.25 else "resume",
            durability="strict" if self._dice.random() < 0.25 else "grouped",
        )

    def _took_over(self, oracle: Oracle, life: Life) -> None:
        oracle.heard(life.lines)
        opened = life.first("open")
        if opened is not None:
            self.figures.resumed += len(opened["resumed"])
            self.figures.rolled_back_at_start += len(opened["rolled_back"])
            if opened["notices"]:
                self._failed(oracle, f"it had to say {opened['notices']}", life)

    def _failed(self, oracle: Oracle, what: str, life: Life) -> None:
        self.figures.failed_workers += 1
        oracle.problems.append(f"{what} (status {life.status}, last line {life.lines[-1:]})")


def measure(kills: int, *, seed: int, at_once: int = AT_ONCE) -> Figures:
    """Kill so many workers, in several programs at once: workers wait more than they compute.

    Raises:
        RuntimeError: one of the programs broke.
    """
    arguments = [
        ["--one", "--kills", f"{share}", "--seed", f"{seed * 1000 + number}"]
        for number, share in enumerate(shares(kills, at_once))
    ]
    figures = Figures()
    for each in figures_of("tests.faults.kills", arguments):
        figures.add(Figures(**each))
    return figures


def kill_here(kills: int, seed: int) -> Figures:
    """Kill so many workers of this process, which must have one thread only."""
    ledger.install()
    with tempfile.TemporaryDirectory(prefix="tinyllm-kills-") as folder:
        warm = Path(folder) / "warm"
        (warm / "workspace").mkdir(parents=True)
        asyncio.run(live(Job(warm, "warm", 1, 20), -1))  # everything is imported before the first fork
        return Suite(seed, Path(folder)).run(kills)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition(";")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--one", action="store_true", help="in this process alone; prints the figures as JSON")
    options = parser.parse_args()
    if options.one:
        end_after(120 + 10 * options.kills)
        print(json.dumps(asdict(kill_here(options.kills, options.seed))))
        return 0
    figures = measure(options.kills, seed=options.seed)
    print(figures)
    return 1 if figures.problems else 0


if __name__ == "__main__":
    sys.exit(main())
