"""What is remembered for good: with its source, searched, added, edited, pinned, forgotten."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from engine.errors import EngineError
from engine.events import Recalled
from engine.store.rows import MemoryRow
from tinyllm_tui.keymap import bindings
from tinyllm_tui.sanitize import one_line, sanitize
from tinyllm_tui.screens.choice import ChoiceScreen
from tinyllm_tui.screens.hit_test import SafeScreen
from tinyllm_tui.widgets.chat.history import local_time
from tinyllm_tui.widgets.chat.prompt import Prompt
from tinyllm_tui.widgets.footer import Footer
from tinyllm_tui.widgets.rows import Rows
from tinyllm_tui.words import Glyphs, cut

if TYPE_CHECKING:
    from tinyllm_tui.app import CockpitApp

_LIMIT = 500
"""Memories that are listed; a search finds the others."""
_ENTER = "prompt.keep"


def memory_row(row: MemoryRow, width: int, signs: Glyphs, *, recalled: bool) -> Content:
    """One memory on one line: recalled by the latest answer or not, pinned or not, kind, text, source."""
    source = f"#{row.number}" if row.number is not None else "a run" if row.tx else "by hand"
    facts = f" {source:>7}" if width >= 46 else ""
    pinned = "pinned " if width >= 46 and row.pinned else "       " if width >= 46 else "p " if row.pinned else "  "
    head = f"{signs.marks['recalled'] if recalled else ' '} {row.id:>4} {pinned}"
    kind = f"{row.kind:<8}" if width >= 46 else ""
    room = max(width - cell_len(head) - cell_len(kind) - cell_len(facts), 8)
    text = cut(one_line(row.text, 400), room, signs.ellipsis)
    text += " " * (room - cell_len(text))
    return Content.assemble((head, "$accent"), (kind, "$text-dim"), text, (facts, "$text-dim"))


def memory_facts(row: MemoryRow, recalled: Recalled | None, signs: Glyphs) -> str:
    """What is known of a memory beside its text."""
    parts = [f"{row.kind} {row.id}", "pinned" if row.pinned else "", f"kept {local_time(row.created_ms)}"]
    parts.append(f"changed {local_time(row.edited_ms)}" if row.edited_ms != row.created_ms else "")
    parts.append(f"used by {row.uses} {'run' if row.uses == 1 else 'runs'}")
    parts.append(f"from #{row.number}" if row.number is not None else "from a run" if row.tx else "written by hand")
    if recalled is not None:
        parts.append(f"told to the latest answer ({recalled.score:.2f} by {recalled.how})")
    return f" {signs.dot} ".join(part for part in parts if part)


class MemoryField(Prompt):
    """The text of a memory, of one or several lines."""

    BINDINGS: ClassVar[list[BindingType]] = [key for key in bindings("memories") if key.id == _ENTER]

    def action_submit(self) -> None:
        self.post_message(self.Submitted(self.question(), self.text))


class MemoriesScreen(SafeScreen):
    """A list of memories, the newest first.

    Args:
        recalled: what the latest answer was told; these are marked and come first.
        words: that are searched for at once.
        chosen: id of the memory that is selected at once.
    """

    CSS_PATH = "memories.tcss"
    AUTO_FOCUS = "#memories-list"
    BINDINGS: ClassVar[list[BindingType]] = list(bindings("memories", "everywhere", without=(_ENTER,)))

    def __init__(self, recalled: Sequence[Recalled] = (), words: str = "", chosen: int | None = None) -> None:
        super().__init__()
        self._recalled = {item.id: item for item in recalled}
        self._words, self._chosen = words, chosen
        self._rows: list[MemoryRow] = []
        self._nothing = "Looking for the memories."
        self._edited: MemoryRow | None = None

    @property
    def cockpit(self) -> CockpitApp:
        return cast("CockpitApp", self.app)

    def compose(self) -> ComposeResult:
        self._title = Static("", id="memories-title", markup=False)
        self._search = Input(self._words, id="memories-search", placeholder="/ finds words", compact=True)
        self._list = Rows(signs=self.cockpit.signs, id="memories-list")
        self._empty = Static("", id="memories-empty", markup=False)
        self._text = Static("", id="memories-text", markup=False)
        self._facts = Static("", id="memories-facts", markup=False)
        self._field = MemoryField(id="memories-field", placeholder="What shall be remembered?")
        yield from (self._title, self._search, self._empty, self._list)
        with VerticalScroll(id="memories-detail", can_focus=False) as self._detail:
            yield self._text
            yield self._facts
        yield self._field
        yield Footer()

    def on_mount(self) -> None:
        self._field.display = False
        self.look()

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw)

    # -- what is shown -----------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Read the memories."""
        self.run_worker(self._read(), group="read", exclusive=True, exit_on_error=False)

    async def _read(self) -> None:
        words = self._search.value.strip()
        try:
            engine = await self.cockpit.opened()
            rows = await (engine.search_memories(words, _LIMIT) if words else engine.memories(_LIMIT))
            if not words:
                rows = await self._recalled_first(rows)
        except EngineError as error:
            self._rows, self._nothing = [], f"{error.message} {error.remedy}".strip()
        else:
            self._rows = rows
            self._nothing = "No memory has these words." if words else "Nothing is remembered yet. a adds a note."
        self._draw()

    async def _recalled_first(self, rows: Sequence[MemoryRow]) -> list[MemoryRow]:
        known = {row.id: row for row in rows}
        engine = await self.cockpit.opened()
        for number in [each for each in self._recalled if each not in known]:
            try:
                known[number] = await engine.memory(number)
            except EngineError:
                continue  # it was forgotten since
        first = [known[number] for number in self._recalled if number in known]
        return first + [row for row in rows if row.id not in self._recalled]

    def _draw(self) -> None:
        if not self.is_mounted:
            return
        signs, width = self.cockpit.signs, max(self.size.width - 4, 20)
        place = self._list.highlighted
        wanted = next((at for at, row in enumerate(self._rows) if row.id == self._chosen), None)
        if self._chosen is not None and wanted is None and self._rows:
            self.notify(f"Memory {self._chosen} is forgotten; the run keeps what it was told.", severity="warning")
        if self._rows:
            self._chosen = None
        self._list.clear_options()
        self._list.add_options(
            Option(memory_row(row, width, signs, recalled=row.id in self._recalled)) for row in self._rows
        )
        if self._rows:
            self._list.highlighted = min(place or 0, len(self._rows) - 1) if wanted is None else wanted
        self._empty.update(Content(one_line(self._nothing, 600)))
        self._empty.display = not self._rows
        told = sum(row.id in self._recalled for row in self._rows)
        parts = ["Memories", str(len(self._rows)) + ("+" if len(self._rows) >= _LIMIT else "")]
        parts += [f"{signs.marks['recalled']} {told} told to the latest answer"] if told else []
        self._title.update(Content(cut(" " + f" {signs.dot} ".join(parts), self.size.width, signs.ellipsis)))
        self.refresh_bindings()
        self._draw_detail()

    def _draw_detail(self) -> None:
        row = self.selected
        self._detail.display = row is not None and not self._field.display
        if row is not None:
            self._text.update(Content(sanitize(row.text)))
            self._facts.update(Content(memory_facts(row, self._recalled.get(row.id), self.cockpit.signs)))

    @property
    def selected(self) -> MemoryRow | None:
        """The memory that is highlighted."""
        place = self._list.highlighted
        return None if place is None or place >= len(self._rows) else self._rows[place]

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        self._draw_detail()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.look()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._list.focus()

    # -- what the keys do --------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that mean nothing now do nothing and are not shown."""
        del parameters
        if action == "source":
            return self.selected is not None and self.selected.number is not None
        return action not in ("edit", "pin", "forget") or self.selected is not None

    def _do(self, work: Coroutine[Any, Any, object]) -> None:
        async def said() -> None:
            try:
                await work
            except EngineError as error:
                words = one_line(f"{error.message} {error.remedy}", 600)
                self.notify(words, severity="error", markup=False)
            else:
                self._close_field()
                self.look()

        self.run_worker(said(), group="change", exit_on_error=False)

    def action_add(self) -> None:
        """Write a note."""
        self._open_field(None)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.action_edit()

    def action_edit(self) -> None:
        """Change the text of the selected memory."""
        if self.selected is not None:
            self._open_field(self.selected)

    def _open_field(self, row: MemoryRow | None) -> None:
        self._edited = row
        self._field.write(sanitize(row.text) if row is not None else "")
        self._field.display = True
        self._detail.display = False
        self._field.focus()

    def on_prompt_submitted(self, event: Prompt.Submitted) -> None:
        event.stop()
        self._do(self._keep(event.question))

    async def _keep(self, text: str) -> None:
        engine = await self.cockpit.opened()
        if self._edited is not None:
            await engine.edit_memory(self._edited.id, text)
        else:
            self._chosen = (await engine.remember(text)).id

    def action_pin(self) -> None:
        """Let it neither fade nor make room for others; or let it again."""
        if self.selected is not None:
            self._do(self._pin(self.selected))

    async def _pin(self, row: MemoryRow) -> None:
        await (await self.cockpit.opened()).pin_memory(row.id, not row.pinned)

    def action_forget(self) -> None:
        """Forget the selected memory, after a question of which Enter means no."""
        row = self.selected
        if row is None:
            return
        words = (
            f"{cut(one_line(row.text, 200), 120, self.cockpit.signs.ellipsis)}\n\nRuns that were told of it keep it."
        )

        def answered(answer: str | None) -> None:
            if answer == "forget":
                self._do(self._forget(row))

        answers = (("keep", "Keep it"), ("forget", "Forget it"))
        self.app.push_screen(ChoiceScreen(f"Forget memory {row.id}", words, answers), answered)

    async def _forget(self, row: MemoryRow) -> None:
        await (await self.cockpit.opened()).forget_memory(row.id)
        self.notify(f"Memory {row.id} is forgotten.")

    def action_source(self) -> None:
        """Replay the run that the memory comes from."""
        if self.selected is not None and self.selected.tx:
            self.cockpit.past.open(self.selected.tx)

    def action_search(self) -> None:
        self._search.focus()

    def _close_field(self) -> None:
        self._field.display, self._edited = False, None
        self._draw_detail()
        self._list.focus()

    def action_leave(self) -> None:
        """Leave a field, or the list."""
        if self._field.display:
            self._close_field()
        elif self._search.has_focus or self._search.value:
            self._search.value = ""
            self._list.focus()
        else:
            self.dismiss()
