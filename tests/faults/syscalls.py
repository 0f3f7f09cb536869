"""System calls that fail: `uv run python -m tests.faults.syscalls [--all]`.

`strace` makes the n-th write or sync of a process fail with EIO or ENOSPC (once, or from then on) or kills the process
there. What the process said until its end is compared with what is on disk, before and after a later process took over.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import random
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from tests.faults import ledger
from tests.faults.kills import worker_life
from tests.faults.oracle import Oracle
from tests.faults.programs import end_after, figures_of
from tests.faults.syscalls_child import one_run, works
from tests.faults.workload import Job

CALLS = ("write", "pwrite64", "fsync", "fdatasync", "ftruncate", "rename", "renameat", "linkat")
FAULTS = (
    ("error=EIO", False),
    ("error=EIO", True),
    ("error=ENOSPC", False),
    ("error=ENOSPC", True),
    ("signal=SIGKILL", False),
)
"""(what happens, whether it happens to all that follow as well)."""
AT_ONCE = 3
PATIENCE_S = 60.0
"""A process that has not ended by then hangs."""


@dataclass(frozen=True)
class Case:
    """One process."""

    kind: str
    """Of its run."""
    first_start: bool
    """Whether it has to make the database."""
    call: str
    index: int
    """Which one fails, from 1; strace counts in each thread of its own."""
    fault: str
    lasting: bool
    """Whether all that follow fail as well."""

    @property
    def inject(self) -> str:
        return f"inject={self.call}:{self.fault}:when={self.index}{'+' if self.lasting else ''}"


@dataclass
class Figures:
    """What came of it."""

    cases: int = 0
    struck: int = 0
    """Cases whose process came as far as the fault."""
    killed: int = 0
    ends: dict[str, int] = field(default_factory=dict)
    """What the person was told: an end, a code of an error, or nothing before the process was killed -> cases."""
    resumed: int = 0
    rolled_back_at_start: int = 0
    lost: int = 0
    torn: int = 0
    twice: int = 0
    astray: int = 0
    unclear: int = 0
    """Processes that broke, hung, or told no remedy."""
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)

    def add(self, other: Figures) -> None:
        """Take in what came of other cases at the same time."""
        for name, theirs in asdict(other).items():
            mine = getattr(self, name)
            if name == "ends":
                self.ends = dict(Counter(mine) + Counter(theirs))
            else:
                setattr(self, name, max(mine, theirs) if name == "seconds" else mine + theirs)

    def __str__(self) -> str:
        told = asdict(self)
        ends, problems = told.pop("ends"), told.pop("problems")
        lines = [f"{name.replace('_', ' '):<28} {value}" for name, value in told.items()]
        return "\n".join(lines + [f"  {end:<26} {count}" for end, count in sorted(ends.items())] + problems)


def attach(pid: int, folder: Path, injected: Sequence[str]) -> subprocess.Popen[str]:
    """Let strace follow a process and all its threads from now on.

    Raises:
        RuntimeError: it may not.
    """
    return strace(pid, folder / "trace", CALLS, ["-e" + each for each in injected])


def strace(pid: int, output: Path, calls: Sequence[str], options: Sequence[str]) -> subprocess.Popen[str]:
    """Let strace write down these calls of a process and all its threads from now on.

    Raises:
        RuntimeError: it may not.
    """
    names = ",".join(f"?{call}" for call in calls)
    command = ["strace", "-f", "-qq", "-p", f"{pid}", "-o", f"{output}", "-e", f"trace={names}", *options]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    status = Path(f"/proc/{pid}/status")
    deadline = time.monotonic() + PATIENCE_S
    while re.search(r"^TracerPid:\t0$", status.read_text(), re.MULTILINE):
        if time.monotonic() > deadline:
            tracer.kill()
        if tracer.poll() is not None:
            raise RuntimeError(tracer.communicate()[1].strip()[:300] or "strace does not begin")
        time.sleep(0.002)
    return tracer


def why_not() -> str:
    """Why system calls cannot be made to fail here; empty where they can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    with tempfile.TemporaryDirectory() as folder, subprocess.Popen(["sleep", "30"]) as sleeper:
        try:
            tracer = attach(sleeper.pid, Path(folder), ["inject=write:error=EIO:when=1"])
        except RuntimeError as error:
            return f"strace may not follow another process ({error})"
        finally:
            sleeper.kill()
        tracer.communicate()
    return ""


@dataclass
class Ended:
    """What a traced process said, and how it ended."""

    lines: list[dict[str, Any]]
    status: int
    """Exit code, negative for a signal."""
    hung: bool
    trace: str
    errors: str


def traced(folder: Path, kind: str, injected: Sequence[str] = ()) -> Ended:
    """One run in a process whose calls fail; this process must have one thread only, for it forks."""
    reading, writing = os.pipe()
    waiting, go = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(go)
        _be_traced(folder, kind, waiting, writing)
    os.close(writing)
    os.close(waiting)
    tracer = attach(pid, folder, injected)
    os.close(go)  # what it waits for
    deadline, said, hung = time.monotonic() + PATIENCE_S, bytearray(), False
    while not hung:
        hung = not select.select([reading], [], [], max(deadline - time.monotonic(), 0))[0]
        read = b"" if hung else os.read(reading, 65536)
        if not read:
            break
        said += read
    os.close(reading)
    if hung:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    tracer.communicate()
    lines = [json.loads(line) for line in said.splitlines()]
    trace = (folder / "trace").read_text(errors="replace")
    return Ended(lines, os.waitstatus_to_exitcode(status), hung, trace, (folder / "errors").read_text())


def _be_traced(folder: Path, kind: str, waiting: int, pipe: int) -> NoReturn:
    """The forked process: wait until it is followed, run, and end."""
    status = 1
    try:
        errors = os.open(folder / "errors", os.O_CREAT | os.O_WRONLY)
        os.dup2(errors, 2)
        os.read(waiting, 1)
        asyncio.run(one_run(folder, kind, pipe))
        status = 0
    except BaseException:
        os.writev(2, [traceback.format_exc().encode()])
    finally:
        os._exit(status)


def calls_in(trace: str) -> dict[str, int]:
    """System call -> how often the thread that made it most often made it."""
    counts = Counter(re.findall(r"^(\d+) +(\w+)\(", trace, re.MULTILINE))
    most: dict[str, int] = {}
    for (_, call), count in counts.items():
        most[call] = max(most.get(call, 0), count)
    return {call: most[call] for call in CALLS if call in most}


class Plan:
    """The cases, and the folders in which they begin."""

    def __init__(self, parent: Path) -> None:
        self._parent = parent
        self._made = folder_in(parent, "made")
        asyncio.run(one_run(self._made, "open", -1))
        asyncio.run(one_run(folder_in(parent, "warm"), "committed", -1))  # imports everything before the first fork

    def begin(self, name: str, first_start: bool) -> Path:
        """A new folder, with or without a database."""
        folder = folder_in(self._parent, name)
        if not first_start:
            shutil.copytree(self._made / "data", folder / "data")
        return folder

    def every_case(self) -> list[Case]:
        """Each call of each kind of run fails in each way."""
        return [
            Case(kind, first_start, call, index, fault, lasting)
            for kind, first_start in itertools.product(works(), (False, True))
            for call, count in calls_in(traced(self.begin(f"{kind}-{first_start}", first_start), kind).trace).items()
            for index in range(1, count + 1)
            for fault, lasting in FAULTS
        ]

    def sample(self, count: int, dice: random.Random) -> list[Case]:
        """As many of every kind of call, and most of them not of the first start."""
        groups: dict[tuple[bool, str], list[Case]] = {}
        for case in self.every_case():
            groups.setdefault((case.first_start, case.call), []).append(case)
        names = sorted(groups)
        weights = [1 if first_start else 3 for first_start, _ in names]
        return [dice.choice(groups[name]) for name in dice.choices(names, weights, k=count)]


def folder_in(parent: Path, name: str) -> Path:
    folder = parent / name
    (folder / "workspace").mkdir(parents=True)
    return folder


class Suite:
    """Cases, each in a folder of its own."""

    def __init__(self, plan: Plan) -> None:
        self.figures = Figures()
        self._plan = plan

    def run(self, cases: Sequence[Case]) -> Figures:
        began = time.monotonic()
        for number, case in enumerate(cases):
            folder = self._plan.begin(f"{number}", case.first_start)
            before = len(self.figures.problems)
            self._run_one(folder, case)
            if len(self.figures.problems) > before:
                self.figures.problems.append(f"  ... with {case}")
            shutil.rmtree(folder)
        self.figures.seconds = round(time.monotonic() - began, 1)
        return self.figures

    def _run_one(self, folder: Path, case: Case) -> None:
        figures = self.figures
        ended = traced(folder, case.kind, [case.inject])
        killed = ended.status == -signal.SIGKILL and not ended.hung
        figures.cases += 1
        figures.killed += killed
        figures.struck += killed or "(INJECTED)" in ended.trace
        told = next((line for line in ended.lines if line["kind"] in ("told", "refused")), None)
        said = "killed" if told is None else told.get("code") or told.get("error") or told["status"]
        figures.ends[said] = figures.ends.get(said, 0) + 1
        self._check_clear(ended, told, killed)
        oracle = Oracle(folder, works() | {"after": works()["committed"]}, faulty=not killed)
        self._compare(oracle, ended, case)

    def _check_clear(self, ended: Ended, told: dict[str, Any] | None, killed: bool) -> None:
        remedy = told is None or told.get("status") == "committed" or told.get("remedy")
        if (not killed and (ended.status != 0 or told is None)) or not remedy or "Traceback" in ended.errors:
            self.figures.unclear += 1
            last = ended.errors.strip().splitlines()[-3:]
            how = "hung" if ended.hung else f"ended with {ended.status}"
            self.figures.problems.append(f"it {how}, told {told}, and said {last}")

    def _compare(self, oracle: Oracle, ended: Ended, case: Case) -> None:
        oracle.heard(ended.lines)
        figures = self.figures
        if (oracle.folder / "data" / "tinyllm.db").exists():
            oracle.look()
        job = Job(oracle.folder, "after", 0, 0, recovery="roll_back" if case.index % 3 == 0 else "resume")
        life = worker_life(job, None)
        oracle.heard(life.lines)
        opened = life.first("open")
        if opened is None or life.status:
            figures.unclear += 1
            figures.problems.append(f"the next process ended with {life.status}: {life.lines[-1:]}")
            return
        figures.resumed += len(opened["resumed"])
        figures.rolled_back_at_start += len(opened["rolled_back"])
        oracle.look()
        oracle.settled()
        for name in ("lost", "torn", "twice", "astray"):
            setattr(figures, name, getattr(figures, name) + getattr(oracle, name))
        figures.problems += oracle.problems


def measure(cases: int | None, *, seed: int, at_once: int = AT_ONCE) -> Figures:
    """Let calls fail in so many cases from a seed; None: in every one that there is."""
    module = "tests.faults.syscalls"
    count = ["--all"] if cases is None else ["--cases", f"{cases}"]
    (plan,) = figures_of(module, [["--plan", "--seed", f"{seed}", *count]])
    figures = Figures()
    with tempfile.TemporaryDirectory(prefix="tinyllm-calls-") as parent:
        files = [Path(parent) / f"cases-{number}" for number in range(at_once)]
        for number, file in enumerate(files):
            file.write_text(json.dumps(plan["cases"][number::at_once]))
        for each in figures_of(module, [["--here", f"{file}"] for file in files]):
            figures.add(Figures(**each))
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("--cases", type=int, default=60)
    parser.add_argument("--all", action="store_true", help="every case there is")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plan", action="store_true", help="only print the cases, as JSON")
    parser.add_argument("--here", type=Path, metavar="FILE", help="the cases of this file; prints JSON")
    options = parser.parse_args()
    if not options.plan and options.here is None:
        figures = measure(None if options.all else options.cases, seed=options.seed)
        print(figures)
        return 1 if figures.problems else 0
    ledger.install()  # the process that takes over knows it
    end_after(120)
    with tempfile.TemporaryDirectory(prefix="tinyllm-calls-") as folder:
        plan = Plan(Path(folder))
        if options.plan:
            cases = plan.every_case() if options.all else plan.sample(options.cases, random.Random(options.seed))
            print(json.dumps({"cases": [asdict(case) for case in cases]}))
        else:
            cases = [Case(**each) for each in json.loads(options.here.read_text())]
            end_after(120 + 10 * len(cases))
            print(json.dumps(asdict(Suite(plan).run(cases))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
