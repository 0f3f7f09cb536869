"""The list of past transactions."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, cast

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from engine.errors import EngineError
from engine.store.rows import TransactionRow
from tinyllm_tui.engine_port import CockpitEngine
from tinyllm_tui.keymap import bindings
from tinyllm_tui.row_words import INTERRUPTED, as_it_is, origin_words, outcome_words, parent_words, status_words
from tinyllm_tui.sanitize import one_line
from tinyllm_tui.screens.hit_test import SafeScreen
from tinyllm_tui.widgets.footer import Footer
from tinyllm_tui.widgets.rows import Rows
from tinyllm_tui.words import Glyphs, cut, duration, filled

if TYPE_CHECKING:
    from tinyllm_tui.app import CockpitApp

_LIMIT = 500


_QUESTION = 15
"""Columns that are kept for the question before there are words on where it comes from."""


def _outcome(row: TransactionRow, width: int, signs: Glyphs) -> str:
    """How a run ended; where there is little room, its status or its sign alone."""
    if width < 60:
        return ""
    words, room = (status_words(row), 11) if width < 70 else (outcome_words(row), 19 if width < 100 else 24)
    return filled(words, room, signs.ellipsis) + " "


def _sign(row: TransactionRow, signs: Glyphs) -> tuple[str, str]:
    """(sign, style) of how a run ended."""
    if row.status == "committed":
        return (signs.marks["warn"], "$warning") if row.exit == "fallback" else (signs.nodes["ok"], "$success")
    if row.status in ("rolled_back", "damaged"):
        return signs.nodes["failed"], "$error"
    if row.status == INTERRUPTED:
        return signs.marks["resumed"], "$warning"
    return signs.nodes["running"], "$accent"


def _origin(row: TransactionRow, width: int, signs: Glyphs) -> str:
    """That a run was imported, and of which it is a fork; in a few columns where there are no more."""
    imported = signs.marks["imported"] if row.origin else ""
    fork = f"{signs.marks['fork']} #{row.parent.number}" if row.parent is not None else ""
    if width >= 60:
        imported = f"{imported} {row.origin}" if imported else ""
        words = parent_words(row.parent, imported=bool(row.origin))
        fork = f"{signs.marks['fork']} {words}" if words else ""
    return "".join(f"{each} {signs.dot} " for each in (imported, fork) if each)


def row_content(row: TransactionRow, width: int, signs: Glyphs, *, marked: bool = False, bookmarks: int = 0) -> Content:
    """One transaction on one line: number, status, time, duration, graph, bookmarks, where it comes from, question.

    Args:
        row: the transaction.
        width: columns.
        signs: the characters to draw with.
        marked: whether it is the one to compare with another.
        bookmarks: how many places in it are marked.
    """
    sign, style = _sign(row, signs)
    when = (
        datetime.fromtimestamp(row.started_ms / 1000).astimezone().strftime("%d %b %H:%M" if width >= 70 else "%H:%M")
    )
    parts: list[tuple[str, str]] = [
        (f"#{row.number:<4}", "$primary"),
        (signs.marks["differs"] if marked else " ", "$accent"),
        (f"{sign} ", style),
        (_outcome(row, width, signs), style),
        (f"{when} ", "$text-faint"),
        (f"{duration(row.duration_ms):>7}  ", "$text-faint"),
        (
            filled(row.graph_id.removeprefix("graph."), 14, signs.ellipsis) + " " if width >= 100 else "",
            "$text-faint",
        ),
    ]
    room = width - sum(cell_len(text) for text, _ in parts)
    origin = f"{signs.marks['bookmark']} {bookmarks} {signs.dot} " if bookmarks else ""
    origin += _origin(row, width if room >= _QUESTION + 25 else 0, signs)
    parts.append((cut(origin, room, signs.ellipsis), "$accent"))
    parts.append((cut(one_line(row.question), room - cell_len(origin), signs.ellipsis), "$foreground"))
    return Content.assemble(*(part for part in parts if part[0]))


def matches(row: TransactionRow, words: str) -> bool:
    """Whether every word occurs in what the list knows of `row`."""
    text = (
        f"#{row.number} {row.status} {outcome_words(row)} {row.exit} {row.graph_id} {origin_words(row)}"
        f" {row.question} {row.answer}"
    ).lower()
    return all(word in text for word in words.lower().split())


class TransactionsScreen(SafeScreen):
    """Newest first; Enter replays.

    Args:
        opened: gives the engine; the list waits for it, and takes what is typed meanwhile.
        only: transactions that are listed; default: all.
        marked: the transaction that is to be compared with another.
    """

    CSS_PATH = "transactions.tcss"
    BINDINGS: ClassVar[list[BindingType]] = list(bindings("transactions", "everywhere", without=("transactions.open",)))

    def __init__(
        self, opened: Callable[[], Awaitable[CockpitEngine]], only: frozenset[str] = frozenset(), marked: str = ""
    ) -> None:
        super().__init__()
        self._opened = opened
        self._only = only
        self._marked = marked
        self._title = "Runs of an earlier session" if only else "Past transactions"
        self._nothing = "Opening the database."
        """What stands in the place of a list without rows."""
        self._rows: Sequence[TransactionRow] = ()

    @property
    def cockpit(self) -> CockpitApp:
        return cast("CockpitApp", self.app)

    def compose(self) -> ComposeResult:
        yield Static(f" {self._title}", id="transactions-title")
        yield Input(id="transactions-filter", placeholder="/ filters by any word", compact=True)
        yield Rows(id="transactions-list")
        yield Static("", id="transactions-empty", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        self.query_one(OptionList).focus()
        self.run_worker(self._read(), group="read", exclusive=True, exit_on_error=False)

    def on_resize(self) -> None:
        self.call_after_refresh(self._list)

    def on_screen_resume(self) -> None:
        """A replay may have set bookmarks, a fork added a run."""
        self.call_after_refresh(self._list)

    async def _read(self) -> None:
        try:
            engine = await self._opened()
            rows = [as_it_is(row, engine.left) for row in await engine.transactions(limit=_LIMIT)]
            self._rows = [row for row in rows if not self._only or row.tx in self._only]
            with contextlib.suppress(EngineError):  # a replay says what is wrong with them
                await self.cockpit.bookmarks.read()
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
        options.add_options(Option(self._line(row, width), id=row.tx) for row in found)
        if found:
            options.highlighted = min(highlighted or 0, len(found) - 1)
        self._say("" if found else "Nothing matches." if self._rows else self._nothing)
        count = f"{len(found)} of {len(self._rows)}" if words else str(len(self._rows))
        self.query_one("#transactions-title", Static).update(
            Content(f" {self._title} {self.cockpit.signs.dot} {count}")
        )

    def _say(self, words: str) -> None:
        empty = self.query_one("#transactions-empty", Static)
        empty.update(one_line(words, 600))
        empty.display = bool(words)

    def _line(self, row: TransactionRow, width: int) -> Content:
        bookmarks = len(self.cockpit.bookmarks.of(row.tx))
        return row_content(row, width, self.cockpit.signs, marked=row.tx == self._marked, bookmarks=bookmarks)

    def on_input_changed(self, _event: Input.Changed) -> None:
        self._list()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.query_one(OptionList).focus()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        row = next((row for row in self._rows if row.tx == event.option_id), None)
        if row is not None:
            self.cockpit.past.open(row.tx)

    @property
    def _selected(self) -> str | None:
        at = self.query_one(OptionList).highlighted
        return None if at is None else self.query_one(OptionList).get_option_at_index(at).id

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

    def action_filter(self) -> None:
        self.query_one(Input).focus()

    def action_leave(self) -> None:
        field = self.query_one(Input)
        if field.has_focus or field.value:
            field.value = ""
            self.query_one(OptionList).focus()
        else:
            self.app.pop_screen()
