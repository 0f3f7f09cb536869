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
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.faults import ledger
from tests.faults.kills import worker_life
from tests.faults.oracle import Oracle
from tests.faults.programs import figures_of
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


def why_not() -> str:
    """Why system calls cannot be made to fail here; empty where they can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    probe = ["strace", "-f", "-qq", "-o", os.devnull, "-e", "inject=getppid:error=EIO", "--", "true"]
    tried = subprocess.run(probe, capture_output=True, text=True, check=False)
    return f"strace may not trace here: {tried.stderr.strip()[:200]}" if tried.returncode else ""


@dataclass
class Ended:
    """What a traced process said, and how it ended."""

    lines: list[dict[str, Any]]
    status: int | None
    """Exit code, negative for a signal; None where it hung."""
    trace: str
    errors: str


def traced(folder: Path, kind: str, inject: Sequence[str] = ()) -> Ended:
    """Run the child under strace."""
    reading, writing = os.pipe()
    trace = folder / "trace"
    names = ",".join(f"?{call}" for call in CALLS)
    command = ["strace", "-f", "-qq", "--seccomp-bpf", "-o", f"{trace}", "-e", f"trace={names}"]
    for each in inject:
        command += ["-e", each]
    command += [sys.executable, "-m", "tests.faults.syscalls_child", f"{folder}", kind, f"{writing}"]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}  # else importing would write as well
    with open(folder / "errors", "w") as errors:  # noqa: PTH123 - beside it, not through a pipe that could fill
        process = subprocess.Popen(command, stderr=errors, pass_fds=[writing], env=environment)
    os.close(writing)
    try:
        status: int | None = process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        status = None
    with closing(os.fdopen(reading)) as pipe:
        lines = [json.loads(line) for line in pipe] if status is not None else []
    return Ended(lines, status, trace.read_text(errors="replace"), (folder / "errors").read_text())


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

    def __init__(self, parent: Path) -> None:
        self.figures = Figures()
        self._plan = Plan(parent)
        asyncio.run(one_run(folder_in(parent, "warm"), "committed", -1))  # imports everything before the first fork

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
        killed = ended.status == -9
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
        remedy = told is None or told["kind"] == "told" or told.get("remedy")
        if (not killed and (ended.status != 0 or told is None)) or not remedy or "Traceback" in ended.errors:
            self.figures.unclear += 1
            last = ended.errors.strip().splitlines()[-3:]
            self.figures.problems.append(f"it ended with {ended.status}, told {told}, and said {last}")

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
    figures = Figures()
    with tempfile.TemporaryDirectory(prefix="tinyllm-calls-") as parent:
        plan = Plan(Path(parent))
        chosen = plan.every_case() if cases is None else plan.sample(cases, random.Random(seed))
        files = [Path(parent) / f"cases-{number}" for number in range(at_once)]
        for number, file in enumerate(files):
            file.write_text(json.dumps([asdict(case) for case in chosen[number::at_once]]))
        for each in figures_of("tests.faults.syscalls", [["--here", f"{file}"] for file in files]):
            figures.add(Figures(**each))
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("--cases", type=int, default=60)
    parser.add_argument("--all", action="store_true", help="every case there is")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--here", type=Path, metavar="FILE", help="the cases of this file; prints JSON")
    options = parser.parse_args()
    if options.here is None:
        figures = measure(None if options.all else options.cases, seed=options.seed)
        print(figures)
        return 1 if figures.problems else 0
    ledger.install()  # the process that takes over knows it
    cases = [Case(**each) for each in json.loads(options.here.read_text())]
    with tempfile.TemporaryDirectory(prefix="tinyllm-calls-") as folder:
        print(json.dumps(asdict(Suite(Path(folder)).run(cases))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
