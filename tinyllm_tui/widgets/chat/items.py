"""What a conversation consists of, whether it is mounted or not: turns, and remarks about other runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content
from textual.events import Click
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Static

from tinyllm_tui.widgets.chat.history import PastTurn
from tinyllm_tui.words import Glyphs, Line, Tone

if TYPE_CHECKING:
    from tinyllm_tui.widgets.chat.exchange import Exchange

_ESTIMATED = 8_000
"""Characters of an answer that are looked at to estimate its height."""

_STYLES: dict[Tone, str] = {"accent": "$accent", "ok": "$success", "warn": "$warning", "error": "$error"}


class Remark(Static):
    """A line about a run that is not the live one; a click on it opens that run."""

    DEFAULT_CSS = "Remark { height: auto; margin: 0 1 0 2; }"

    class Opened(Message):
        def __init__(self, tx: str) -> None:
            super().__init__()
            self.tx = tx

    def __init__(self, line: Line, tx: str) -> None:
        words = Content.assemble(*((text, _STYLES.get(tone, "$text-dim")) for text, tone in line))
        super().__init__(words, markup=False)
        self._tx = tx

    def on_click(self, event: Click) -> None:
        event.stop()
        if self._tx:
            self.post_message(self.Opened(self._tx))


def estimated_rows(turn: PastTurn, width: int) -> int:
    """About how many rows of a width a turn takes."""
    answer = turn.answer[:_ESTIMATED]
    return 4 + min(len(turn.question) // width, 8) + answer.count("\n") + len(answer) // width


class Item:
    """One thing of the conversation; `widget` is there while it is mounted, `rows` is its height, or about that."""

    def __init__(self) -> None:
        self.rows = 1
        self.widget: Widget | None = None

    def make(self, signs: Glyphs) -> Widget:
        """What shows it; it is mounted from now on."""
        raise NotImplementedError

    def drop(self) -> Widget | None:
        """What showed it; it is not mounted any more."""
        widget, self.widget = self.widget, None
        return widget

    def measure(self) -> None:
        """Remember the height that it has on the screen."""
        if self.widget is not None and self.widget.outer_size.height:
            self.rows = self.widget.outer_size.height + self.widget.styles.margin.height

    def estimate(self, width: int) -> None:
        """Say about how high it is in a width."""


class RemarkItem(Item):
    """A remark."""

    def __init__(self, line: Line, tx: str) -> None:
        super().__init__()
        self._line, self._tx = line, tx

    def make(self, signs: Glyphs) -> Remark:  # noqa: ARG002 - one shape for all items
        self.widget = Remark(self._line, self._tx)
        return self.widget


class TurnItem(Item):
    """A question and its answer. While it is mounted its exchange knows more of it than it does.

    Args:
        turn: what is known of it.
        shown: the question as it was typed, with tokens for large pastes.
    """

    def __init__(self, turn: PastTurn, shown: str | None = None) -> None:
        super().__init__()
        self._turn = turn
        self.shown = turn.question if shown is None else shown
        self.read = False
        """Whether the run's view was shown, or asked for in vain."""

    @property
    def exchange(self) -> Exchange | None:
        return self.widget  # type: ignore[return-value]  # `make` alone sets it

    @property
    def turn(self) -> PastTurn:
        """What is known of it now."""
        return self._turn if self.exchange is None else self.exchange.turn

    def begin(self, signs: Glyphs) -> Exchange:
        """An exchange for a question that is being answered."""
        from tinyllm_tui.widgets.chat.exchange import Exchange

        self.read = True
        self.widget = exchange = Exchange(self._turn.question, signs, shown=self.shown)
        return exchange

    def make(self, signs: Glyphs) -> Exchange:
        from tinyllm_tui.widgets.chat.exchange import Exchange

        self.read = False
        self.widget = exchange = Exchange.of_past(self._turn, signs, shown=self.shown)
        return exchange

    def drop(self) -> Widget | None:
        self._turn = self.turn
        return super().drop()

    def estimate(self, width: int) -> None:
        self.rows = estimated_rows(self._turn, width)
