"""The themes: each is shown while it is selected, over the cockpit that it colours."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from engine.errors import EngineError
from tinyllm_tui.keymap import bindings
from tinyllm_tui.sanitize import one_line
from tinyllm_tui.screens.leaving import Dialog
from tinyllm_tui.settings_desk import SettingsDesk
from tinyllm_tui.widgets.footer import Footer
from tinyllm_tui.widgets.marked_list import MarkedList

if TYPE_CHECKING:
    from tinyllm_tui.app import CockpitApp


class ThemesScreen(Dialog[None]):
    """Enter keeps the selected theme until the cockpit is left, `s` for every start, Esc the one from before.

    Args:
        names: of the themes.
        desk: takes the theme that is kept for every start; None where nothing can be kept.
    """

    CSS_PATH = "themes.tcss"
    BINDINGS: ClassVar[list[BindingType]] = list(bindings("themes"))

    def __init__(self, names: Sequence[str], desk: SettingsDesk | None) -> None:
        super().__init__()
        self._names, self._desk = names, desk
        self._before = ""

    def compose(self) -> ComposeResult:
        with Vertical(id="themes") as frame:
            frame.border_title = Content(" Themes ")
            frame.border_subtitle = Content(" enter keeps it ")
            self._list = MarkedList(
                *(Option(Content(one_line(name, 60)), id=name) for name in self._names),
                signs=cast("CockpitApp", self.app).signs, id="themes-list",
            )  # fmt: skip
            yield self._list
        yield Footer()

    def on_mount(self) -> None:
        self._before = self.app.theme
        if self._before in self._names:
            self._list.highlighted = self._names.index(self._before)
        self._list.focus()

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        if event.option_id in self.app.available_themes:
            self.app.theme = str(event.option_id)
            self.call_after_refresh(self._draw_below)

    def _draw_below(self) -> None:
        """Textual styles the screens below anew and leaves them as they were drawn."""
        for screen in self.app.screen_stack[:-1]:
            for widget in screen.walk_children(with_self=True):
                widget.refresh()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.dismiss()

    def action_leave(self) -> None:
        """The theme from before."""
        if self._before in self.app.available_themes:
            self.app.theme = self._before
        self.dismiss()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Where nothing can be kept, the key for it is not shown."""
        del parameters
        return action != "save" or self._desk is not None

    def action_save(self) -> None:
        """Write the theme into the configuration file."""
        if self._desk is not None:
            self.run_worker(self._save(self._desk, self.app.theme), exit_on_error=False)

    async def _save(self, desk: SettingsDesk, name: str) -> None:
        try:
            row = await asyncio.to_thread(desk.change, ("theme",), name)
        except EngineError as error:
            self.notify(one_line(f"{error.message} {error.remedy}", 600), severity="error", timeout=15, markup=False)
            return
        more = "" if row.value == name else f" But {row.source} goes before the file."
        self.notify(one_line(f"{name} is the theme of every start.{more}", 300), markup=False)
        self.dismiss()
