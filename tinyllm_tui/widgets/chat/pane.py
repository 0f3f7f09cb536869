"""The chat pane: the conversation so far, and the welcome before there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from engine.view import View
from tinyllm_tui.words import UNICODE, Glyphs, Line, Tone

if TYPE_CHECKING:
    from tinyllm_tui.widgets.chat.exchange import Exchange

KEPT = 60
"""Exchanges that stay on screen; older ones are in the store."""

_ABOUT = (
    "A graph of small language models answers, on this machine alone. The panes show every step: which specialist the "
    "router picked, what it was given to read, how fast it writes, what failed and was tried again."
)
_TRY = ("What is the capital of France?", "Who wrote Hamlet?", "/code reverse a string in Python")


def welcome() -> Content:
    """What stands in an empty conversation."""
    return Content.assemble(
        ("Ask, and watch the answer being made.\n\n", "bold $accent"),
        (f"{_ABOUT}\n\n", "$foreground 75%"),
        ("Try\n", "bold"),
        ("".join(f"  {question}\n" for question in _TRY) + "\n", "$primary"),
        ("Keys\n", "bold"),
        ("  F1 help   ^r replay a past run   ^p every command\n", "$foreground 75%"),
        ("  esc leaves the prompt; then 1-5 choose a pane, enter returns", "$foreground 75%"),
    )


_STYLES: dict[Tone, str] = {"accent": "$accent", "ok": "$success", "warn": "$warning", "error": "$error"}


class Remark(Static):
    """A line about a run that is not the live one; a click on it opens that run."""

    DEFAULT_CSS = "Remark { height: auto; margin: 0 1 0 1; }"

    class Opened(Message):
        def __init__(self, tx: str) -> None:
            super().__init__()
            self.tx = tx

    def __init__(self, line: Line, tx: str) -> None:
        words = Content.assemble(*((text, _STYLES.get(tone, "$foreground 70%")) for text, tone in line))
        super().__init__(words, markup=False)
        self._tx = tx

    def on_click(self) -> None:
        if self._tx:
            self.post_message(self.Opened(self._tx))


class ChatPane(VerticalScroll, can_focus=True):
    """Questions and answers; anchored to its end unless the person scrolled up."""

    DEFAULT_CSS = """
    ChatPane { scrollbar-size: 1 1; background: transparent; padding: 0 0 0 1; }
    ChatPane > #conversation { height: auto; min-height: 100%; }
    ChatPane .chat--welcome { padding: 1 2; height: auto; }
    """

    def __init__(self, *, id: str | None = None, signs: Glyphs = UNICODE, welcomes: bool = True) -> None:  # noqa: A002
        super().__init__(id=id)
        self._signs = signs
        self._welcome = Static(welcome(), classes="chat--welcome") if welcomes else None
        self._exchanges: list[Exchange] = []
        self.origin = ""
        """Of a replay: where its run comes from."""

    def compose(self) -> ComposeResult:
        # as high as the pane at least: an anchored scroll view lets shorter content sink to its bottom
        with Vertical(id="conversation"):
            if self._welcome is not None:
                yield self._welcome

    def on_mount(self) -> None:
        self.anchor()

    @property
    def latest(self) -> Exchange | None:
        return self._exchanges[-1] if self._exchanges else None

    def begin(self, question: str) -> Exchange:
        """Add an exchange; the oldest go when there are many."""
        from tinyllm_tui.widgets.chat.exchange import Exchange

        if self._welcome is not None:
            self._welcome.display = False
        exchange = Exchange(question, self._signs)
        self._exchanges.append(exchange)
        self.query_one("#conversation").mount(exchange)
        while len(self._exchanges) > KEPT:
            self._exchanges.pop(0).remove()
        self.anchor()
        return exchange

    def tell(self, line: Line, tx: str) -> None:
        """Add a line about a run that is not the live one; a click opens it where `tx` says which it is."""
        self.query_one("#conversation").mount(Remark(line, tx))
        self.anchor()

    def show(self, view: View, number: int | None, now_ms: float) -> None:
        """Replay: one exchange, made when the view has a question."""
        if view.status == "created":
            return
        exchange = self.latest or self.begin(view.question)
        exchange.origin = self.origin
        exchange.show(view, number, now_ms)

    def forget(self) -> None:
        """An empty conversation again."""
        for exchange in self._exchanges:
            exchange.remove()
        self._exchanges.clear()
        for remark in self.query(Remark):
            remark.remove()
        if self._welcome is not None:
            self._welcome.display = True
