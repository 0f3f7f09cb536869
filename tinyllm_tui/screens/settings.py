"""Every setting of the configuration model: its value, where that is from, and changing it in the person's file."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar, cast

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from engine.errors import EngineError
from tinyllm_tui.keymap import bindings
from tinyllm_tui.sanitize import one_line
from tinyllm_tui.screens.choice import ChoiceScreen
from tinyllm_tui.screens.hit_test import SafeScreen
from tinyllm_tui.settings_desk import SettingRow, SettingsDesk, parsed, problem, shown
from tinyllm_tui.settings_live import AT_ONCE
from tinyllm_tui.widgets.footer import Footer
from tinyllm_tui.widgets.rows import Rows
from tinyllm_tui.words import cut

if TYPE_CHECKING:
    from tinyllm_tui.app import CockpitApp

_RESTART = "counts from the next start on"
_AT_ONCE = "counts at once"


def row_content(row: SettingRow, width: int, ellipsis: str) -> Content:
    """Name, value and source of a setting in a line; a value that is not the default is strong."""
    room = max(min(width // 3, 30), 12)
    source = "" if row.source == "default" else row.source
    value_room = max(width - room - len(source) - 3, 6)
    name = cut(row.name, room, ellipsis)
    value = cut(one_line(shown(row.value), 300) or "not set", value_room, ellipsis)
    pad = " " * max(value_room - cell_len(value), 0)
    return Content.assemble(
        (f"{name:<{room}} ", "$foreground"),
        (value, "bold $foreground" if source else "$text-faint"),
        f"{pad} ",
        (source, "$primary"),
    )


def detail_content(row: SettingRow, desk: SettingsDesk) -> Content:
    """What a setting is for, its default, and when a change of it counts."""
    if row.kind == "file":
        how = f"Several values in one: change it in {desk.file}."
    elif row.kind == "choice":
        how = f"One of {', '.join(row.choices)}."
    elif row.kind == "data":
        how = "Written as JSON."
    else:
        how = ""
    default = "" if row.kind == "secret" else f"Default: {shown(row.default) or 'not set'}. "
    when = _AT_ONCE if row.name in AT_ONCE else _RESTART
    source = "the default" if row.source == "default" else row.source
    words = row.words.rstrip(".")
    return Content.assemble(
        (f"{words[:1].upper()}{words[1:]}.\n", "$foreground"),
        (f"{default}{how}".rstrip() + "\n" if default or how else "", "$text-dim"),
        (one_line(f"From {source}; a change {when}.", 300), "$text-faint"),
    )


class SettingsScreen(SafeScreen):
    """The settings by group; Enter changes one, and what is written is written into the person's file alone."""

    CSS_PATH = "settings.tcss"
    AUTO_FOCUS = "#settings-list"
    BINDINGS: ClassVar[list[BindingType]] = list(bindings("settings", "everywhere", without=("settings.change",)))

    def __init__(self, desk: SettingsDesk) -> None:
        super().__init__()
        self._desk = desk
        self._rows: dict[str, SettingRow] = {}
        self._edited: SettingRow | None = None

    @property
    def cockpit(self) -> CockpitApp:
        return cast("CockpitApp", self.app)

    def compose(self) -> ComposeResult:
        self._title = Static("", id="settings-title", markup=False)
        self._search = Input(id="settings-search", placeholder="/ finds settings", compact=True)
        self._list = Rows(signs=self.cockpit.signs, id="settings-list")
        self._detail = Static("", id="settings-detail", markup=False)
        self._field = Input(id="settings-field", compact=True)
        self._problem = Static("", id="settings-problem", markup=False)
        yield from (self._title, self._search, self._list, self._detail, self._field, self._problem)
        yield Footer()

    def on_mount(self) -> None:
        self._field.display = False
        self._list.focus()
        self._draw()

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw)

    # -- what is shown -----------------------------------------------------------------------------------------------

    def _draw(self) -> None:
        if not self.is_mounted:
            return
        signs, width = self.cockpit.signs, max(self.size.width - 5, 20)
        words = self._search.value.casefold().split()
        rows = [row for row in self._desk.rows() if all(word in f"{row.name} {row.words}".casefold() for word in words)]
        self._rows = {row.name: row for row in rows}
        chosen = self._chosen
        options: list[Option] = []
        group = ""
        for row in rows:
            if row.group != group:
                group = row.group
                options.append(Option(Content(group.capitalize()), disabled=True))
            options.append(Option(row_content(row, width, signs.ellipsis), id=row.name))
        self._list.clear_options()
        self._list.add_options(options)
        if rows:
            name = chosen if chosen in self._rows else rows[0].name
            self._list.highlighted = self._list.get_option_index(name)
        head = f" Settings {signs.dot} {len(rows)} {signs.dot} {one_line(str(self._desk.file), 300)}"
        self._title.update(Content(cut(head, self.size.width, signs.ellipsis)))
        self._draw_detail()

    def _draw_detail(self) -> None:
        row = self.selected
        self._detail.update(Content("No setting has these words.") if row is None else detail_content(row, self._desk))

    @property
    def _chosen(self) -> str:
        place = self._list.highlighted
        return "" if place is None else self._list.get_option_at_index(place).id or ""

    @property
    def selected(self) -> SettingRow | None:
        """The setting that is highlighted."""
        return self._rows.get(self._chosen)

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        self._draw_detail()

    # -- changing ----------------------------------------------------------------------------------------------------

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        row = self._rows.get(event.option_id or "")
        if row is None:
            return
        if row.kind == "switch":
            self._begin_change(row, not row.value)
        elif row.kind == "choice":
            self._choose(row)
        elif row.kind == "file":
            self.notify(f"{row.name} is changed in the file.", severity="warning", markup=False)
        else:
            self._edit(row)

    def _choose(self, row: SettingRow) -> None:
        first = [str(row.value), *(each for each in row.choices if each != str(row.value))]
        answers = [(each, f"{each}{' (now)' if each == str(row.value) else ''}") for each in first]

        def taken(answer: str | None) -> None:
            if answer is not None and answer != str(row.value):
                self._begin_change(row, answer)

        self.app.push_screen(ChoiceScreen(row.name, one_line(row.words, 600), answers), taken)

    def _edit(self, row: SettingRow) -> None:
        self._edited = row
        self._field.password = row.kind == "secret"
        self._field.value = "" if row.kind == "secret" else one_line(shown(row.value), 2000)
        self._field.placeholder = f"{row.name}; enter keeps it, esc leaves it"
        self._field.display = True
        self._say_problem("")
        self._field.focus()

    def _say_problem(self, words: str) -> None:
        self._problem.update(Content(f"{self.cockpit.signs.bad} {one_line(words, 300)}" if words else ""))
        self._problem.display = bool(words)

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        if event.input is self._search:
            self._draw()
        elif self._edited is not None:
            self._say_problem(problem(self._edited, parsed(self._edited, event.value)))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        row = self._edited
        if event.input is self._search or row is None:
            self._list.focus()
            return
        value = parsed(row, event.value)
        if row.kind == "secret" and not event.value:
            self._close_field()
            return
        wrong = problem(row, value)
        self._say_problem(wrong)
        if not wrong:
            self._close_field()
            self._begin_change(row, value)

    def _close_field(self) -> None:
        self._edited = None
        self._field.value = ""
        self._field.display = False
        self._say_problem("")
        self._list.focus()

    def action_reset(self) -> None:
        """Take the setting out of the file."""
        row = self.selected
        if row is not None and row.kind != "file":
            self._begin_change(row, None)

    def _begin_change(self, row: SettingRow, value: Any) -> None:
        self.run_worker(self._change(row, value), group="change", exclusive=False, exit_on_error=False)

    async def _change(self, row: SettingRow, value: Any) -> None:
        try:
            now = await asyncio.to_thread(self._desk.change, row.place, value)
            apply = AT_ONCE.get(row.name)
            if apply is not None:
                await apply(self.cockpit, self._desk.loaded.settings)
        except EngineError as error:
            self.notify(one_line(f"{error.message} {error.remedy}", 600), severity="error", timeout=15, markup=False)
            return
        finally:
            self._draw()
        self._tell(now, value, at_once=apply is not None)

    def _tell(self, now: SettingRow, value: Any, *, at_once: bool) -> None:
        """Say what counts from when on, and what goes before the file."""
        if now.source not in ("default", self._desk.file.name):
            words = f"It is in the file, but {now.source} goes before it."
            self.notify(words, severity="warning", markup=False)
            return
        what = "the default" if value is None else "set" if now.kind == "secret" else shown(now.value)
        when = "" if at_once else ", from the next start on"
        self.notify(one_line(f"{now.name} is {what}{when}.", 300), markup=False)

    # -- moving ------------------------------------------------------------------------------------------------------

    def action_search(self) -> None:
        self._search.focus()

    def action_leave(self) -> None:
        """Leave the field, the search, or the screen."""
        if self._field.display:
            self._close_field()
        elif self._search.value or self._search.has_focus:
            self._search.value = ""
            self._list.focus()
        else:
            self.dismiss()
