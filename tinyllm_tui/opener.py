"""Opening the screens that stand beside the live panes; each is imported when it is first wanted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tinyllm_tui.app import CockpitApp


class Opener:
    """Screens by name, for keys, slash commands and the palette (`open('models')`)."""

    def __init__(self, app: CockpitApp) -> None:
        self._app = app
        self._screens: dict[str, Callable[[], None]] = {
            "transactions": self._transactions,
            "models": self._models,
        }

    def open(self, name: str) -> None:
        """Show a screen above what is there."""
        self._screens[name]()

    def _transactions(self) -> None:
        """The list of past transactions, and from it a replay."""
        from tinyllm_tui.screens.transactions import TransactionsScreen

        self._app.push_screen(TransactionsScreen(self._app.opened))

    def _models(self) -> None:
        """The installed models."""
        from tinyllm_tui.screens.models import ModelsScreen

        self._app.push_screen(ModelsScreen())
