"""The conversations that there are: go on with one, rename it, switch its memory, delete it."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from engine.errors import EngineError
from engine.store.rows import SessionHit, SessionRow
from tinyllm_tui.keymap import bindings
from tinyllm_tui.sanitize import one_line
from tinyllm_tui.screens.choice import ChoiceScreen
from tinyllm_tui.screens.hit_test import SafeScreen
from tinyllm_tui.widgets.footer import Footer
from tinyllm_tui.widgets.rows import Rows
from tinyllm_tui.widgets.sessions_pane import session_row

if TYPE_CHECKING:
    from tinyllm_tui.app import CockpitApp

_SEARCHED = 2
"""Characters from which on what was said is searched too."""
_HITS = 50
_TAKE = "sessions.take"


class NameField(Input):
    """The name of a session; the footer says which key takes it."""

    BINDINGS: ClassVar[list[BindingType]] = [key for key in bindings("sessions") if key.id == _TAKE]


class SessionsScreen(SafeScreen):
    """A list of sessions, latest use first; Enter goes on with one."""

    CSS_PATH = "sessions.tcss"
    AUTO_FOCUS = "#sessions-list"
    BINDINGS: ClassVar[list[BindingType]] = list(bindings("sessions", "everywhere", without=("sessions.open", _TAKE)))

    def __init__(self) -> None:
        super().__init__()
        self._rows: list[SessionRow] = []
        self._hits: Mapping[str, SessionHit] = {}
        self._found: list[SessionRow] = []
        """The rows that are listed."""
        self._nothing = "Looking for the sessions."
        self._renamed: SessionRow | None = None

    @property
    def cockpit(self) -> CockpitApp:
        return cast("CockpitApp", self.app)

    def compose(self) -> ComposeResult:
        self._title = Static("", id="sessions-title", markup=False)
        self._filter = Input(id="sessions-filter", placeholder="/ finds names and words", compact=True)
        self._list = Rows(signs=self.cockpit.signs, id="sessions-list")
        self._empty = Static("", id="sessions-empty", markup=False)
        self._name_field = NameField(id="sessions-name", placeholder="the new name", compact=True)
        yield from (self._title, self._filter, self._empty, self._list, self._name_field)
        yield Footer()

    def on_mount(self) -> None:
        self._name_field.display = False
        self.look()

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw)

    def look(self) -> None:
        """Read the sessions."""
        self.run_worker(self._read(), group="read", exclusive=True, exit_on_error=False)

    async def _read(self) -> None:
        try:
            engine = await self.cockpit.opened()
            self._rows = [row for row in await engine.sessions() if row.messages or row.id == self._current]
            words = self._filter.value.strip()
            hits = await engine.search_sessions(words, _HITS) if len(words) >= _SEARCHED else []
            self._hits = {hit.session: hit for hit in reversed(hits)}
        except EngineError as error:
            self._nothing = f"{error.message} {error.remedy}".strip()
        else:
            self._nothing = "Nothing was said yet." if not self._rows else "No session has these words."
        self._draw()

    @property
    def _current(self) -> str:
        session = self.cockpit.conversation.session
        return "" if session is None else session.id

    def _draw(self) -> None:
        if not self.is_mounted:
            return
        words = self._filter.value.strip().casefold()
        self._found = [row for row in self._rows if words in row.name.casefold() or row.id in self._hits]
        signs, width = self.cockpit.signs, max(self.size.width - 4, 20)
        place = self._list.highlighted
        self._list.clear_options()
        self._list.add_options(
            Option(session_row(row, self._hits.get(row.id), width, signs, current=row.id == self._current))
            for row in self._found
        )
        if self._found:
            self._list.highlighted = min(place or 0, len(self._found) - 1)
        self._empty.update(Content(one_line(self._nothing, 600)))
        self._empty.display = not self._found
        count = f"{len(self._found)} of {len(self._rows)}" if words else str(len(self._rows))
        self._title.update(Content(f" Sessions {signs.dot} {count}"))

    @property
    def selected(self) -> SessionRow | None:
        """The session that is highlighted."""
        place = self._list.highlighted
        return None if place is None or place >= len(self._found) else self._found[place]

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        if event.input is self._filter:
            self._draw()
            self.look()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if event.input is self._name_field and self._renamed is not None:
            self._do(self._rename(self._renamed, event.value))
            self._close_name()
        else:
            self._list.focus()

    # -- what the keys do --------------------------------------------------------------------------------------------

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        async def said() -> None:
            try:
                await work
            except EngineError as error:
                words = one_line(f"{error.message} {error.remedy}", 600)
                self.notify(words, severity="error", markup=False)
            else:
                self.look()

        self.run_worker(said(), group="change", exit_on_error=False)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        if self.selected is not None:
            self._do(self._resume(self.selected))

    async def _resume(self, row: SessionRow) -> None:
        if row.id == self._current or await self.cockpit.conversation.resume(row.id):
            self.cockpit.show_live()

    def footer_words(self, action: str, words: str) -> str:
        """While a name is written nothing is looked for."""
        return "" if action == "filter" and self._name_field.display else words

    def action_new(self) -> None:
        """An empty conversation."""
        self.cockpit.show_live()
        self.call_next(self.cockpit.screen.run_action, "new_session")

    def action_rename(self) -> None:
        """Ask for another name."""
        row = self.selected
        if row is not None:
            self._renamed = row
            self._name_field.value = row.name
            self._name_field.display = True
            self._name_field.focus()

    async def _rename(self, row: SessionRow, name: str) -> None:
        if row.id == self._current:
            await self.cockpit.conversation.rename(name)
        else:
            await (await self.cockpit.opened()).rename_session(row.id, name)

    def action_memory(self) -> None:
        """Switch long-term memory for the next questions of the session."""
        if self.selected is not None:
            self._do(self._switch(self.selected))

    async def _switch(self, row: SessionRow) -> None:
        if row.id == self._current:
            await self.cockpit.conversation.use_memory(not row.memory)
        else:
            await (await self.cockpit.opened()).set_session_memory(row.id, not row.memory)
        self.notify(f"Long-term memory is {'off' if row.memory else 'on'} for this session.")

    def action_delete(self) -> None:
        """Delete the session, after a question of which Enter means no."""
        row = self.selected
        if row is None:
            return
        name = one_line(row.name, 80)
        words = f"{name} has {row.messages} messages. Its transactions stay, and can be replayed."

        def answered(answer: str | None) -> None:
            if answer == "delete":
                self._do(self._delete(row))

        answers = (("keep", "Keep it"), ("delete", "Delete it with everything that was said in it"))
        self.app.push_screen(ChoiceScreen("Delete a session", words, answers), answered)

    async def _delete(self, row: SessionRow) -> None:
        await (await self.cockpit.opened()).delete_session(row.id)
        if row.id == self._current:
            self.cockpit.conversation.begin_anew()
            self.cockpit.life.show_nothing()
            self.cockpit.chat.forget()
        self.notify(f"Deleted {one_line(row.name, 80)}.", markup=False)

    def action_filter(self) -> None:
        self._filter.focus()

    def _close_name(self) -> None:
        self._name_field.display, self._renamed = False, None
        self._list.focus()

    def action_leave(self) -> None:
        """Leave a field, or the list."""
        if self._name_field.display:
            self._close_name()
        elif self._filter.has_focus or self._filter.value:
            self._filter.value = ""
            self._list.focus()
        else:
            self.dismiss()
