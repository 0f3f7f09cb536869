"""The list of past transactions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import Footer, Input, OptionList, Static
from textual.widgets.option_list import Option

from engine.errors import EngineError
from engine.store.rows import TransactionRow
from tinyllm_tui.engine_port import CockpitEngine
from tinyllm_tui.keymap import bindings
from tinyllm_tui.sanitize import one_line
from tinyllm_tui.screens.hit_test import SafeScreen
from tinyllm_tui.words import Glyphs, cut, duration

if TYPE_CHECKING:
    from tinyllm_tui.app import CockpitApp

_LIMIT = 500
_PARTIAL = "partial"
"""What an answer with what there was is called; it ends at an exit with the status `fallback`."""


def row_content(row: TransactionRow, width: int, signs: Glyphs) -> Content:
    """One transaction on one line: number, status, time, duration, graph, question."""
    if row.status == "committed" and row.exit == "fallback":
        sign, style, words = signs.marks["warn"], "$warning", _PARTIAL
    elif row.status == "committed":
        sign, style, words = signs.nodes["ok"], "$success", row.exit or "committed"
    elif row.status == "rolled_back":
        sign, style, words = signs.nodes["failed"], "$error", (row.reason or "rolled back").replace("_", " ")
    else:
        sign, style, words = signs.nodes["running"], "$accent", row.status
    when = (
        datetime.fromtimestamp(row.started_ms / 1000).astimezone().strftime("%d %b %H:%M" if width >= 70 else "%H:%M")
    )
    parts: list[tuple[str, str]] = [
        (f"#{row.number:<5}", "$primary"),
        (f"{sign} ", style),
        (f"{cut(words, 10, signs.ellipsis):<11}" if width >= 60 else "", style),
        (f"{when} ", "$foreground 60%"),
        (f"{duration(row.duration_ms):>7}  ", "$foreground 60%"),
        (
            f"{cut(row.graph_id.removeprefix('graph.'), 14, signs.ellipsis):<15}" if width >= 100 else "",
            "$foreground 60%",
        ),
    ]
    used = sum(len(text) for text, _ in parts)
    parts.append((cut(one_line(row.question), max(width - used, 8), signs.ellipsis), "$foreground"))
    return Content.assemble(*(part for part in parts if part[0]))


def matches(row: TransactionRow, words: str) -> bool:
    """Whether every word occurs in what the list knows of `row`."""
    partial = _PARTIAL if row.exit == "fallback" else ""
    text = f"#{row.number} {row.status} {row.exit} {partial} {row.reason} {row.graph_id} {row.question} {row.answer}"
    text = text.lower()
    return all(word in text for word in words.lower().split())


class TransactionsScreen(SafeScreen):
    """Newest first; Enter replays.

    Args:
        opened: gives the engine; the list waits for it, and takes what is typed meanwhile.
    """

    CSS_PATH = "transactions.tcss"
    BINDINGS: ClassVar[list[BindingType]] = list(bindings("transactions", "everywhere", without=("transactions.open",)))

    def __init__(self, opened: Callable[[], Awaitable[CockpitEngine]]) -> None:
        super().__init__()
        self._opened = opened
        self._nothing = "Opening the database."
        """What stands in the place of a list without rows."""
        self._rows: Sequence[TransactionRow] = ()

    @property
    def cockpit(self) -> CockpitApp:
        return cast("CockpitApp", self.app)

    def compose(self) -> ComposeResult:
        yield Static(" Past transactions", id="transactions-title")
        yield Input(id="transactions-filter", placeholder="/ filters by any word", compact=True)
        yield OptionList(id="transactions-list", markup=False, compact=True)
        yield Static("", id="transactions-empty", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        self.query_one(OptionList).focus()
        self.run_worker(self._read(), group="read", exclusive=True, exit_on_error=False)

    def on_resize(self) -> None:
        self.call_after_refresh(self._list)

    async def _read(self) -> None:
        try:
            engine = await self._opened()
            self._rows = await engine.transactions(limit=_LIMIT)
        except EngineError as error:
            self._nothing = f"{error.message} {error.remedy}".strip()
        else:
            self._nothing = "Nothing was asked yet."
        self._list()

    def _list(self) -> None:
        words = self.query_one(Input).value
        found = [row for row in self._rows if matches(row, words)]
        options = self.query_one(OptionList)
        width = max(self.size.width - 3, 20)
        highlighted = options.highlighted
        options.clear_options()
        options.add_options(Option(row_content(row, width, self.cockpit.signs), id=row.tx) for row in found)
        if found:
            options.highlighted = min(highlighted or 0, len(found) - 1)
        self._say("" if found else "Nothing matches." if self._rows else self._nothing)
        count = f"{len(found)} of {len(self._rows)}" if words else str(len(self._rows))
        self.query_one("#transactions-title", Static).update(
            Content(f" Past transactions {self.cockpit.signs.dot} {count}")
        )

    def _say(self, words: str) -> None:
        empty = self.query_one("#transactions-empty", Static)
        empty.update(one_line(words, 600))
        empty.display = bool(words)

    def on_input_changed(self, _event: Input.Changed) -> None:
        self._list()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.query_one(OptionList).focus()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        row = next((row for row in self._rows if row.tx == event.option_id), None)
        if row is not None:
            self.run_worker(self._open(row), group="open", exclusive=True, exit_on_error=False)

    async def _open(self, row: TransactionRow) -> None:
        from tinyllm_tui.screens.replay import ReplayScreen

        try:
            engine = await self._opened()
            events = await engine.events(row.tx)
        except EngineError as error:
            self.notify(one_line(f"{error.message} {error.remedy}"), severity="error", markup=False)
            return
        self.app.push_screen(ReplayScreen(row, events))

    def action_fork(self) -> None:
        """Fork the selected transaction from its beginning."""
        at = self.query_one(OptionList).highlighted
        tx = None if at is None else self.query_one(OptionList).get_option_at_index(at).id
        if tx is not None:
            self.run_worker(self.cockpit.offer_fork_of(tx), group="open", exclusive=True, exit_on_error=False)

    def action_filter(self) -> None:
        self.query_one(Input).focus()

    def action_leave(self) -> None:
        field = self.query_one(Input)
        if field.has_focus or field.value:
            field.value = ""
            self.query_one(OptionList).focus()
        else:
            self.app.pop_screen()
