"""A disk that is full, and has space again: `uv run python -m tests.faults.full_disk [--rounds N]`.

A small tmpfs holds the data folder or the workspace. It is mounted in a mount namespace of the program's own, so that
the system unmounts it when the program ends, however it ends. A filler takes all space but a little; what was promised
must hold meanwhile, and after the filler is gone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest

import engine
from engine import events as ev
from engine.config import EngineConfig
from engine.errors import EngineError
from engine.run.engine import Engine
from engine.run.result import Result
from engine.run.run import Run
from engine.store.deep_check import examine
from tests.approvers import Person, yes
from tests.faults.programs import end_after
from tests.faults.workload import inputs_of, write
from tests.graphs import chain, node
from tests.running import run_in
from tests.scripted_backend import ScriptedBackend
from tests.waiting import until

SIZE = 6 * 2**20
"""Bytes of the disk."""
LEVELS = (0, 4096, 65536)
"""Bytes that the filler leaves."""
ROOM_FOR_EVENTS = 280_000
"""Bytes that a short run's events need at most, and less than a copy of `LONG`."""
LONG = "word " * 60_000
"""An answer that no disk takes which has so little left."""
PATIENCE_S = 60.0
"""How long the store may be full in these runs before they end: the machine may be slow."""
GRAPH = chain(node("m", "model"), node("n", "model"), node("strip", "transform", operation="strip"))


@dataclass
class Figures:
    """What came of it."""

    cases: int = 0
    pauses: int = 0
    """Runs that said that they wait for space."""
    went_on: int = 0
    """Of these: they ended well by themselves when there was space."""
    begun_while_full: int = 0
    """Runs begun meanwhile: they waited."""
    refused: int = 0
    """Openings, writes and copies that were refused with a remedy."""
    opened_while_full: int = 0
    screens: int = 0
    """Cockpits that said it, and went on."""
    lost: int = 0
    torn: int = 0
    astray: int = 0
    unclear: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        told = asdict(self)
        problems = told.pop("problems")
        return "\n".join([f"{name.replace('_', ' '):<28} {value}" for name, value in told.items()] + problems)


def _namespace() -> list[str]:
    """The command that gives a program mounts of its own."""
    return ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]


def why_not() -> str:
    """Why no disk can be made here; empty where it can."""
    if shutil.which("unshare") is None:
        return "there is no `unshare`"
    with tempfile.TemporaryDirectory() as folder:
        command = [*_namespace(), "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder]
        tried = subprocess.run(command, capture_output=True, text=True)
    return tried.stderr.strip()[:200] if tried.returncode else ""


class Disk:
    """A small disk that can be filled."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._filler = path / "filler"

    def fill(self, leave: int) -> None:
        """Take all space but so many bytes."""
        pages = max(shutil.disk_usage(self.path).free - leave, 0) // 4096
        with self._filler.open("wb", buffering=0) as file:
            file.write(bytes(pages * 4096))

    def free(self) -> None:
        self._filler.unlink(missing_ok=True)


@contextmanager
def mounted(folder: Path) -> Iterator[Disk]:
    """A new, empty disk; only in a mount namespace of one's own."""
    path = folder / "disk"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(path)], check=True)
    try:
        yield Disk(path)
    finally:
        subprocess.run(["umount", "-l", str(path)], check=False)


class Suite:
    """Cases, each on a disk of its own."""

    def __init__(self) -> None:
        self.figures = Figures()

    async def run(self, rounds: int) -> Figures:
        began = time.monotonic()
        for _ in range(rounds):
            for leave in LEVELS:
                for case in (self.runs_go_on, self.opening, self.first_start, self.full_workspace, self.no_copies,
                             self.cockpit):  # fmt: skip
                    await self._case(case, leave)
        self.figures.seconds = round(time.monotonic() - began, 1)
        return self.figures

    async def _case(self, case: Callable[[Disk, Path, ScriptedBackend, int], Awaitable[None]], leave: int) -> None:
        self.figures.cases += 1
        with tempfile.TemporaryDirectory(prefix="tinyllm-full-") as name, pytest.MonkeyPatch.context() as patch:
            backend = ScriptedBackend()
            backend.install(patch)
            with mounted(Path(name)) as disk:
                try:
                    await case(disk, Path(name), backend, leave)
                except Exception as exc:  # whatever it was, it is a figure and a sentence
                    self._problem("unclear", f"{type(exc).__name__}: {exc}")
                if self.figures.problems and not self.figures.problems[-1].startswith("  ..."):
                    self.figures.problems.append(f"  ... in {case.__name__} with {leave} bytes left")

    def _problem(self, counter: str, text: str) -> None:
        setattr(self.figures, counter, getattr(self.figures, counter) + 1)
        self.figures.problems.append(text)

    def _clear(self, error: EngineError | Any, *words: str) -> None:
        """What was refused must be said with a remedy."""
        if error is None or not error.remedy or not any(word in error.message for word in words):
            self._problem("unclear", f"it said {error}")
        else:
            self.figures.refused += 1

    # -- cases -------------------------------------------------------------------------------------------------------

    async def runs_go_on(self, disk: Disk, _place: Path, backend: ScriptedBackend, leave: int) -> None:
        """A run is under way when the disk fills up, and another is begun; both end well when there is space."""
        results: list[Result] = []
        async with opened(disk.path) as eng:
            results.append((await run_in(eng, chain(), "before")).result)
            go_on, further = asyncio.Event(), asyncio.Event()
            backend.answers(["part ", go_on, LONG], [further, "the end"])
            run = eng.start(GRAPH, "during")
            await backend.busy.wait()
            await eng._log.flush()
            seen = eng.bus.subscribe(size=10_000)
            disk.fill(leave)
            go_on.set()
            await until(lambda: eng._log.error)
            further.set()
            paused = await self._paused(seen)
            if not paused.remedy or "full" not in paused.reason:
                self._problem("unclear", f"it paused with {paused}")
            self.figures.pauses += 1
            late = eng.start(chain(), "while full")
            await asyncio.sleep(0.3)
            if run.done or late.done:
                self._problem("unclear", "a run ended while nothing could be recorded")
            self.figures.begun_while_full += 1
            disk.free()
            results += await self._end_well(run, late)
            results.append((await run_in(eng, chain(), "after")).result)
        self._compare(disk.path, results)

    async def _paused(self, seen: Any) -> ev.Paused:
        told: list[ev.Body] = []

        def is_told() -> bool:
            told.extend(item.body for item in seen.drain() if isinstance(item, ev.Event))
            return any(isinstance(body, ev.Paused) for body in told)

        await until(is_told)
        return next(body for body in told if isinstance(body, ev.Paused))

    async def _end_well(self, *runs: Run) -> list[Result]:
        async with asyncio.timeout(30):
            results = [await run.result() for run in runs]
        for result in results:
            if result.status == "committed":
                self.figures.went_on += 1
            else:
                self._problem("unclear", f"it ended as {result.status}: {result.error}")
        return results

    async def opening(self, disk: Disk, _place: Path, _backend: ScriptedBackend, leave: int) -> None:
        """The disk is full when the program starts; what was recorded is there when it has space again."""
        async with opened(disk.path) as eng:
            result = (await run_in(eng, chain(), "before")).result
        disk.fill(leave)
        await self._open_on_full(disk)
        disk.free()
        async with opened(disk.path) as eng:
            after = (await run_in(eng, chain(), "after")).result
        self._compare(disk.path, [result, after])

    async def first_start(self, disk: Disk, _place: Path, _backend: ScriptedBackend, leave: int) -> None:
        """There is no database yet, and no space for one."""
        disk.fill(leave)
        await self._open_on_full(disk)
        disk.free()
        async with opened(disk.path) as eng:
            after = (await run_in(eng, chain(), "after")).result
        self._compare(disk.path, [after])

    async def _open_on_full(self, disk: Disk) -> None:
        try:
            async with opened(disk.path):
                self.figures.opened_while_full += 1
        except EngineError as error:
            self._clear(error, "full", "No space")

    async def full_workspace(self, disk: Disk, place: Path, _backend: ScriptedBackend, leave: int) -> None:
        """A file tool writes where there is no space: the file stays as it was, and nothing half is left."""
        (disk.path / "run-a.txt").write_text("before")
        disk.fill(leave)
        config = EngineConfig(workspace=disk.path)
        async with engine.open(place / "data", config=config) as eng:
            ran = await run_in(eng, chain(write("one", "a")), inputs=big("overwrite"), approver=Person(yes))
        self._clear(ran.result.error, "space", "full")
        disk.free()
        there = {path.name: path.read_text() for path in disk.path.iterdir()}
        if ran.result.status != "rolled_back" or there != {"run-a.txt": "before"}:
            self._problem("astray", f"it ended as {ran.result.status} and left {sorted(there)}")

    async def no_copies(self, disk: Disk, place: Path, _backend: ScriptedBackend, leave: int) -> None:
        """The undo copy of a file cannot be written: the file is not touched."""
        workspace = place / "workspace"
        workspace.mkdir()
        (workspace / "run-a.txt").write_text(LONG)
        results = []
        async with opened(disk.path, workspace) as eng:
            results.append((await run_in(eng, chain(), "before")).result)
            await eng._log.flush()
            disk.fill(ROOM_FOR_EVENTS if leave else 0)
            run = eng.start(chain(write("one", "a")), "copy", inputs=inputs_of("run") | {"mode": "overwrite"},
                            approver=Person(yes))  # fmt: skip
            await asyncio.sleep(0.5)
            if (workspace / "run-a.txt").read_text() != LONG:
                self._problem("astray", "the effect was made without its undo copy")
            if leave:  # enough for the events: the tool itself finds that there is no space for the copy
                result = await asyncio.wait_for(run.result(), 30)
                self._clear(result.error, "space", "full")
                disk.free()
            else:
                disk.free()
                result = await asyncio.wait_for(run.result(), 30)
            results.append(result)
        expected = LONG if result.status == "rolled_back" else "x\n"
        if (workspace / "run-a.txt").read_text() != expected:
            self._problem("astray", f"the run is {result.status}, and the file is another")
        self._compare(disk.path, results)

    async def cockpit(self, disk: Disk, place: Path, backend: ScriptedBackend, leave: int) -> None:
        """The cockpit stays up, says that the disk is full and what to do, and shows the answer when there is space."""
        from tests.tui.test_cockpit import flat, screen_text
        from tests.tui.test_cockpit import until as shown
        from tinyllm_tui.app import CockpitApp

        go_on, further = asyncio.Event(), asyncio.Event()
        backend.answers(["part ", go_on, LONG], [further, "the end"])
        app = CockpitApp(
            lambda: opened(disk.path), "multi_domain", load_graph=lambda _name: GRAPH, user_themes=place / "themes"
        )
        async with app.run_test(size=(120, 40)) as pilot:
            await shown(pilot, lambda: app.engine is not None and app.backend_state.status == "ready")
            await pilot.press(*"why", "enter")
            await shown(pilot, backend.busy.is_set)
            disk.fill(leave)
            go_on.set()
            await shown(pilot, lambda: eng_of(app)._log.error is not None)
            further.set()
            await shown(pilot, lambda: "The run waits:" in flat(screen_text(app)))
            text = flat(screen_text(app))
            if "full" not in text or "Free some space" not in text:
                self._problem("unclear", f"the screen said {text[:300]}")
            await pilot.press("f1")  # it still answers to keys
            await pilot.press("escape")
            self.figures.pauses += 1
            disk.free()
            await shown(pilot, lambda: not app.conversation.busy)
            await shown(pilot, lambda: "committed" in flat(screen_text(app)))
            if "The run waits:" in flat(screen_text(app)) or app.live.view.status != "committed":
                self._problem("unclear", f"afterwards it is {app.live.view.status}")
            self.figures.screens += 1
            self.figures.went_on += 1
        self._check(disk.path)

    # -- afterwards --------------------------------------------------------------------------------------------------

    def _compare(self, folder: Path, results: list[Result]) -> None:
        """Every end that was told stands in the file, and the file is whole."""
        with closing(sqlite3.connect(folder / "data" / "tinyllm.db")) as database:
            rows = dict(database.execute("SELECT tx, status FROM transactions").fetchall())
        for result in results:
            if rows.get(result.transaction) != result.status:
                self._problem("lost", f"a run was told to be {result.status}, and is {rows.get(result.transaction)}")
        self._check(folder)

    def _check(self, folder: Path) -> None:
        report = examine(folder / "data" / "tinyllm.db")
        if not report.sound:
            self._problem("torn", f"the deep check found {report.problems}")


def big(mode: str) -> dict[str, str]:
    return inputs_of("run") | {"line": LONG, "mode": mode}


def eng_of(app: Any) -> Engine:
    assert isinstance(app.engine, Engine)
    return app.engine


def opened(disk: Path, workspace: Path | None = None) -> Any:
    """An engine whose data are on the disk."""
    return _Patient(engine.open(disk / "data", config=EngineConfig(workspace=workspace), approver=Person(yes)))


class _Patient:
    """An engine whose runs wait long enough for a machine that is slow."""

    def __init__(self, context: Any) -> None:
        self._context = context

    async def __aenter__(self) -> Engine:
        eng: Engine = await self._context.__aenter__()
        eng._log._patience = PATIENCE_S
        return eng

    async def __aexit__(self, *given: Any) -> Any:
        return await self._context.__aexit__(*given)


def measure(rounds: int) -> Figures:
    """All cases at all levels, so many times, in a program with mounts of its own.

    Raises:
        RuntimeError: the program broke.
    """
    command = [*_namespace(), sys.executable, "-m", "tests.faults.full_disk", "--here", "--rounds", f"{rounds}"]
    ran = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if ran.returncode:
        raise RuntimeError("The program broke; what it said stands above.")
    return Figures(**json.loads(ran.stdout.splitlines()[-1]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--here", action="store_true", help="in this process, which has mounts of its own; prints JSON")
    options = parser.parse_args()
    if options.here:
        end_after(120 + 120 * options.rounds)
        print(json.dumps(asdict(asyncio.run(Suite().run(options.rounds)))))
        return 0
    figures = measure(options.rounds)
    print(figures)
    return 1 if figures.problems else 0


if __name__ == "__main__":
    sys.exit(main())
