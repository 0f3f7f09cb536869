"""Exporting a run from the cockpit: the form is asked for, and the file gets a name that is free."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import EngineError
from engine.events import Event
from tinyllm_tui.sanitize import one_line
from tinyllm_tui.words import size

if TYPE_CHECKING:
    from engine.store.rows import TransactionRow
    from tinyllm_tui.app import CockpitApp

_FORMS = {"svg": "its timeline as a picture (SVG)", "md": "a report for people (Markdown)",
          "jsonl": "all that was recorded, to be opened or imported elsewhere (JSON Lines)"}  # fmt: skip
"""Ending of the file -> what it holds."""


class Exports:
    """Writes runs to files in the current folder."""

    def __init__(self, app: CockpitApp) -> None:
        self._app = app

    def offer(self, tx: str) -> None:
        """Ask in which form a transaction of the database is written, and write it."""
        self._app.run_worker(self._offer_stored(tx), group="export", exclusive=True, exit_on_error=False)

    def offer_read(self, row: TransactionRow, events: Sequence[Event]) -> None:
        """The same for a run that was read from a file, which is that form already."""
        forms = [form for form in _FORMS if form != "jsonl"]
        self._app.run_worker(self._offer(row, forms, events), group="export", exclusive=True, exit_on_error=False)

    async def _offer_stored(self, tx: str) -> None:
        try:
            row = await (await self._app.opened()).transaction(tx)
        except EngineError as error:
            self._refuse(error)
        else:
            await self._offer(row, list(_FORMS), None)

    async def _offer(self, row: TransactionRow, forms: Sequence[str], events: Sequence[Event] | None) -> None:
        from tinyllm_tui.screens.choice import ChoiceScreen

        words = one_line(f"It is written into {Path.cwd()}.", 300)
        answers = [(form, _FORMS[form]) for form in forms]
        form = await self._app.push_screen_wait(ChoiceScreen(f"Export #{row.number}", words, answers))
        if form is None:
            return
        try:
            await self._write(row, form, events)
        except EngineError as error:
            self._refuse(error)

    async def _write(self, row: TransactionRow, form: str, events: Sequence[Event] | None) -> None:
        from tinyllm_tui.cli.transfer import write_lines

        engine = await self._app.opened()
        if form == "jsonl":
            lines = engine.export(row.tx)
        else:
            lines = _drawn(form, await engine.events(row.tx) if events is None else events)
        file = await asyncio.to_thread(free_name, Path.cwd(), row.number, form)
        written = await write_lines(lines, file, force=False)
        self._app.notify(one_line(f"#{row.number} is in {file} ({size(written)}).", 400), timeout=8, markup=False)

    def _refuse(self, error: EngineError) -> None:
        self._app.notify(one_line(f"{error.message} {error.remedy}", 600), severity="error", markup=False)


def free_name(folder: Path, number: int, form: str) -> Path:
    """The first file of its kind that is not there: `run-42.svg`, `run-42-2.svg` ..."""
    names = (f"run-{number}.{form}" if n == 1 else f"run-{number}-{n}.{form}" for n in count(1))
    return next(folder / name for name in names if not (folder / name).exists())


async def _drawn(form: str, events: Sequence[Event]) -> AsyncIterator[bytes]:
    """A run in a form that people read, line by line."""
    if form == "svg":
        from tinyllm_tui.reports.timeline_svg import timeline_svg as make
    else:
        from tinyllm_tui.reports.markdown import run_markdown as make
    from engine.view import fold

    text = await asyncio.to_thread(lambda: make(fold(events)))
    for line in text.splitlines(keepends=True):
        yield line.encode()
