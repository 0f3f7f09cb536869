"""Damaged copies of a small database: bit flips, truncation, zeroed pages, emptied files, each from a seed.

Prints how the copies fared. `TINYLLM_DAMAGED_COPIES=1000` is the long form.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from dataclasses import dataclass
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
from tests.graphs import chain, node, one_model
from tests.running import run_in
from tests.scripted_backend import ScriptedBackend
from tinyllm_tui.cli.tx import row_json
from tinyllm_tui.doctor.database import examine_database
from tinyllm_tui.settings import Loaded, Settings

COPIES = int(os.environ.get("TINYLLM_DAMAGED_COPIES", "150"))
PAGE = 4096


@dataclass(frozen=True)
class Original:
    """The database as it was, and what could be read from it."""

    data: bytes
    rows: list[TransactionRow]
    events: dict[str, list[ev.Event]]
    turns: dict[str, list[tuple[str, str, str]]]


@pytest.fixture
async def original(tmp_path: Path, scripted: ScriptedBackend) -> Original:
    folder = tmp_path / "original"
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


@pytest.mark.timeout(900)
async def test_of_a_damaged_copy_nothing_altered_is_accepted_and_it_is_always_kept(
    tmp_path: Path, original: Original, capsys: pytest.CaptureFixture[str]
) -> None:
    outcomes: Counter[tuple[str, str]] = Counter()
    for seed in range(COPIES):
        kind, data = damaged(original.data, random.Random(seed))
        folder = tmp_path / f"copy-{seed}"
        folder.mkdir(mode=0o700)
        (folder / FILE_NAME).write_bytes(data)
        report = await deep(folder)
        try:
            outcome = await use(folder, data, original, report)
        except Exception as exc:
            raise AssertionError(f"copy {seed} ({kind})") from exc
        outcomes[kind, outcome] += 1
    with capsys.disabled():
        print(f"\n{COPIES} damaged copies:")
        for (kind, outcome), count in sorted(outcomes.items()):
            print(f"  {kind:<13} {outcome:<45} {count}")
    assert {kind for kind, _ in outcomes} >= {"bits", "cut", "zeroed page"}


def told(error: EngineError) -> str:
    """The code of an error that says what to do."""
    assert error.remedy
    return error.code


def beside(folder: Path) -> list[Path]:
    """Databases that were moved aside."""
    return [path for path in folder.iterdir() if ".damaged-" in path.name or ".empty-" in path.name]


async def deep(folder: Path) -> DeepReport:
    """What `doctor --deep` finds; a remedy for whatever is wrong."""
    findings = await examine_database(Loaded(Settings(data_dir=folder), folder / "none.yaml"))
    report = examine(folder / FILE_NAME)
    assert report.sound == all(finding.status != "fail" for finding in findings)
    assert all(finding.remedy for finding in findings if finding.status == "fail")
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
                assert any(str(aside[0]) in notice for notice in eng.notices)
                outcome = "moved aside, a new one begun"
            elif eng.read_only:
                assert any("newer" in notice for notice in eng.notices)
                outcome = "opened for reading only: of a newer program"
            else:
                kept_at = {}  # in use: runs are added to it
    except EngineError as error:
        outcome = f"refused: {told(error)}"
    for path, contents in kept_at.items():
        assert path.read_bytes() == contents
    if outcome.startswith(("moved", "refused")):
        assert not report.sound
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
        if found is None:
            refused += 1
        else:
            assert found in (events, []), "an altered event was accepted"
            refused += not found
    lists = [row_json(row) for row in rows] == [row_json(row) for row in original.rows]
    lists = lists and await same_turns(eng, original)
    if not lists or refused:
        assert not report.sound, "what a list says otherwise, doctor --deep finds"
    if refused:
        return "damage met on reading events"
    return (
        "lists altered, doctor --deep says so"
        if not lists
        else ("nothing altered" if report.sound else "found by doctor --deep only")
    )


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
