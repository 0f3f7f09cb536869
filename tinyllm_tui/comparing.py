"""Comparing two runs: finding both, and showing them beside each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.errors import EngineError, ErrorClass
from tinyllm_tui.sanitize import one_line

if TYPE_CHECKING:
    from engine.store.rows import TransactionRow
    from tinyllm_tui.app import CockpitApp


class Comparing:
    """What the cockpit does to show two runs beside each other."""

    def __init__(self, app: CockpitApp) -> None:
        self._app = app

    def of(self, one: str, other: str) -> None:
        """Compare two transactions, each named by its id or number; why that cannot be is said."""
        self._app.run_worker(self._said(one, other), group="open", exclusive=True, exit_on_error=False)

    def with_parent(self, row: TransactionRow) -> bool:
        """Compare a fork with the run that it comes from; false where there is none here."""
        if row.parent is None or not row.parent.kept:
            return False
        self.of(row.parent.tx, row.tx)
        return True

    def choose(self, marked: str = "") -> None:
        """Let a person choose which runs to compare; `marked` is one of them already."""
        from tinyllm_tui.screens.transactions import TransactionsScreen

        self._app.push_screen(TransactionsScreen(self._app.opened, marked=marked))
        words = "c compares the marked run with the selected one." if marked else "space marks a run, c compares it."
        self._app.notify(words, timeout=6)

    async def show(self, one: str, other: str) -> None:
        """Show two transactions beside each other.

        Raises:
            EngineError: there is none such, or it cannot be read.
        """
        from tinyllm_tui.screens.compare import CompareScreen, Side

        engine = await self._app.opened()
        rows = [await engine.transaction(each) for each in (one, other)]
        if rows[0].tx == rows[1].tx:
            raise EngineError(
                ErrorClass.INVALID_REQUEST, "one_run", f"#{rows[0].number} is one run.", remedy="Name two of them."
            )
        first, second = [Side(row, await engine.events(row.tx)) for row in rows]
        self._app.push_screen(CompareScreen(first, second))

    async def _said(self, one: str, other: str) -> None:
        try:
            await self.show(one, other)
        except EngineError as error:
            words = one_line(f"{error.message} {error.remedy}", 600)
            self._app.notify(words, severity="error", markup=False)
