"""The themes that the app can show, and the one that it shows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tinyllm_tui import themes
from tinyllm_tui.sanitize import one_line

if TYPE_CHECKING:
    from textual.app import App


class ThemeChoice:
    """Our themes and the person's own.

    Args:
        app: shows them.
        wanted: name of the first one.
        folder: where the person's own are.
    """

    def __init__(self, app: App[None], wanted: str, folder: Path) -> None:
        self._app = app
        self._wanted = wanted
        self._folder = folder
        self.names: list[str] = []

    def read(self) -> None:
        """Read every theme, show the wanted one, and say what is wrong with the others."""
        app = self._app
        found, problems = themes.load_themes([themes.shipped_folder(), self._folder])
        for theme in found:
            app.register_theme(theme)
        self.names = [theme.name for theme in found]
        wanted = self._wanted if self._wanted in app.available_themes else ""
        if not wanted:
            problems.append(themes.unknown(self._wanted, ", ".join(self.names)))
        if wanted or themes.DEFAULT in app.available_themes:
            app.theme = wanted or themes.DEFAULT
        if problems:
            more = f" And {len(problems) - 1} more." if len(problems) > 1 else ""
            app.notify(one_line(f"{problems[0]}{more}", 600), title="Theme", severity="warning", markup=False)

    def next(self) -> None:
        """Show the one after the one that is shown."""
        if self.names:
            here = self.names.index(self._app.theme) if self._app.theme in self.names else -1
            self._app.theme = self.names[(here + 1) % len(self.names)]
