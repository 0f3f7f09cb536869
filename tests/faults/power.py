"""Loss of power: `uv run python -m tests.faults.power [--cuts 2000]`.

The writes and syncs of the real store are recorded with strace through several lives of its process (one makes the
database, two are killed between a write and its sync, one removes old runs). At random places of the recording the
power goes: what a disk may then hold (`tests.faults.power_disk` says what it promises) is built from a seed, opened by
the real store, and compared with what had been told before. Some are then gone on with by a whole engine.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import random
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, NoReturn, get_args

from engine.errors import EngineError
from engine.store.database import FILE_NAME, Database
from engine.store.deep_check import examine
from tests.faults import ledger
from tests.faults.kills import worker_life
from tests.faults.oracle import Oracle
from tests.faults.power_disk import Cut, Disk
from tests.faults.power_trace import CALLS, Recording, Step
from tests.faults.power_work import Life, Synchronous, live, lives
from tests.faults.programs import end_after, figures_of, shares
from tests.faults.syscalls import strace
from tests.faults.workload import Job, Work, works

CUTS_PER_RECORDING = 250
RECOVERED = 10
"""One in so many cuts is gone on with."""
AT_ONCE = 2
"""Programs that cut, at the same time."""
ROOM = 2**28
"""Bytes that a program may need for its files."""
PLACES = {
    "anywhere": 4,
    "creation": 1,
    "checkpoint": 4,
    "before a sync": 6,
    "acknowledgement": 4,
    "recovery": 2,
    "removal": 1,
}
"""Where the power goes -> how often."""

Row = tuple[Any, ...]


@dataclass
class Figures:
    """What came of it."""

    cuts: int = 0
    unsynced: int = 0
    """Cuts while writes of the database, or of its log, were on the way to the disk."""
    during_creation: int = 0
    """Before the database was there and open for the first time."""
    during_checkpoint: int = 0
    """While the write-ahead log was written back."""
    after_acknowledgement: int = 0
    """Right after something had been told."""
    during_recovery: int = 0
    """While a later process began, until the first events of its own were durable."""
    during_removal: int = 0
    """While old runs were removed."""
    torn_writes: int = 0
    """After which a write was there in part."""
    out_of_order: int = 0
    """After which a write was there and an earlier one was missing."""
    changes_lost: int = 0
    """After which something that was written was missing."""
    names_lost: int = 0
    """After which the name of a file was missing, or one was there again."""
    acknowledged: int = 0
    """Beginnings and ends of runs that had been told, over all cuts."""
    copies: int = 0
    """Undo copies that had to be there, over all cuts."""
    gone_on_with: int = 0
    """Cuts after which a whole engine went on."""
    resumed: int = 0
    rolled_back_at_start: int = 0
    lost: int = 0
    """Acknowledged commits that were not there."""
    corrupt: int = 0
    """Databases that were damaged, or held something else than what was written."""
    torn: int = 0
    """Transactions or groups of events of which a part was there."""
    astray: int = 0
    """Effects and undo copies that were missing, or that nobody knew of."""
    steps: int = 0
    """Writes, syncs and the like in the recordings."""
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)

    def add(self, other: Figures) -> None:
        """Take in what came of other cuts at the same time."""
        for each in fields(self):
            mine, theirs = getattr(self, each.name), getattr(other, each.name)
            setattr(self, each.name, max(mine, theirs) if each.name == "seconds" else mine + theirs)

    def __str__(self) -> str:
        told = asdict(self)
        problems = told.pop("problems")
        return "\n".join([f"{name.replace('_', ' '):<28} {value}" for name, value in told.items()] + problems)


@dataclass
class Story:
    """What was recorded, and what it left."""

    steps: list[Step]
    rows: dict[int, Row]
    """Number -> event, of all that were ever in the database."""
    removed: set[int]
    """Numbers of those that were removed in the end."""


def record(folder: Path, seed: int, synchronous: Synchronous) -> Story:
    """Let processes live on `folder / "home"`; this process must have one thread only, for it forks.

    Raises:
        RuntimeError: one of them broke, or may not be followed.
        Unfaithful: the recording is not what they did.
    """
    dice, home = random.Random(seed), folder / "home"
    (home / "workspace").mkdir(parents=True)
    recording = Recording(home, folder / "told")
    recording.has()
    for life in lives(dice):
        _live_once(folder, life, dice.randrange(2**32), synchronous)
        recording.read(folder / "trace")
    written = [tuple(row) for line in (folder / "groups").open() for row in json.loads(line)]
    rows = {row[0]: row for row in written}  # of a number that was given again the first event never came to the disk
    with closing(sqlite3.connect(home / "data" / FILE_NAME)) as connection:
        there = {row[0]: row for row in _events(connection)}
    if sorted(rows) != list(range(1, len(rows) + 1)) or there.items() - rows.items():
        raise RuntimeError("What is there without any loss of power is not what was written.")
    shutil.rmtree(home)
    return Story(recording.steps, rows, rows.keys() - there.keys())


def _live_once(folder: Path, life: Life, seed: int, synchronous: Synchronous) -> None:
    waiting, go = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(go)
        _be_followed(folder, life, seed, synchronous, waiting)
    os.close(waiting)
    options = ["-xx", "-y", "-s", "100000000", "-esignal=none"]
    if life.killed_at:
        options.append(f"-einject=fdatasync:signal=SIGKILL:when={life.killed_at}")
    try:
        tracer = strace(pid, folder / "trace", CALLS, options)
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        raise
    finally:
        os.close(go)  # what it waits for
    _, status = os.waitpid(pid, 0)
    tracer.communicate()
    ended = os.waitstatus_to_exitcode(status)
    survived = ended == 0 and synchronous != "FULL"  # the sync at which it was to be killed never came
    if ended != (-signal.SIGKILL if life.killed else 0) and not survived:
        raise RuntimeError(f"{life} ended with {ended}.")


def _be_followed(folder: Path, life: Life, seed: int, synchronous: Synchronous, waiting: int) -> NoReturn:
    status = 1
    try:
        told, groups = (os.open(folder / name, os.O_CREAT | os.O_WRONLY | os.O_APPEND) for name in ("told", "groups"))
        os.read(waiting, 1)
        asyncio.run(live(folder / "home", life, told, groups, seed, synchronous))
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _events(connection: sqlite3.Connection) -> list[Row]:
    sql = "SELECT gseq, tx, seq, t_ms, wall_ms, kind, v, body, crc FROM events ORDER BY gseq"
    return [tuple(row) for row in connection.execute(sql)]


def places(steps: Sequence[Step]) -> dict[str, list[int]]:
    """Kind of place -> numbers of steps before which the power may go there."""
    found: dict[str, list[int]] = {place: [] for place in PLACES}
    disk, opening, removing, lives_begun = Disk(), True, False, 0
    for number, step in enumerate([*steps, Step()]):
        database = disk.find(f"data/{FILE_NAME}")
        at = {
            "anywhere": True,
            "creation": opening and not lives_begun,
            "checkpoint": database is not None and bool(disk.file(database).pending),
            "before a sync": step.sync,
            "acknowledgement": number > 0 and steps[number - 1].told is not None,
            "recovery": opening and lives_begun > 0,
            "removal": removing,
        }
        for place, here in at.items():
            if here:
                found[place].append(number)
        if step.do is not None:
            step.do(disk)
        match step.told and step.told["kind"]:
            case "durable":
                opening = False
            case "open":
                lives_begun += 1
            case "pruning" | "pruned" as kind:
                removing = kind == "pruning"
        opening = opening or step.first
    return found


def database_files(disk: Disk) -> list[int]:
    """The files that make up the database, at this moment."""
    data = disk.find("data")
    return [] if data is None else [node for name, node in disk.folder(data).now.items() if name.startswith(FILE_NAME)]


class Suite:
    """Cuts of one recording after the other."""

    def __init__(self, seed: int, parent: Path, synchronous: Synchronous = "FULL") -> None:
        self.figures = Figures()
        self._dice = random.Random(seed)
        self._parent = parent
        self._works = works()
        self._synchronous = synchronous

    def run(self, cuts: int) -> Figures:
        began = time.monotonic()
        for number, done in enumerate(range(0, cuts, CUTS_PER_RECORDING)):
            folder = self._parent / f"{number}"
            folder.mkdir()
            story = record(folder, self._dice.randrange(2**32), self._synchronous)
            self.figures.steps += len(story.steps)
            self._cut_all(folder, story, min(CUTS_PER_RECORDING, cuts - done))
            shutil.rmtree(folder)
        self.figures.seconds = round(time.monotonic() - began, 1)
        return self.figures

    def _cut_all(self, folder: Path, story: Story, cuts: int) -> None:
        where = places(story.steps)
        drawn = self._dice.choices(list(PLACES), list(PLACES.values()), k=cuts)
        at = sorted(self._dice.choice(where[place]) for place in drawn)
        kinds = {place: set(numbers) for place, numbers in where.items()}
        disk, told, done = Disk(), list[dict[str, Any]](), 0
        for cut in at:
            for step in story.steps[done:cut]:
                if step.do is not None:
                    step.do(disk)
                if step.told is not None:
                    told.append(step.told)
            done = cut
            self._count(disk, {place for place, numbers in kinds.items() if cut in numbers})
            before = len(self.figures.problems)
            Aftermath(folder, story, disk, told, self._dice.randrange(2**32), self._works, self.figures).look()
            if len(self.figures.problems) > before:
                self.figures.problems.append(f"  ... at step {cut} of {len(story.steps)}")

    def _count(self, disk: Disk, kinds: set[str]) -> None:
        figures = self.figures
        figures.cuts += 1
        figures.unsynced += any(disk.file(each).pending for each in database_files(disk))
        figures.during_creation += "creation" in kinds
        figures.during_checkpoint += "checkpoint" in kinds
        figures.after_acknowledgement += "acknowledgement" in kinds
        figures.during_recovery += "recovery" in kinds
        figures.during_removal += "removal" in kinds


class Aftermath:
    """What is left after one cut, and how it is gone on with.

    Args:
        folder: has `home` where it was when the recording was made: undo copies name the folder of their files.
        told: what had been told before the power went.
        seed: of the cut.
        works: the kinds of runs, by name.
        figures: take what is found.
    """

    def __init__(
        self,
        folder: Path,
        story: Story,
        disk: Disk,
        told: list[dict[str, Any]],
        seed: int,
        works: dict[str, Work],
        figures: Figures,
    ) -> None:
        self._home = folder / "home"
        self._story = story
        self._disk = disk
        self._seed = seed
        self._works = works
        self._figures = figures
        self._pruning = any(line["kind"] == "pruning" for line in told)
        self._pruned = any(line["kind"] == "pruned" for line in told)
        gone = {story.rows[number][1] for number in story.removed} if self._pruning else set()
        self._told = [line for line in told if "tx" not in line or line["tx"] not in gone]

    def look(self) -> None:
        cut = self._build()
        figures = self._figures
        figures.torn_writes += cut.torn
        figures.out_of_order += cut.out_of_order
        figures.changes_lost += cut.lost
        figures.names_lost += cut.names_lost
        corrupt = figures.corrupt
        rows = self._open()
        if rows is not None:
            self._compare(rows)
        if rows is None or figures.corrupt > corrupt:
            return  # what is damaged says nothing of the rest
        try:
            self._check_world(rows)
            self._build()
            oracle = self._oracle()
            if figures.cuts % RECOVERED == 0:
                self._go_on(oracle)
        except (sqlite3.DatabaseError, LookupError, ValueError) as error:
            self._problem("corrupt", f"what it holds cannot be read: {error!r}")
            return
        for name in ("lost", "torn"):
            setattr(figures, name, getattr(figures, name) + getattr(oracle, name))
        figures.astray += oracle.astray + oracle.twice + oracle.failed
        figures.problems += oracle.problems

    def _build(self) -> Cut:
        shutil.rmtree(self._home, ignore_errors=True)
        self._home.mkdir()
        cut = Cut(self._disk, self._seed)
        cut.write(self._home)
        return cut

    # -- the store ---------------------------------------------------------------------------------------------------

    def _open(self) -> list[Row] | None:
        """The events that the real store finds; None where it does not take its database."""
        try:
            notices, rows, report = asyncio.run(_open(self._home / "data"))
        except (EngineError, sqlite3.Error) as error:
            self._problem("corrupt", f"it cannot be opened: {error}")
            return None
        if notices:
            self._problem("corrupt", f"opening said {notices}")
        if report:
            self._problem("corrupt", f"the deep check found {report}")
        return rows

    def _compare(self, rows: list[Row]) -> None:
        """What is there is a beginning of what was written, up to the end of a group, with all that was told."""
        story, last = self._story, rows[-1][0] if rows else 0
        there = {row[0]: row for row in rows}
        altered = [number for number, row in there.items() if story.rows.get(number) != row]
        if altered:
            self._problem("corrupt", f"the events {altered[:5]} are not as they were written")
        removed = story.removed if self._pruning else set()
        gaps = {number for number in story.rows if number <= last} - there.keys()
        if gaps - removed:
            self._problem("torn", f"the events {sorted(gaps - removed)[:5]} are missing before {last}")
        if self._pruned and removed & there.keys():
            self._problem("lost", "runs that had been removed are there again")
        groups = {line["last"] for line in self._told if line["kind"] == "writing"}
        if last and last not in groups:
            self._problem("torn", f"event {last} is the last one, in the midst of a group")
        durable = max((line["last"] for line in self._told if line["kind"] == "durable"), default=0)
        if last < durable:
            self._problem("lost", f"event {durable} was durable, and {last} is the last one")

    def _oracle(self) -> Oracle:
        """The oracle of the kills, which reads the files as the cut left them, before the engine did."""
        oracle = Oracle(self._home, self._works)
        self._figures.acknowledged += len({(line["kind"], line["tx"]) for line in self._told if "tx" in line})
        oracle.heard(self._told)
        if (self._home / "data" / FILE_NAME).exists():
            oracle.look()
        return oracle

    # -- the world ---------------------------------------------------------------------------------------------------

    def _check_world(self, rows: list[Row]) -> None:
        """Undo copies of what can still be taken back are there, and files are only where an intent is."""
        ended = {row[1] for row in rows if row[5] in ("committed", "rolled_back")}
        questions, expected, intended = {}, {}, set()
        for _, tx, _, _, _, kind, _, body, _ in rows:
            if kind == "begin":
                questions[tx] = json.loads(body)["question"]
            elif kind == "effect_intended":
                said = json.loads(body)
                for index, file in enumerate(said["undo"].get("files", ())):
                    intended.add(Path(file["path"]).name)
                    if file["before"] is not None and tx not in ended:
                        self._check_copy(tx, said["call"], index, file["before"]["digest"])
            elif kind == "committed":
                work, _, run = questions[tx].rpartition(" ")
                expected |= {f"{run}-{name}.txt": text for name, text in self._works[work].files.items()}
        there = {path.name: path.read_text() for path in (self._home / "workspace").glob("run-*")}
        removed = set(there) - intended
        if removed and not self._pruning:
            self._problem("astray", f"the files {sorted(removed)[:5]} were written, and nobody meant to")
        missing = [name for name, text in expected.items() if there.get(name) != text]
        if missing:
            self._problem("astray", f"the run is committed, and {missing[:5]} are not as it left them")

    def _check_copy(self, tx: str, call: str, index: int, digest: str) -> None:
        copy = self._home / "data" / "undo" / tx / hashlib.sha256(call.encode()).hexdigest()[:32] / f"{index}"
        self._figures.copies += 1
        if not copy.exists() or hashlib.sha256(copy.read_bytes()).hexdigest() != digest:
            self._problem("astray", f"{tx} has an intent, and its undo copy is not there")

    def _go_on(self, oracle: Oracle) -> None:
        """Let a whole engine take over, and look at what it leaves."""
        figures = self._figures
        figures.gone_on_with += 1
        recovery = "roll_back" if self._seed % 3 == 0 else "resume"
        life = worker_life(Job(self._home, "99", self._seed, 1, recovery=recovery), None)
        oracle.heard(life.lines)
        opened = life.first("open")
        if opened is None or opened["notices"] or life.status:
            self._problem("corrupt", f"the next process ended with {life.status}: {life.lines[-1:]}")
            return
        figures.resumed += len(opened["resumed"])
        figures.rolled_back_at_start += len(opened["rolled_back"])
        oracle.look()
        oracle.settled()

    def _problem(self, counter: str, text: str) -> None:
        setattr(self._figures, counter, getattr(self._figures, counter) + 1)
        self._figures.problems.append(text)


async def _open(folder: Path) -> tuple[list[str], list[Row], dict[Any, list[str]]]:
    """(what opening says, the events, what the deep check finds)."""
    database = await Database.open(folder)
    try:
        report = examine(database.path)
        with closing(sqlite3.connect(database.path)) as connection:
            return database.notices, _events(connection), dict(report.problems)
    finally:
        await database.close()


def measure(cuts: int, *, seed: int, synchronous: Synchronous = "FULL", at_once: int = AT_ONCE) -> Figures:
    """Cut so many times, in several programs at once.

    Args:
        cuts: how many.
        seed: of everything that is drawn.
        synchronous: how the store syncs; all but `FULL` breaks it, and the figures must say so.
        at_once: programs.

    Raises:
        RuntimeError: one of the programs broke.
    """
    arguments = [
        ["--one", "--cuts", f"{share}", "--seed", f"{seed * 1000 + number}", "--synchronous", synchronous]
        for number, share in enumerate(shares(cuts, at_once))
    ]
    figures = Figures()
    for each in figures_of("tests.faults.power", arguments):
        figures.add(Figures(**each))
    return figures


def in_memory() -> str | None:
    """Where files take no time, for the only disk that counts here is a model; None: where all temporary files are."""
    place = "/dev/shm"
    try:
        return place if os.access(place, os.W_OK) and shutil.disk_usage(place).free >= ROOM else None
    except OSError:
        return None


def cut_here(cuts: int, seed: int, synchronous: Synchronous) -> Figures:
    """Cut so many times in this process, which must have one thread only."""
    ledger.install()
    with tempfile.TemporaryDirectory(prefix="tinyllm-power-", dir=in_memory()) as folder:
        parent = Path(folder).resolve()
        warm = parent / "warm"
        (warm / "workspace").mkdir(parents=True)
        asyncio.run(live(warm, Life("0", 4), -1, -1, 1, "FULL"))  # everything is imported before the first fork
        return Suite(seed, parent, synchronous).run(cuts)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("--cuts", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--synchronous", choices=get_args(Synchronous), default="FULL", help="break the store")
    parser.add_argument("--one", action="store_true", help="in this process alone; prints the figures as JSON")
    options = parser.parse_args()
    if options.one:
        end_after(420 + options.cuts)
        print(json.dumps(asdict(cut_here(options.cuts, options.seed, options.synchronous))))
        return 0
    figures = measure(options.cuts, seed=options.seed, synchronous=options.synchronous)
    print(figures)
    return 1 if figures.problems else 0


if __name__ == "__main__":
    sys.exit(main())
