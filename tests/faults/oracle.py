"""The oracle: what processes said before they were killed, against the database, the workspace and the ledger.

It reads copies of the files with plain SQLite and none of the engine's code: looking changes nothing, and a defect of
the engine's readers cannot hide one of its writer.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.workload import Work

TERMINAL = ("committed", "rolled_back")
Place = tuple[str, int, int]
"""(path, visit, step) of an operation."""


@dataclass
class Logged:
    """A transaction, as its events say."""

    seq: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    last: str = ""
    question: str = ""
    session: str | None = None
    reason: str = ""
    """Why it was rolled back."""
    error: str = ""
    uncompensated: tuple[str, ...] = ()
    standing: dict[str, tuple[Place, str, bool]] = field(default_factory=dict)
    """Call -> (operation, tool, whether it has an outcome) of the effects that were not taken back."""

    @property
    def ended(self) -> bool:
        return self.last in TERMINAL

    @property
    def in_doubt(self) -> list[str]:
        """Calls whose last event is the intent."""
        return [call for call, (_, _, outcome) in self.standing.items() if not outcome]


@dataclass
class Oracle:
    """What is known of one data folder, through all the processes that worked on it."""

    folder: Path
    """Holds `data` and `workspace`."""
    works: dict[str, Work]
    logged: dict[str, Logged] = field(default_factory=dict)
    told: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Transaction -> (status, text) of every end that a process told before it was killed."""
    added: dict[str, str] = field(default_factory=dict)
    """Call -> entry of what stands in the ledger."""
    calls: set[str] = field(default_factory=set)
    """All calls that ever were in the ledger."""
    faulty: bool = False
    """Whether system calls failed, so that a run may fail and an effect may stay, as long as that is said."""
    problems: list[str] = field(default_factory=list)
    lost: int = 0
    """Acknowledged commits that are not there."""
    torn: int = 0
    """Transactions whose events or projections do not fit together."""
    twice: int = 0
    """Effects that were applied twice."""
    failed: int = 0
    """Runs that were rolled back for another reason than that somebody wanted it."""
    astray: int = 0
    """Effects that are missing of a committed run, or left of one that was rolled back."""
    _gseq: int = 0
    _checked: set[str] = field(default_factory=set)

    # -- what was said -----------------------------------------------------------------------------------------------

    def heard(self, lines: Iterable[dict[str, Any]]) -> None:
        """Take in what a process wrote, in its order."""
        for line in lines:
            match line["kind"]:
                case "add":
                    if line["call"] in self.calls:
                        self._problem("twice", f"the call {line['call']} is in the ledger twice")
                    self.calls.add(line["call"])
                    self.added[line["call"]] = line["entry"]
                case "undo":
                    self.added.pop(line["call"], None)
                case "seen" | "told" if self.faulty and line["status"] == "rolled_back":
                    pass  # a store that refuses cannot record that: the next process may go on with the run
                case "seen" | "told":
                    end = (line["status"], line["text"])
                    before = self.told.setdefault(line["tx"], end)
                    if before[0] != end[0] or (before != end and end[0] == "committed"):
                        self._problem("torn", f"{line['tx']} was told to have ended as {before} and as {end}")

    # -- what is there -----------------------------------------------------------------------------------------------

    def look(self) -> list[str]:
        """Read what is on disk after a kill.

        Returns:
            The calls that have an intent and no outcome.
        """
        with closing(self._copy()) as database:
            self._read_events(database)
            self._compare_rows(database)
        return [call for each in self.logged.values() if not each.ended for call in each.in_doubt]

    def settled(self) -> None:
        """Everything must have ended by now; look at what the ends left in the world."""
        for tx, each in self.logged.items():
            if not each.ended:
                self._problem("torn", f"{tx} was neither gone on with nor rolled back: {each.last}")
            elif tx not in self._checked:
                self._checked.add(tx)
                self._check_effects(tx, each)

    def _copy(self) -> sqlite3.Connection:
        """The database and its write-ahead log as the processes left them; opening the files themselves would change
        them."""
        copy = self.folder / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        for name in ("tinyllm.db", "tinyllm.db-wal"):
            if (self.folder / "data" / name).exists():
                shutil.copyfile(self.folder / "data" / name, copy / name)
        return sqlite3.connect(copy / "tinyllm.db")

    def _read_events(self, database: sqlite3.Connection) -> None:
        """The events that are new since the last look."""
        try:
            new = "SELECT gseq, tx, seq, kind, body FROM events WHERE gseq > ? ORDER BY gseq"
            for gseq, tx, seq, kind, body in database.execute(new, [self._gseq]):
                self._gseq = gseq
                if tx is not None:
                    self._read_event(tx, seq, kind, json.loads(body))
            ((there,),) = database.execute("SELECT count(*) FROM events WHERE tx IS NOT NULL")
        except sqlite3.OperationalError as exc:  # killed before the schema was there
            if self._gseq or "no such table" not in str(exc):
                raise
            return
        if there != sum(each.seq for each in self.logged.values()):
            self._problem("torn", f"{there} events are there of {sum(each.seq for each in self.logged.values())}")

    def _read_event(self, tx: str, seq: int, kind: str, body: dict[str, Any]) -> None:
        each = self.logged.setdefault(tx, Logged())
        if seq != each.seq + 1 or (kind == "begin") != (seq == 1) or each.ended:
            self._problem("torn", f"{tx} has {kind} as event {seq} after {each.last} as {each.seq}")
        each.seq, each.last = seq, kind
        each.kinds[kind] += 1
        match kind:
            case "begin":
                each.question, each.session = body["question"], body.get("session")
            case "committed" | "rolled_back":
                each.reason = body.get("reason", "")
                each.error = str(body.get("error"))
                each.uncompensated = tuple(body.get("uncompensated", ()))
            case "effect_intended":
                place = (body["path"], body["visit"], body["step"])
                if any(place == other for other, _, _ in each.standing.values()):
                    self._problem("twice", f"{tx}: {place} is done again before it was taken back")
                each.standing[body["call"]] = (place, body["tool"], False)
            case "op_finished" if not body.get("error"):
                place = (body["path"], body["visit"], body["step"])
                for call, (other, tool, _) in each.standing.items():
                    if other == place:
                        each.standing[call] = (place, tool, True)
            case "compensated" if not body.get("error"):
                each.standing.pop(body["call"], None)

    def _compare_rows(self, database: sqlite3.Connection) -> None:
        """What was told is there, and the lists say what the events say."""
        if not self._gseq:
            return
        rows = {row[0]: row[1:] for row in database.execute("SELECT tx, status, answer, events FROM transactions")}
        for tx, (status, text) in self.told.items():
            if rows.get(tx, ("",))[:2] != (status, text):
                self._problem("lost", f"{tx} was told to be {status}, and is {rows.get(tx)}")
        turns = Counter(tx for (tx,) in database.execute("SELECT tx FROM messages"))
        for tx, each in self.logged.items():
            status = each.last if each.ended else "executing"
            if rows.get(tx, ("",))[0] != status or (each.ended and rows[tx][2] != each.seq):
                self._problem("torn", f"{tx} is {status} by its events, and {rows.get(tx)} in the list")
            if turns[tx] != (2 if each.session and status == "committed" else 0):
                self._problem("torn", f"{tx} is {status}, and has {turns[tx]} turns in its session")

    # -- effects -----------------------------------------------------------------------------------------------------

    def _check_effects(self, tx: str, each: Logged) -> None:
        kind, _, run = each.question.rpartition(" ")
        work = self.works[kind]
        committed = each.last == "committed"
        wanted = each.reason == "interrupted" or (not work.files and each.reason == "exit_error")
        if self.faulty and not committed and (not wanted or each.uncompensated):
            return
        if not committed and not wanted:
            self._problem("failed", f"{tx} ({kind}) was rolled back ({each.reason}): {each.error}")
        expected = {f"{run}-{name}.txt": text for name, text in work.files.items()} if committed else {}
        there = {path.name: path.read_text() for path in (self.folder / "workspace").glob(f"{run}-*")}
        if there != expected:
            more = any(len(text) > len(expected.get(name, "")) for name, text in there.items()) and committed
            self._problem("twice" if more else "astray", f"{tx} ({kind}, {each.last}) left {there}, not {expected}")
        if each.uncompensated:
            self._problem("astray", f"{tx} ({kind}) could not take back {each.uncompensated}")
        standing = {call for call, (_, tool, _) in each.standing.items() if tool == "ledger_add"}
        entries = {call for call, entry in self.added.items() if entry == run}
        if (standing if committed else set()) != entries:
            more = len(entries) > len(standing) and committed
            self._problem("twice" if more else "astray", f"{tx} ({each.last}): {standing} logged, {entries} done")
        if committed and work.added is not None and len(entries) != work.added:
            self._problem("twice" if len(entries) > work.added else "astray", f"{tx} ({kind}): {len(entries)} entries")
        if list((self.folder / "data" / "undo").glob(f"{tx}/*")):
            self._problem("astray", f"{tx} left its undo copies")

    def _problem(self, counter: str, text: str) -> None:
        setattr(self, counter, getattr(self, counter) + 1)
        self.problems.append(text)
