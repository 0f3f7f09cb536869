"""Past runs: opening one, or its parent, and telling what became of those that an earlier process left.

Those are rolled back or gone on with when the engine is opened, or wait for another start. Each is told in a toast and
on a line of the chat, the end of one that went on in the background too, and each can be opened.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from engine.errors import EngineError
from tinyllm_tui.engine_port import CockpitEngine, CockpitRun
from tinyllm_tui.row_words import as_it_is, outcome_words
from tinyllm_tui.sanitize import one_line
from tinyllm_tui.words import Tone

if TYPE_CHECKING:
    from engine.events import Event
    from engine.store.rows import TransactionRow
    from tinyllm_tui.app import CockpitApp

Severity = Literal["information", "warning", "error"]
ABRUPT = "An earlier session ended abruptly"
OPENS = "/earlier"
"""What a person writes to open such a run."""
TOAST_S = 15
"""Seconds that a toast about a past run stays."""
_REFERENCE = re.compile(r"#?\d{1,12}|[0-9a-f]{4,32}")
_NAMED = 5
"""Runs of one kind that are named one by one."""


def _numbers(numbers: Sequence[int]) -> str:
    named = ", ".join(f"#{number}" for number in numbers[:_NAMED])
    return f"{named} and {len(numbers) - _NAMED} more" if len(numbers) > _NAMED else named


def is_reference(name: str) -> bool:
    """Whether a run of the database is meant, not a file: `42`, `#42`, or the beginning of an id."""
    return _REFERENCE.fullmatch(name) is not None and not Path(name).is_file()


class PastRuns:
    """What the cockpit does with runs that are not the live one."""

    def __init__(self, app: CockpitApp) -> None:
        self._app = app
        self.found: list[str] = []
        """Transactions of an earlier process that opening the engine found unfinished, the live one left out."""

    # -- opening -----------------------------------------------------------------------------------------------------

    def open(self, tx: str) -> None:
        """Replay a run."""
        self._app.run_worker(self._open(tx), group="open", exclusive=True, exit_on_error=False)

    def open_named(self, name: str) -> None:
        """Replay the run of a number or id, or the one that a file holds; why that cannot be is said."""
        self._app.run_worker(self._open_named(name), group="open", exclusive=True, exit_on_error=False)

    def ask_for_file(self) -> None:
        """Ask for the file of an exported run, and replay it."""
        from tinyllm_tui.screens.open_run import OpenRunScreen

        def answered(name: str | None) -> None:
            if name:
                self.open_named(name)

        self._app.push_screen(OpenRunScreen(), answered)

    def open_parent_of(self, tx: str) -> None:
        """Replay the run of which `tx` is a fork, at the step where that began; says so where there is none."""
        self._app.run_worker(self._open_parent_of(tx), group="open", exclusive=True, exit_on_error=False)

    def open_found(self) -> None:
        """Replay the run that an earlier process left; the list of them where there are several."""
        if not self.found:
            self._app.notify("This start found no run of an earlier session.", severity="warning")
        elif len(self.found) == 1:
            self.open(self.found[0])
        else:
            from tinyllm_tui.screens.transactions import TransactionsScreen

            self._app.push_screen(TransactionsScreen(self._app.opened, frozenset(self.found)))

    async def _open_named(self, name: str) -> None:
        try:
            await self.show_named(name)
        except EngineError as error:
            self._refuse(error)

    async def show_named(self, name: str) -> None:
        """Replay the run of a number or id, or the one that a file holds.

        Raises:
            EngineError: there is none such, or the file is no exported run.
        """
        if is_reference(name):
            engine = await self._app.opened()
            row = await engine.transaction(name)
            self._show(as_it_is(row, engine.left), await engine.events(row.tx), None)
            return
        from engine.store.read_run import read_run
        from tinyllm_tui.screens.replay import ReplayScreen

        file = Path(name)
        row, events = await asyncio.to_thread(lambda: read_run(file.expanduser()))
        self._app.push_screen(ReplayScreen(row, events, file=file.name))

    async def _open(self, tx: str, at: int | None = None) -> None:
        try:
            engine = await self._app.opened()
            row = await engine.transaction(tx)
            self._show(as_it_is(row, engine.left), await engine.events(tx), at)
        except EngineError as error:
            self._refuse(error)

    def _show(self, row: TransactionRow, events: list[Event], at: int | None) -> None:
        from tinyllm_tui.screens.replay import ReplayScreen

        self._app.push_screen(ReplayScreen(row, events, at))

    async def _open_parent_of(self, tx: str) -> None:
        try:
            row = await (await self._app.opened()).transaction(tx)
        except EngineError as error:
            self._refuse(error)
            return
        parent = row.parent
        if parent is None:
            self._app.notify(f"#{row.number} is no fork: it began at its entry.", severity="warning")
        elif parent.kept:
            await self._open(parent.tx, parent.step)
        else:
            why = "it stayed where this run was imported from" if row.origin else "it was pruned"
            words = (
                f"#{parent.number}, of which #{row.number} is a fork, is not here: {why}. The fork holds all it took."
            )
            self._app.notify(words, severity="warning")

    def _refuse(self, error: EngineError) -> None:
        self._app.notify(one_line(f"{error.message} {error.remedy}", 600), severity="error", markup=False)

    # -- telling -----------------------------------------------------------------------------------------------------

    def tell(self, engine: CockpitEngine, adopted: CockpitRun | None) -> None:
        """Say what opening the engine found; a run that was adopted shows itself."""
        background = [run for run in engine.resumed if run is not adopted]
        self.found = [row.tx for row in engine.recovered] + [run.transaction for run in background]
        self.found += [row.tx for row in engine.left]
        if engine.recovered:
            words = f"Found unfinished and rolled back: {_numbers([row.number for row in engine.recovered])}. ^r shows "
            self._toast(f"{words}what they had done.", "warning")
        for numbers, each_goes, they_go in (
            ([run.number for run in background], "it goes on", "they go on"),
            ([row.number for row in engine.left], "it waits for another start", "they wait for another start"),
        ):
            if numbers:
                was = f"Run {_numbers(numbers)} was interrupted; {each_goes}."
                were = f"Runs {_numbers(numbers)} were interrupted; {they_go}."
                self._toast(was if len(numbers) == 1 else were)
        work = self._tell_in_chat(engine, background)
        self._app.run_worker(work, group="found", exclusive=True, exit_on_error=False)
        for run in background:
            self._app.run_worker(self._see_to_end(engine, run), group="background", exit_on_error=False)

    def _toast(self, words: str, severity: Severity = "information") -> None:
        self._app.notify(words, title=ABRUPT, severity=severity, timeout=TOAST_S, markup=False)

    async def _tell_in_chat(self, engine: CockpitEngine, background: Sequence[CockpitRun]) -> None:
        for row in engine.recovered[:_NAMED]:
            await self._say(engine, row, "was interrupted, and was rolled back at this start", "rollback", "warn")
        for run in background[:_NAMED]:
            with contextlib.suppress(EngineError):  # its end is told in any case
                row = await engine.transaction(run.transaction)
                await self._say(engine, row, "was interrupted, and goes on in the background", "resumed", "accent")
        for row in engine.left[:_NAMED]:
            await self._say(engine, row, "was interrupted, and waits for another start", "resumed", "accent")
        more = sum(max(len(kind) - _NAMED, 0) for kind in (engine.recovered, background, engine.left))
        if more:
            self._app.chat.tell(((f"{self._app.signs.dot} {more} more: {OPENS} lists them all", "dim"),), "")

    async def _see_to_end(self, engine: CockpitEngine, run: CockpitRun) -> None:
        """Await a run that goes on in the background, and say how it ended."""
        try:
            await run.result()
            row = await engine.transaction(run.transaction)
        except EngineError as error:
            self._refuse(error)
            return
        if self._app.leaving:
            return
        ended = f"went on after an interruption, and ended: {outcome_words(row)}"
        well = row.status == "committed"
        self._app.notify(
            f"#{row.number} {ended}. {OPENS} opens it.", severity="information" if well else "warning", timeout=TOAST_S,
            markup=False,
        )  # fmt: skip
        await self._say(engine, row, ended, "commit" if well else "rollback", "ok" if well else "error")

    async def _say(self, engine: CockpitEngine, row: TransactionRow, words: str, mark: str, tone: Tone) -> None:
        """A line of the chat about a run, and below it what of it could not be taken back."""
        signs = self._app.signs
        head = f"{signs.marks[mark]} #{row.number} {words}"
        question = f" {signs.dot} {one_line(row.question, 80)}"
        self._app.chat.tell(
            ((head, tone), (question, "text"), (f" {signs.dot} a click or {OPENS} opens it", "faint")), row.tx
        )
        with contextlib.suppress(EngineError):  # its replay says what is wrong
            for stuck in (await engine.view(row.tx)).uncompensated:
                line = f"  {signs.bad} could not be taken back: {one_line(stuck)}"
                self._app.chat.tell(((line, "error"),), row.tx)
