"""The chat pane: the conversation so far, and the welcome before there is one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.geometry import Size
from textual.layout import DockArrangeResult
from textual.message import Message
from textual.scrollbar import ScrollBar
from textual.widget import Widget
from textual.widgets import Static

from engine.view import View
from tinyllm_tui.words import UNICODE, Glyphs, Line, Tone

if TYPE_CHECKING:
    from tinyllm_tui.widgets.chat.exchange import Exchange
    from tinyllm_tui.widgets.chat.history import PastTurn

KEPT = 60
"""Exchanges that stay mounted when a question is asked; older ones are in the store."""
MOST = 200
"""Exchanges that are mounted while the person scrolls up: each one costs time in every layout."""
LOOK_S = 0.25
"""Seconds until it is seen whether more exchanges are wanted above: what was mounted before is to be drawn first."""

_ABOUT = (
    "A graph of small language models answers, on this machine alone. The panes show every step: which specialist the "
    "router picked, what it was given to read, how fast it writes, what failed and was tried again."
)
_TRY = ("What is the capital of France?", "Who wrote Hamlet?", "/code reverse a string in Python")


def welcome() -> Content:
    """What stands in an empty conversation."""
    return Content.assemble(
        ("Ask, and watch the answer being made.\n\n", "bold $accent"),
        (f"{_ABOUT}\n\n", "$text-dim"),
        ("Try\n", "bold"),
        ("".join(f"  {question}\n" for question in _TRY) + "\n", "$primary"),
        ("Keys\n", "bold"),
        ("  F1 help   ^r replay a past run   ^p every command\n", "$text-dim"),
        ("  esc leaves the prompt; then 1-5 choose a pane, enter returns", "$text-dim"),
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
        words = Content.assemble(*((text, _STYLES.get(tone, "$text-dim")) for text, tone in line))
        super().__init__(words, markup=False)
        self._tx = tx

    def on_click(self) -> None:
        if self._tx:
            self.post_message(self.Opened(self._tx))


def estimated_rows(turn: PastTurn, width: int) -> int:
    """About how many rows of a width a turn takes."""
    lines = (turn.question + "\n" + turn.answer[:8000]).split("\n")
    return 4 + sum(1 + len(line) // width for line in lines)


class ChatPane(VerticalScroll, can_focus=True):
    """Questions and answers; anchored to its end unless the person scrolled up.

    Of what was said earlier in a session only as much is mounted as a screen shows and one more above it, and more when
    the person scrolls up; what stands on the screen stays in its place then.
    """

    DEFAULT_CSS = """
    ChatPane { scrollbar-size: 1 1; background: transparent; padding: 0 0 0 1; }
    ChatPane > #conversation { height: auto; min-height: 100%; }
    ChatPane .chat--welcome { padding: 1 2; height: auto; }
    ChatPane .chat--earlier { display: none; height: auto; margin: 0 1 1 1; color: $text-dim; }
    """

    def __init__(self, *, id: str | None = None, signs: Glyphs = UNICODE, welcomes: bool = True) -> None:  # noqa: A002
        super().__init__(id=id)
        self._signs = signs
        self._welcome = Static(welcome(), classes="chat--welcome") if welcomes else None
        self._conversation = Vertical(id="conversation")
        self._note = Static("", markup=False, classes="chat--earlier")
        self._exchanges: list[Exchange] = []
        self._past: list[PastTurn] = []
        """What was said before the mounted exchanges, the oldest first."""
        self._unread = 0
        """Turns before these, which were not even read."""
        self._from_past: dict[Exchange, PastTurn] = {}
        self._held: tuple[Exchange, float] | None = None
        """What stays in its place while exchanges are mounted above it, and its row on the screen."""
        self._page: list[Exchange] = []
        """What was mounted last of what was said earlier."""
        self._looking = False
        self.origin = ""
        """Of a replay: where its run comes from."""

    def compose(self) -> ComposeResult:
        # as high as the pane at least: an anchored scroll view lets shorter content sink to its bottom
        with self._conversation:
            yield self._note
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
        self._conversation.mount(exchange)
        while len(self._exchanges) > KEPT:
            self._unmount_oldest()
        self._count_past()
        self.anchor()
        return exchange

    def _unmount_oldest(self) -> None:
        oldest = self._exchanges.pop(0)
        turn = self._from_past.pop(oldest, None)
        if turn is None:  # asked by this process: what is above it must not follow what is below it
            self._past.clear()
            self._unread = 0
        else:
            self._past.append(turn)
        oldest.remove()

    def open_history(self, turns: Sequence[PastTurn], unread: int = 0) -> None:
        """Show what was said earlier in the session, the oldest first, above whatever stands here.

        Args:
            turns: the latest ones.
            unread: how many there were before these.
        """
        if not turns:
            return
        self._unread = unread
        if self._welcome is not None:
            self._welcome.display = False
        self._past += turns
        self._mount_page()
        self._look_soon()
        self.anchor()

    def _mount_page(self) -> None:
        """Mount the newest of what was said earlier, as much as fills the screen, above what is mounted."""
        from tinyllm_tui.widgets.chat.exchange import Exchange

        width, height = max(self.size.width, 20), max(self.size.height, 20)
        rows, begin = 0, len(self._past)
        while begin and rows < height and len(self._exchanges) + len(self._past) - begin < MOST:
            begin -= 1
            rows += estimated_rows(self._past[begin], width)
        turns = self._past[begin:]
        del self._past[begin:]
        page = {Exchange.of_past(turn, self._signs): turn for turn in turns}
        first = self._exchanges[0] if self._exchanges else None
        if first is not None:
            self._held = (first, first.region.y - self.region.y)
        self._conversation.mount_all(page, before=first)
        self._from_past |= page
        self._page = list(page)
        self._exchanges[:0] = page
        self._count_past()

    def _count_past(self) -> None:
        """Say how much there is above."""
        above = len(self._past) + self._unread
        self._note.display = above > 0
        self._note.update(f"{above:,} earlier questions above")

    def _look_soon(self) -> None:
        if self._past and not self._looking:
            self._looking = True
            self.set_timer(LOOK_S, self._look_above)

    def _look_above(self) -> None:
        """Mount more where less than a screen is left above, once what was mounted before is there."""
        from tinyllm_tui.widgets.chat.answer import Answer

        moving = self.app.animator.is_being_animated(self, "scroll_y")  # it ends at a row that it knows already
        if moving or not all(answer.settled for each in self._page for answer in each.query(Answer)):
            self.set_timer(LOOK_S, self._look_above)
        else:
            self.call_after_refresh(self._mount_above)

    def _mount_above(self) -> None:
        self._looking = False
        if self._past and self.scroll_y < self.size.height and len(self._exchanges) < MOST:
            self._mount_page()
            self._look_soon()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if self._held is not None:
            exchange, row = self._held
            self._held = (exchange, row + old_value - new_value)
        if new_value < old_value:
            self._look_soon()

    def arrange(self, size: Size, optimal: bool = False) -> DockArrangeResult:
        """Lay the conversation out; while the person has scrolled up, what is held keeps its row.

        It is done here, as Textual does for anchors, so that no frame is drawn in between.
        """
        arranged = super().arrange(size, optimal)
        if self._held is not None and self._anchor_released:
            exchange, row = self._held
            for outer in arranged.placements:
                for inner in self._conversation.arrange(outer.region.size).placements:
                    if inner.widget is exchange:
                        self._scroll_silently(max(outer.region.y + inner.region.y - row, 0.0))
        return arranged

    def _scroll_silently(self, row: float) -> None:
        """Be at a row in the layout that is being made."""
        if row != self.scroll_y:
            self.set_reactive(Widget.scroll_y, row)
            self.set_reactive(Widget.scroll_target_y, row)
            self.vertical_scrollbar.set_reactive(ScrollBar.position, row)

    def tell(self, line: Line, tx: str) -> None:
        """Add a line about a run that is not the live one; a click opens it where `tx` says which it is."""
        self._conversation.mount(Remark(line, tx))
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
        self._past.clear()
        self._unread = 0
        self._from_past.clear()
        self._page.clear()
        self._held = None
        self._count_past()
        for remark in self.query(Remark):
            remark.remove()
        if self._welcome is not None:
            self._welcome.display = True
