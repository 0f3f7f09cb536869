"""The list of past transactions, filtered and sorted."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.suggester import Suggester
from textual.widgets import Input, Static

from engine.errors import EngineError
from engine.store.rows import TransactionRow
from tinyllm_tui.engine_port import CockpitEngine
from tinyllm_tui.keymap import bindings
from tinyllm_tui.row_words import as_it_is
from tinyllm_tui.sanitize import one_line
from tinyllm_tui.screens.hit_test import SafeScreen
from tinyllm_tui.transaction_filter import NAMES, TransactionFilter, completions, read_filter
from tinyllm_tui.transaction_line import transaction_line
from tinyllm_tui.widgets.footer import Footer
from tinyllm_tui.widgets.row_list import RowList
from tinyllm_tui.widgets.toggles import Toggles
from tinyllm_tui.words import Line, cut

if TYPE_CHECKING:
    from tinyllm_tui.app import CockpitApp

_PAGE = 500
"""Rows that are read at once."""
_SWITCHES = (
    ("committed", "status:committed"),
    ("fallback", "status:fallback"),
    ("rolled back", "status:rolled_back"),
    ("forks", "is:fork"),
    ("imported", "is:imported"),
    ("today", "since:today"),
)
"""(word, the part of the filter that it stands for)."""


class _Suggester(Suggester):
    """Suggests how the last part of the filter could go on."""

    def __init__(self, graphs: Callable[[], Sequence[str]]) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._graphs = graphs

    async def get_suggestion(self, value: str) -> str | None:
        return next(iter(completions(value, self._graphs())), None)


class TransactionsScreen(SafeScreen):
    """Newest first; Enter replays.

    Args:
        opened: gives the engine; the list waits for it, and takes what is typed meanwhile.
        only: transactions that are listed; default: all.
        marked: the transaction that is to be compared with another.
        words: the filter to begin with.
    """

    CSS_PATH = "transactions.tcss"
    BINDINGS: ClassVar[list[BindingType]] = list(bindings("transactions", "everywhere", without=("transactions.open",)))

    def __init__(
        self,
        opened: Callable[[], Awaitable[CockpitEngine]],
        only: frozenset[str] = frozenset(),
        marked: str = "",
        words: str = "",
    ) -> None:
        super().__init__()
        self._opened = opened
        self._only = only
        self._marked = marked
        self._words = words
        self._title = "Runs of an earlier session" if only else "Past transactions"
        self._nothing = "Opening the database."
        """What stands in the place of a list without rows."""
        self._rows: list[TransactionRow] = []
        self._shown: list[TransactionRow] = []
        self._slowest_first = False
        self._whole = False
        """Whether all rows were read."""

    @property
    def cockpit(self) -> CockpitApp:
        return cast("CockpitApp", self.app)

    def compose(self) -> ComposeResult:
        yield Static(f" {self._title}", id="transactions-title")
        yield Input(
            self._words, id="transactions-filter", placeholder="/ filters: words, status:, is: ...",
            compact=True, suggester=_Suggester(self._graphs),
        )  # fmt: skip
        yield Static("", id="transactions-help", markup=False)
        yield Toggles(self.cockpit.signs, id="transactions-toggles")
        yield RowList(self.cockpit.signs, id="transactions-list")
        yield Static("", id="transactions-empty", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        self.rows.focus()
        self.look()

    def look(self) -> None:
        """Read the transactions."""
        self.run_worker(self._read(), group="read", exclusive=True, exit_on_error=False)

    def on_resize(self) -> None:
        self.call_after_refresh(self._list)

    def on_screen_resume(self) -> None:
        """A replay may have set bookmarks, a fork added a run."""
        if self._whole:
            self.look()

    @property
    def rows(self) -> RowList:
        """The list."""
        return self.query_one(RowList)

    def _graphs(self) -> list[str]:
        return sorted({row.graph_id.removeprefix("graph.") for row in self._rows})

    async def _read(self) -> None:
        """Read everything, a page at a time; the first time each page is shown at once."""
        found: list[TransactionRow] = []
        try:
            engine = await self._opened()
            with contextlib.suppress(EngineError):  # a replay says what is wrong with them
                await self.cockpit.bookmarks.read()
            page = await engine.transactions(limit=_PAGE)
            while page:
                rows = [as_it_is(row, engine.left) for row in page]
                found += [row for row in rows if not self._only or row.tx in self._only]
                if not self._whole:
                    self._rows = found
                    self._list()
                page = await engine.transactions(limit=_PAGE, before=page[-1].number) if len(page) == _PAGE else []
        except EngineError as error:
            self._nothing = f"{error.message} {error.remedy}".strip()
        else:
            self._rows, self._whole = found, True
            self._nothing = "Nothing was asked yet: Esc goes back to the prompt."
        self._list()

    def _filter(self) -> TransactionFilter:
        return read_filter(self.query_one(Input).value, datetime.now().astimezone())

    def _list(self) -> None:
        if not self.is_mounted:
            return
        wanted = self._filter()
        selected = self._selected
        bookmarks = self.cockpit.bookmarks
        shown = [row for row in self._rows if wanted.takes(row, bookmarked=bool(bookmarks.of(row.tx)))]
        if self._slowest_first:
            shown.sort(key=lambda row: -row.duration_ms)
        self._shown = shown
        self.rows.show(len(shown), lambda row, width: self._line(shown[row], width))
        if selected is not None:
            self.rows.select(next((place for place, row in enumerate(shown) if row.tx == selected), 0))
        text = self.query_one(Input).value
        self._say("" if shown else "Nothing matches." if self._rows else self._nothing)
        self._tell(wanted, len(shown), filtered=bool(text.strip()))
        self.refresh_bindings()

    def _line(self, row: TransactionRow, width: int) -> Line:
        bookmarks, signs = len(self.cockpit.bookmarks.of(row.tx)), self.cockpit.signs
        return transaction_line(row, width, signs, marked=row.tx == self._marked, bookmarks=bookmarks)

    def _tell(self, wanted: TransactionFilter, count: int, *, filtered: bool) -> None:
        """The title with its counts, the switches, and what helps with the filter."""
        signs = self.cockpit.signs
        total = f"{len(self._rows)}{'' if self._whole else '+'}"
        words = f"{count} of {total}" if filtered else total
        self.query_one("#transactions-title", Static).update(Content(f" {self._title} {signs.dot} {words}"))
        order = "slowest first" if self._slowest_first else "newest first"
        self.query_one(Toggles).show(
            [(word, self._is_on(part)) for word, part in _SWITCHES], f"{signs.dot} s sorts: {order}"
        )
        field, help_ = self.query_one(Input), self.query_one("#transactions-help", Static)
        help_.display = field.has_focus or bool(wanted.problems)
        help_.set_class(bool(wanted.problems), "-problem")
        help_.update(Content(cut(one_line(self._help(wanted, field.value), 400), self.size.width - 2, signs.ellipsis)))

    def _help(self, wanted: TransactionFilter, text: str) -> str:
        """What is wrong with the filter, else how its last part can go on."""
        if wanted.problems:
            return f"{self.cockpit.signs.marks['warn']} {wanted.problems[0]}"
        last = text.rpartition(" ")[2]
        name = last.partition(":")[0].lower()
        if ":" in last and name in NAMES:
            return NAMES[name]
        found = [each.rpartition(" ")[2] for each in completions(text, self._graphs())]
        return " ".join(found or [*(f"{each}:" for each in NAMES), "or words of question and answer"])

    def _is_on(self, part: str) -> bool:
        return part in self.query_one(Input).value.split()

    def _say(self, words: str) -> None:
        empty = self.query_one("#transactions-empty", Static)
        empty.update(one_line(words, 600))
        empty.display = bool(words)

    def on_input_changed(self, _event: Input.Changed) -> None:
        self._list()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.rows.focus()

    def on_descendant_focus(self) -> None:
        self._list()

    def on_toggles_chosen(self, event: Toggles.Chosen) -> None:
        event.stop()
        self.action_switch(event.index)

    def on_row_list_opened(self, event: RowList.Opened) -> None:
        event.stop()
        self.cockpit.past.open(self._shown[event.row].tx)

    @property
    def _selected(self) -> str | None:
        at = self.rows.selected
        return None if at is None or at >= len(self._shown) else self._shown[at].tx

    def footer_words(self, action: str, words: str) -> str:
        """What the footer says of an action; empty where the selected row has nothing for it."""
        if action == "parent":
            row = next((row for row in self._shown if row.tx == self._selected), None)
            return words if row is not None and row.parent is not None else ""
        return words if action not in ("fork", "mark", "compare", "export_run") or self._shown else ""

    def on_row_list_moved(self, event: RowList.Moved) -> None:
        event.stop()
        self.refresh_bindings()

    def action_switch(self, index: int) -> None:
        """Add a part to the filter, or take it out."""
        part = _SWITCHES[index][1]
        parts = self.query_one(Input).value.split()
        parts = [each for each in parts if each != part] if part in parts else [*parts, part]
        self.query_one(Input).value = " ".join(parts)

    def action_sort(self) -> None:
        """Newest first, or slowest first."""
        self._slowest_first = not self._slowest_first
        self._list()

    def action_mark(self) -> None:
        """Mark the selected transaction, to compare it with another; or not any more."""
        tx = self._selected
        if tx is not None:
            self._marked = "" if tx == self._marked else tx
            self._list()

    def action_compare(self) -> None:
        """Compare the selected transaction with the marked one, or a fork with where it comes from."""
        tx = self._selected
        row = next((row for row in self._rows if row.tx == tx), None)
        if row is None:
            return
        if self._marked and self._marked != row.tx:
            self.cockpit.comparing.of(self._marked, row.tx)
        elif not self.cockpit.comparing.with_parent(row):
            self.notify("Mark another run with space, then press c.", severity="warning")

    def action_export_run(self) -> None:
        """Write the selected transaction to a file."""
        tx = self._selected
        if tx is not None:
            self.cockpit.exports.offer(tx)

    def action_parent(self) -> None:
        """Replay the run of which the selected one is a fork."""
        tx = self._selected
        if tx is not None:
            self.cockpit.past.open_parent_of(tx)

    def action_fork(self) -> None:
        """Fork the selected transaction from its beginning."""
        tx = self._selected
        if tx is not None:
            self.run_worker(self.cockpit.offers.fork_of(tx), group="open", exclusive=True, exit_on_error=False)

    def action_filter(self) -> None:
        self.query_one(Input).focus()

    def action_leave(self) -> None:
        field = self.query_one(Input)
        if field.has_focus or field.value not in ("", self._words):
            field.value = ""
            self.rows.focus()
        else:
            self.dismiss()
