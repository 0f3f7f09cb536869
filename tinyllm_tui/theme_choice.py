"""The themes that the app can show, and the one that it shows; the person's files are looked at again and again."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import ConfigurationError
from tinyllm_tui import themes
from tinyllm_tui.sanitize import one_line
from tinyllm_tui.themes import Stamps, ThemeFolder

if TYPE_CHECKING:
    from textual.app import App

LOOK_S = 1.0
"""Seconds between two looks at the person's files."""
_TITLE = "Theme"


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
        self._shipped = themes.load_themes([themes.shipped_folder()])
        self._own = ThemeFolder(folder)
        self._seen: Stamps = {}
        self.names: list[str] = []

    def read(self) -> None:
        """Read every theme, show the wanted one, and say what is wrong with the others."""
        app = self._app
        self._seen = self._own.stamps()
        problems = [*self._shipped[1], *self._own.read()]
        self._register()
        wanted = self._wanted if self._wanted in app.available_themes else ""
        if not wanted:
            problems.append(themes.unknown(self._wanted, ", ".join(self.names)))
        if wanted or themes.DEFAULT in app.available_themes:
            app.theme = wanted or themes.DEFAULT
        self._say(problems)

    async def watch(self) -> None:
        """Show what changes in the person's files."""
        while True:
            await asyncio.sleep(LOOK_S)
            await self.look()

    async def look(self) -> None:
        """Take over what changed in the person's files; a theme that cannot be read any more stays as it was."""
        stamps = await asyncio.to_thread(self._own.stamps)
        if stamps == self._seen:
            return
        self._seen = stamps
        problems = await asyncio.to_thread(self._own.read)
        self._register()
        self._say(problems)

    def next(self) -> None:
        """Show the one after the one that is shown."""
        if self.names:
            here = self.names.index(self._app.theme) if self._app.theme in self.names else -1
            self._app.theme = self.names[(here + 1) % len(self.names)]

    def _register(self) -> None:
        """Make the themes known as they are now; the one that is shown is drawn anew where it changed."""
        app = self._app
        found = {theme.name: theme for theme in (*self._shipped[0], *self._own.themes)}
        before = app.current_theme
        for name in set(self.names) - set(found):
            app.unregister_theme(name)
        for theme in found.values():
            app.register_theme(theme)
        self.names = sorted(found)
        if before.name in found and found[before.name] != before:
            app.mutate_reactive(type(app).theme)
        elif app.theme not in app.available_themes:
            app.theme = themes.DEFAULT

    def _say(self, problems: list[ConfigurationError]) -> None:
        if problems:
            more = f" And {len(problems) - 1} more." if len(problems) > 1 else ""
            self._app.notify(one_line(f"{problems[0]}{more}", 600), title=_TITLE, severity="warning", markup=False)
