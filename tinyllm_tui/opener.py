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
            "settings": self._settings,
            "themes": self._themes,
            "health": self._health,
            "tools": self._tools,
            "logs": self._logs,
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

    def _settings(self) -> None:
        """Every setting."""
        from tinyllm_tui.screens.settings import SettingsScreen

        desk = self._app.desk
        if desk is None:
            self._app.notify("The settings of this start are not known.", severity="warning")
            return
        self._app.push_screen(SettingsScreen(desk))

    def _themes(self) -> None:
        """The themes, each shown as it is selected."""
        from tinyllm_tui.screens.themes import ThemesScreen

        self._app.push_screen(ThemesScreen(self._app.theme_choice.names, self._app.desk))

    def _health(self) -> None:
        """Rates and times of the latest runs."""
        from tinyllm_tui.screens.health import HealthScreen

        self._app.push_screen(HealthScreen())

    def _tools(self) -> None:
        """What tools may do, and what was asked lately."""
        from tinyllm_tui.screens.tools import ToolsScreen

        self._app.push_screen(ToolsScreen())

    def _logs(self) -> None:
        """What the engine and the program said."""
        from tinyllm_tui.screens.logs import LogsScreen

        self._app.push_screen(LogsScreen())
