"""Damaged copies of a small database; the long form is `uv run python -m tests.faults.damaged --copies 1000`.

Bit flips, truncation, zeroed and foreign pages, emptied files, each from a seed. Each copy is looked at by `doctor
--deep`, opened, listed, read to the last event and, where it is whole enough, used further.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest

import engine
from engine import events as ev
from engine.errors import EngineError
from engine.run.engine import Engine
from engine.store.database import FILE_NAME
from engine.store.deep_check import DeepReport, examine
from engine.store.rows import TransactionRow
from tests.faults.programs import end_after, figures_of, shares
from tests.graphs import chain, node, one_model
from tests.running import run_in
from tests.scripted_backend import ScriptedBackend
from tinyllm_tui.cli.tx import row_json
from tinyllm_tui.doctor.database import examine_database
from tinyllm_tui.settings import Loaded, Settings

PAGE = 4096
AT_ONCE = 2


@dataclass
class Figures:
    """What came of it."""

    copies: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    """Kind of damage: what became of the copy -> copies."""
    broke: int = 0
    """Copies on which something broke instead of saying what is wrong."""
    altered: int = 0
    """Copies of which an altered event or row was accepted, and nobody said so."""
    not_kept: int = 0
    """Copies that were not kept as they were, though they were not used any further."""
    unclear: int = 0
    """Copies with an error or a finding without remedy, or about which the doctor and the engine disagree."""
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)

    def add(self, other: Figures) -> None:
        """Take in what came of other copies at the same time."""
        for name, theirs in asdict(other).items():
            mine = getattr(self, name)
            if name == "outcomes":
                self.outcomes = dict(Counter(mine) + Counter(theirs))
            else:
                setattr(self, name, max(mine, theirs) if name == "seconds" else mine + theirs)

    def __str__(self) -> str:
        told = asdict(self)
        outcomes, problems = told.pop("outcomes"), told.pop("problems")
        lines = [f"{name.replace('_', ' '):<28} {value}" for name, value in told.items()]
        return "\n".join(lines + [f"  {what:<58} {count}" for what, count in sorted(outcomes.items())] + problems)


class Violated(Exception):
    """A promise was not kept."""

    def __init__(self, promise: str, what: str) -> None:
        super().__init__(what)
        self.promise = promise


def check(holds: object, promise: str, what: str) -> None:
    """Raises `Violated` where it does not hold; `promise` is the figure that counts it."""
    if not holds:
        raise Violated(promise, what)


@dataclass(frozen=True)
class Original:
    """The database as it was, and what could be read from it."""

    data: bytes
    rows: list[TransactionRow]
    events: dict[str, list[ev.Event]]
    turns: dict[str, list[tuple[str, str, str]]]


async def original_in(folder: Path) -> Original:
    """A database with a few runs of every end."""
    async with engine.open(folder) as eng:
        session = (await eng.create_session("mine")).id
        for question in ("Why?", "What is it?", "And then?"):
            await run_in(eng, one_model(), question, session=session)
            eng._log.append(ev.BackendChanged("e", "b", "ready"))
        await run_in(eng, chain(node("a", "model"), node("b", "transform", operation="upper")), "In capitals? " * 400)
        await run_in(eng, chain(exit_config={"status": "error"}), "No.")
    async with engine.open(folder) as eng:
        rows = await eng.transactions()
        assert len(rows) == 5
        events = {row.tx: await eng.events(row.tx) for row in rows}
        turns = {session: await eng.session_messages(session)}
    assert examine(folder / FILE_NAME).sound
    return Original((folder / FILE_NAME).read_bytes(), rows, events, turns)


def damaged(data: bytes, dice: random.Random) -> tuple[str, bytes]:
    """(kind of damage, the copy); a kind comes as often as it teaches something."""
    copy = bytearray(data)
    kind = dice.choices(["bits", "bytes", "cut", "zeroed page", "foreign page", "emptied"], [8, 4, 4, 4, 2, 1])[0]
    page = dice.randrange(len(data) // PAGE) * PAGE
    if kind == "bits":
        for _ in range(dice.choice([1, 1, 1, 4, 16])):
            copy[dice.randrange(len(copy))] ^= 1 << dice.randrange(8)
    elif kind == "bytes":
        start = dice.randrange(len(copy) - 32)
        copy[start : start + 32] = dice.randbytes(32)
    elif kind == "cut":
        del copy[dice.randrange(1, len(copy)) :]
    elif kind == "zeroed page":
        copy[page : page + PAGE] = bytes(PAGE)
    elif kind == "foreign page":
        other = dice.randrange(len(data) // PAGE) * PAGE
        copy[page : page + PAGE] = data[other : other + PAGE]
    else:
        copy.clear()
    return kind, bytes(copy)


def told(error: EngineError) -> str:
    """The code of an error that says what to do."""
    check(error.remedy, "unclear", f"no remedy for {error.code}")
    return error.code


def beside(folder: Path) -> list[Path]:
    """Databases that were moved aside."""
    return [path for path in folder.iterdir() if ".damaged-" in path.name or ".empty-" in path.name]


async def deep(folder: Path) -> DeepReport:
    """What `doctor --deep` finds; a remedy for whatever is wrong."""
    findings = await examine_database(Loaded(Settings(data_dir=folder), folder / "none.yaml"))
    report = examine(folder / FILE_NAME)
    failed = [finding for finding in findings if finding.status == "fail"]
    check(report.sound == (not failed), "unclear", "the doctor's findings are not those of the check")
    check(all(finding.remedy for finding in failed), "unclear", "a finding without remedy")
    return report


async def use(folder: Path, data: bytes, original: Original, report: DeepReport) -> str:
    """Open, list, view and go on; in a word what became of it."""
    kept_at = {folder / FILE_NAME: data}
    try:
        async with engine.open(folder) as eng:
            outcome = await read_all(eng, original, report)
            aside = beside(folder)
            if aside:
                kept_at = {aside[0]: data}
                named = any(str(aside[0]) in notice for notice in eng.notices)
                check(named, "unclear", "nobody says where it was moved to")
                outcome = "moved aside, a new one begun"
            elif eng.read_only:
                check(any("newer" in notice for notice in eng.notices), "unclear", "read-only, and nobody says why")
                outcome = "opened for reading only: of a newer program"
            else:
                kept_at = {}  # in use: runs are added to it
    except EngineError as error:
        outcome = f"refused: {told(error)}"
    for path, contents in kept_at.items():
        check(path.read_bytes() == contents, "not_kept", f"{path.name} is not as it was")
    if outcome.startswith(("moved", "refused")):
        check(not report.sound, "unclear", "what cannot be opened is sound for the doctor")
    return outcome


async def read_all(eng: Engine, original: Original, report: DeepReport) -> str:
    """Everything that a person can look at is as it was, or said to be damaged."""
    try:
        rows = await eng.transactions()
    except EngineError as error:
        return f"the list is refused: {told(error)}"
    refused = 0
    for tx, events in original.events.items():
        found = await look_at(eng, tx)
        check(found in (events, [], None), "altered", "an altered event was accepted")
        refused += not found
    lists = [row_json(row) for row in rows] == [row_json(row) for row in original.rows]
    lists = lists and await same_turns(eng, original)
    if not lists or refused:
        check(not report.sound, "altered", "a list says otherwise, and doctor --deep does not find it")
    if refused:
        return "damage met on reading events"
    if not lists:
        return "lists altered, doctor --deep says so"
    return "nothing altered" if report.sound else "found by doctor --deep only"


async def look_at(eng: Engine, tx: str) -> list[ev.Event] | None:
    """The events of a transaction; None where the store says that they are damaged."""
    try:
        events = await eng.events(tx)
        await eng.view(tx)
    except EngineError as error:
        told(error)
        return None
    return events


async def same_turns(eng: Engine, original: Original) -> bool:
    try:
        found: dict[str, Any] = {session: await eng.session_messages(session) for session in original.turns}
    except EngineError:
        return False
    return found == original.turns


async def damage_here(copies: range, parent: Path) -> Figures:
    """Make these copies, each from the seed that is its number, and use them."""
    began = time.monotonic()
    original = await original_in(parent / "original")
    figures = Figures()
    for seed in copies:
        kind, data = damaged(original.data, random.Random(seed))
        folder = parent / f"copy-{seed}"
        folder.mkdir(mode=0o700)
        (folder / FILE_NAME).write_bytes(data)
        figures.copies += 1
        try:
            outcome = await use(folder, data, original, await deep(folder))
        except Exception as exc:
            promise = exc.promise if isinstance(exc, Violated) else "broke"
            setattr(figures, promise, getattr(figures, promise) + 1)
            figures.problems.append(f"copy {seed} ({kind}): {type(exc).__name__}: {exc}")
            continue
        figures.outcomes[f"{kind}: {outcome}"] = figures.outcomes.get(f"{kind}: {outcome}", 0) + 1
    figures.seconds = round(time.monotonic() - began, 1)
    return figures


def measure(copies: int, *, seed: int, at_once: int = AT_ONCE) -> Figures:
    """Damage so many copies, in several programs at once.

    Raises:
        RuntimeError: one of the programs broke.
    """
    arguments, first = [], seed * 1_000_000
    for share in shares(copies, at_once):
        arguments.append(["--one", "--copies", f"{share}", "--first", f"{first}"])
        first += share
    figures = Figures()
    for each in figures_of("tests.faults.damaged", arguments):
        figures.add(Figures(**each))
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition(";")[0])
    parser.add_argument("--copies", type=int, default=150)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--one", action="store_true", help="in this process alone; prints the figures as JSON")
    parser.add_argument("--first", type=int, default=0, help="with --one: seed of the first copy")
    options = parser.parse_args()
    if not options.one:
        figures = measure(options.copies, seed=options.seed)
        print(figures)
        return 1 if figures.problems else 0
    end_after(120 + 10 * options.copies)
    with tempfile.TemporaryDirectory(prefix="tinyllm-damaged-") as folder, pytest.MonkeyPatch.context() as patch:
        ScriptedBackend().install(patch)
        copies = range(options.first, options.first + options.copies)
        print(json.dumps(asdict(asyncio.run(damage_here(copies, Path(folder))))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
