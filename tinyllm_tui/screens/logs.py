"""Logs: what the engine told and what the program said, toasts that are gone among it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import Input, Static

from engine.errors import EngineError
from tinyllm_tui.journal import JournalLine
from tinyllm_tui.keymap import bindings
from tinyllm_tui.screens.hit_test import SafeScreen
from tinyllm_tui.widgets.footer import Footer
from tinyllm_tui.widgets.lines import LineView
from tinyllm_tui.widgets.row_list import RowList
from tinyllm_tui.words import Glyphs, Line, Tone, cut, wrapped

if TYPE_CHECKING:
    from tinyllm_tui.app import CockpitApp

LOOK_EVERY_S = 0.5
_TONES: dict[str, Tone] = {"information": "text", "warning": "warn", "error": "error"}


def journal_line(line: JournalLine, width: int, signs: Glyphs) -> Line:
    """One line: when, who, how bad, what."""
    when = datetime.fromtimestamp(line.wall_ms / 1000).astimezone().strftime("%d %b %H:%M:%S")
    sign = {"information": signs.dot, "warning": signs.marks["warn"], "error": signs.bad}[line.severity]
    tone = _TONES[line.severity]
    when = when if width >= 70 else when[-8:-3] if width < 46 else when[-8:]
    head = f"{when} " + (f"{line.source:<7}" if width >= 46 else "")
    return ((head, "dim"), (f"{sign} ", tone), (cut(line.text, width - len(head) - 2, signs.ellipsis), tone))


class LogsScreen(SafeScreen):
    """The newest line is at the bottom, and followed until the person goes up."""

    CSS_PATH = "logs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = list(bindings("logs", "everywhere", without=("logs.open",)))

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[JournalLine] = []
        self._written = -1
        self._following = True

    @property
    def cockpit(self) -> CockpitApp:
        return cast("CockpitApp", self.app)

    def compose(self) -> ComposeResult:
        self._title = Static("", id="logs-title", markup=False)
        self._filter = Input(id="logs-filter", placeholder="/ filters: words, engine, app, warning", compact=True)
        self._list = RowList(self.cockpit.signs, id="logs-list")
        self._whole = LineView(id="logs-whole")
        yield from (self._title, self._filter, self._list, self._whole)
        yield Footer()

    def on_mount(self) -> None:
        self._whole.can_focus = False
        self._list.focus()
        self.set_interval(LOOK_EVERY_S, self._look)
        self.run_worker(self._read_earlier(), group="read", exclusive=True, exit_on_error=False)
        self.call_after_refresh(self._draw)

    async def _read_earlier(self) -> None:
        """What the engine told before this start, from the store."""
        try:
            await self.cockpit.run_watch.read_earlier(await self.cockpit.opened())
        except EngineError as error:
            self.notify(f"{error.message} {error.remedy}", severity="warning", markup=False)
        self._draw()

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw)

    def _look(self) -> None:
        if self.cockpit.run_watch.journal.written != self._written:
            self._draw()

    def _draw(self) -> None:
        if not self.is_mounted:
            return
        journal, signs = self.cockpit.run_watch.journal, self.cockpit.signs
        at = self._list.selected
        selected = self._lines[at] if at is not None and at < len(self._lines) else None
        words = self._filter.value.lower().split()
        self._written = journal.written
        lines = self._lines = [line for line in journal.lines if line.matches(words)]
        self._list.show(len(lines), lambda row, width: journal_line(lines[row], width, signs))
        if self._following or selected is None:
            self._list.select(len(lines) - 1)
        elif selected in lines:
            self._list.select(lines.index(selected))
        count = f"{len(lines)} of {len(journal.lines)}" if words else str(len(lines))
        how = "following" if self._following else "f follows"
        self._title.update(Content(f" Logs {signs.dot} {count} {signs.dot} {how}"))
        self._show_whole()

    def _show_whole(self) -> None:
        """The selected line as a whole, below the list, where it is longer than a row."""
        at = self._list.selected
        line = self._lines[at] if at is not None and at < len(self._lines) else None
        text = line.text if line is not None else "" if self._lines else "Nothing was told that has these words."
        width = max(self.size.width - 3, 10)
        rows = wrapped(((text, "text"),), width)
        self._whole.styles.height = min(len(rows), max(self.size.height // 4, 1))
        self._whole.set_lines(rows)

    def on_row_list_moved(self, event: RowList.Moved) -> None:
        event.stop()
        following = event.row == len(self._lines) - 1
        if following != self._following:
            self._following = following
            self._draw()
        self._show_whole()

    def on_row_list_opened(self, event: RowList.Opened) -> None:
        event.stop()
        tx = self._lines[event.row].tx
        if tx:
            self.cockpit.past.open(tx)
        else:
            self.notify("This line is about no run.", severity="warning")

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._following = True
        self._draw()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._list.focus()

    def action_filter(self) -> None:
        self._filter.focus()

    def action_follow(self) -> None:
        """Go to the newest line, and stay there."""
        self._following = True
        self._draw()

    def action_copy_line(self) -> None:
        at = self._list.selected
        if at is not None:
            self.app.copy_to_clipboard(self._lines[at].text)
            self.notify("The line is in the clipboard.")

    def action_leave(self) -> None:
        if self._filter.has_focus or self._filter.value:
            self._filter.value = ""
            self._list.focus()
        else:
            self.dismiss()
