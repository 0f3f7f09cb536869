"""The conversation as it scrolls: only what is near the screen is mounted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.events import Resize
from textual.geometry import Size
from textual.layout import DockArrangeResult
from textual.scrollbar import ScrollBar
from textual.widget import Widget
from textual.widgets import Static

from engine.errors import EngineError
from engine.view import View
from tinyllm_tui.widgets.chat.history import PastTurn
from tinyllm_tui.widgets.chat.items import Item, RemarkItem, TurnItem
from tinyllm_tui.widgets.chat.spacer import Spacer
from tinyllm_tui.widgets.chat.welcome import welcome
from tinyllm_tui.widgets.chat.window import tops, window, within
from tinyllm_tui.words import UNICODE, Glyphs, Line

if TYPE_CHECKING:
    from tinyllm_tui.widgets.chat.exchange import Exchange

LOOK_S = 0.1
"""Seconds until it is seen whether other exchanges are wanted: what was mounted before is to be drawn first."""

Target = Callable[[], "tuple[Widget, float] | None"]
"""Gives the widget to be seen, and at which share of its height; None: all of what it is in."""


class Transcript(VerticalScroll, can_focus=True):
    """Questions and answers; anchored to its end unless the person scrolled up.

    Only what is near the screen is mounted, and the latest turn; two spacers stand for the rest, with heights that were
    measured or are estimated. What stands on the screen stays in its place while others are mounted above it.
    """

    DEFAULT_CSS = """
    Transcript { scrollbar-size: 1 1; background: transparent; }
    Transcript > #conversation { height: auto; min-height: 100%; }
    Transcript .chat--welcome { padding: 1 2 1 3; height: auto; }
    Transcript .chat--earlier { display: none; height: auto; margin: 0 1 1 2; color: $text-dim; }
    """

    def __init__(self, *, id: str | None = None, signs: Glyphs = UNICODE, welcomes: bool = True) -> None:  # noqa: A002
        super().__init__(id=id)
        self._signs = signs
        self._welcome = Static(welcome(), classes="chat--welcome") if welcomes else None
        self._conversation = Vertical(id="conversation")
        self._note = Static("", markup=False, classes="chat--earlier")
        self._above, self._below = Spacer(signs), Spacer(signs)
        self.items: list[Item] = []
        """All of the conversation, the oldest first."""
        self._mounted = range(0)
        """Which of them are mounted between the spacers; from `_tail` on all are, below them."""
        self._held: tuple[Widget, float] | None = None
        """What stays in its place while exchanges are mounted above it, and its row on the screen."""
        self._fresh: list[Item] = []
        """What was mounted last, and may not be drawn yet."""
        self._aim: tuple[Item, Target] | None = None
        """What is to be seen as soon as it is mounted."""
        self._away: tuple[int, TurnItem] | None = None
        """The turn of which another one takes the place, and where it stood."""
        self._looking = False
        self._reading = False
        self._width = 0
        self.read_view: Callable[[str], Awaitable[View]] | None = None
        """Reads the view of a past run from the store; what stands below its answer is made of it."""
        self.origin = ""
        """Of a replay: where its run comes from."""

    def compose(self) -> ComposeResult:
        # as high as the pane at least: an anchored scroll view lets shorter content sink to its bottom
        with self._conversation:
            yield self._note
            yield self._above
            if self._welcome is not None:
                yield self._welcome
            yield self._below

    def on_mount(self) -> None:
        self.anchor()
        self.watch(self, "virtual_size", self._look_soon, init=False)  # a turn that grew may move others out of reach

    @property
    def turns(self) -> list[TurnItem]:
        """All turns, the oldest first."""
        return [item for item in self.items if isinstance(item, TurnItem)]

    @property
    def latest(self) -> Exchange | None:
        turn = self._latest_turn
        return None if turn is None else turn.exchange

    def says(self, message: str, remedy: str) -> bool:
        """Whether this stands below the latest question, as the reason why it has no answer."""
        return bool(message) and self.latest is not None and self.latest.failure == (message, remedy)

    @property
    def _latest_turn(self) -> TurnItem | None:
        return next((item for item in reversed(self.items) if isinstance(item, TurnItem)), None)

    @property
    def _tail(self) -> int:
        """From where on everything is always mounted: the latest turn, and the remarks after it."""
        count = len(self.items)
        return next((n for n in range(count - 1, -1, -1) if isinstance(self.items[n], TurnItem)), 0)

    # -- adding ------------------------------------------------------------------------------------------------------

    def begin(self, shown: str, question: str | None = None) -> Exchange:
        """Add an exchange at the end.

        Args:
            shown: the question as it was typed, with tokens for large pastes.
            question: in full.
        """
        self._hide_welcome()
        self._close_gap()
        item = TurnItem(PastTurn(shown if question is None else question, "", "", None, 0, committed=False), shown)
        exchange = item.begin(self._signs)
        exchange.origin = self.origin
        self.items.append(item)
        self._space()
        self._conversation.mount(exchange)
        self._look_soon()
        self.anchor()
        return exchange

    def _close_gap(self) -> None:
        """What was always mounted stands between the spacers from now on."""
        tail = self._tail
        if self._mounted.stop != tail:  # the person had scrolled far up; the new question is at the end
            self._drop(self._mounted)
            self._mounted = range(tail, tail)
        if tail < len(self.items) and (last := self.items[-1].widget) is not None:
            self._conversation.move_child(self._below, after=last)
        self._mounted = range(self._mounted.start, len(self.items))

    def open_history(self, turns: Sequence[PastTurn], unread: int = 0) -> None:
        """Show what was said earlier in the session, the oldest first, above whatever stands here.

        Args:
            turns: the latest ones.
            unread: how many there were before these.
        """
        if not turns:
            return
        self._count_unread(unread)
        self._hide_welcome()
        added: list[Item] = [TurnItem(turn) for turn in turns]
        self._estimate(added)
        alone = self._latest_turn is None
        below = self.items[0].widget if self.items else None
        self.items[:0] = added
        count = len(added)
        if alone:  # remarks are there at most
            self._fresh.append(added[-1])
            self._conversation.mount(added[-1].make(self._signs), before=below)
            self._mounted = range(count - 1, count - 1)
            starts = tops([item.rows for item in added])
            seen = within(starts, starts[-1] - max(self.size.height, 20), starts[-1])
            self._change(range(min(seen.start, count - 1), count - 1))
        else:
            self._mounted = range(self._mounted.start + count, self._mounted.stop + count)
            self._space()
        self._look_soon()
        self.anchor()

    def tell(self, line: Line, tx: str) -> None:
        """Add a line about a run that is not the live one; a click opens it where `tx` says which it is."""
        item = RemarkItem(line, tx)
        self.items.append(item)
        self._conversation.mount(item.make(self._signs))
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
        for item in self.items:
            widget = item.drop()
            if widget is not None:
                widget.remove()
        self.items.clear()
        self._fresh.clear()
        self._mounted = range(0)
        self._held = self._aim = self._away = None
        self._space()
        self._count_unread(0)
        if self._welcome is not None:
            self._welcome.display = True

    def _count_unread(self, count: int) -> None:
        """Say how many questions there are above that were not read."""
        self._note.display = count > 0
        self._note.update(f"{count:,} earlier questions above")

    def _hide_welcome(self) -> None:
        if self._welcome is not None:
            self._welcome.display = False

    def take_away(self, tx: str) -> None:
        """Show the turn of a transaction no more: another one takes its place."""
        n = next((n for n, item in enumerate(self.items) if isinstance(item, TurnItem) and item.turn.tx == tx), None)
        if n is None or not tx:
            return
        first, stop = self._mounted.start, self._mounted.stop
        item = self.items.pop(n)
        widget = item.drop()
        self._away = (n, item) if isinstance(item, TurnItem) else None
        if widget is not None:
            if self._held is not None and self._held[0] is widget:
                self._held = None
            widget.remove()
        self._mounted = range(first - (n < first), stop - (n < stop))
        self._fresh = [item for item in self._fresh if item.widget is not None]
        self._space()

    def bring_back(self, tx: str) -> None:
        """Show the turn of a transaction again, where an answer stands in it: what was asked in its place has none."""
        if self._away is None or not tx or self._away[1].turn.tx != tx or not self._away[1].turn.committed:
            return
        n, item = self._away
        self._away = None
        self.items.insert(n, item)
        first, stop = self._mounted.start, self._mounted.stop
        if first < n < stop:
            self._mount(range(n, n + 1), self.items[n + 1].widget or self._below)
        self._mounted = range(first + (n <= first), stop + (n < stop or n <= first))
        self._space()
        self._look_soon()

    # -- what is mounted -----------------------------------------------------------------------------------------------

    def _look_soon(self) -> None:
        if not self._looking and self.items:
            self._looking = True
            self.set_timer(LOOK_S, self._look)

    def _look(self) -> None:
        """Mount and take away what is to be, once what was mounted before is there."""
        self._looking = False
        seen = within(self._tops(), self.scroll_y, self.scroll_y + self.size.height)
        blank = not all(self.items[n].widget for n in seen)
        # a scroll that moves on ends at a row that it knows already
        moving = self.app.animator.is_being_animated(self, "scroll_y") and not blank
        if moving or not self._settled():
            self._look_soon()
        else:
            self.call_after_refresh(self._fit)

    def _settled(self) -> bool:
        """Whether everything that was mounted is drawn."""
        fresh, self._fresh = self._fresh, []
        for item in fresh:
            if isinstance(item, TurnItem) and item.exchange is not None:
                if item.exchange.settled:
                    self.drawn(item)
                else:
                    self._fresh.append(item)
        return not self._fresh

    def drawn(self, item: TurnItem) -> None:
        """A turn was mounted, and is drawn now."""

    def _fit(self) -> None:
        """Mount what is near the screen, and take away what is far from it."""
        for item in self._there():
            item.measure()
        self._space()
        starts, tail = self._tops(), self._tail
        if tail and self.size.height:
            wanted = window(starts[: tail + 1], self.scroll_y, self.size.height, self._mounted)
            if wanted != self._mounted:
                self._hold(wanted, starts)
                self._change(wanted)
                self._look_soon()
        if self._aim is not None and self._aim[0].widget is not None and self._aim[0] not in self._fresh:
            item, target = self._aim
            self._aim = None
            self._bring(item, target)
        self._read_soon()

    def reveal(self, item: Item, target: Target = lambda: None) -> None:
        """Scroll to a turn, or to something in it."""
        self.release_anchor()
        self._aim = (item, target)
        if item.widget is None:
            self._held = None
            row = self._tops()[self.items.index(item)]
            self.scroll_to(y=row, animate=False, force=True)
            self._look_soon()
        else:
            self._fit()

    def _bring(self, item: Item, target: Target) -> None:
        """Show something that is mounted: its first row, where that is not seen."""
        widget, share = target() or (item.widget, 0.0)
        if widget is None:
            return
        row = widget.region.y - self.region.y + round(share * max(widget.region.height - 1, 0))
        if not 0 <= row < self.size.height - 1 or (target() is None and row + widget.region.height > self.size.height):
            room = self.size.height // 4 if target() is not None else 0
            self.scroll_to(y=max(self.scroll_y + row - room, 0), animate=False, force=True)

    def let_go(self) -> None:
        """Hold nothing in its place any more, and seek nothing."""
        self._held = self._aim = None

    def _there(self) -> list[Item]:
        """What is mounted."""
        return self.items[self._mounted.start : self._mounted.stop] + self.items[self._tail :]

    def _tops(self) -> list[int]:
        return tops([item.rows for item in self.items])

    def _hold(self, wanted: range, starts: Sequence[int]) -> None:
        """Choose what keeps its place: what is seen first and stays; at the very top the top does."""
        if self.scroll_y <= 0:
            self._held = None
            return
        seen = within(starts, self.scroll_y, self.scroll_y + self.size.height)
        for n in seen:
            widget = self.items[n].widget
            if widget is not None and (n in wanted or n >= self._tail):
                self._held = (widget, widget.region.y - self.region.y)
                return
        first = seen.start
        if first in wanted:
            self._held = (self.items[first].make(self._signs), starts[first] - self.scroll_y)

    def _change(self, wanted: range) -> None:
        """Have `wanted` between the spacers, and nothing else."""
        self._drop(range(self._mounted.start, min(self._mounted.stop, wanted.start)))
        self._drop(range(max(self._mounted.start, wanted.stop), self._mounted.stop))
        stays = range(max(self._mounted.start, wanted.start), min(self._mounted.stop, wanted.stop))
        if stays:
            self._mount(range(wanted.start, stays.start), self.items[stays.start].widget or self._below)
            self._mount(range(stays.stop, wanted.stop), self._below)
        else:
            self._mount(wanted, self._below)
        self._mounted = wanted
        self._space()

    def _drop(self, numbers: range) -> None:
        for n in numbers:
            self.items[n].measure()
            widget = self.items[n].drop()
            if widget is not None:
                widget.remove()

    def _mount(self, numbers: range, before: Widget) -> None:
        items = [self.items[n] for n in numbers]
        widgets = [item.widget or item.make(self._signs) for item in items]
        if widgets:
            self._fresh += items
            self._conversation.mount_all(widgets, before=before)

    def _space(self) -> None:
        """Let the spacers stand for what is not mounted."""
        self._above.stand_for(self.items[: self._mounted.start])
        self._below.stand_for(self.items[self._mounted.stop : self._tail])

    def _estimate(self, items: Sequence[Item]) -> None:
        width = max(self.size.width - 6, 16)
        for item in items:
            item.estimate(width)

    def on_resize(self, event: Resize) -> None:
        if event.size.width != self._width:
            self._width = event.size.width
            self._estimate([item for item in self.items if item.widget is None])
            self._space()
        self._look_soon()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if new_value <= 0:
            self._held = None  # who goes to the top wants to be there, however high the turns turn out to be
        elif self._held is not None:
            widget, row = self._held
            self._held = (widget, row + old_value - new_value)
        self._look_soon()

    def arrange(self, size: Size, optimal: bool = False) -> DockArrangeResult:
        """Lay the conversation out; while the person has scrolled up, what is held keeps its row.

        It is done here, as Textual does for anchors, so that no frame is drawn in between.
        """
        arranged = super().arrange(size, optimal)
        if self._held is not None and self._anchor_released:
            widget, row = self._held
            for outer in arranged.placements:
                for inner in self._conversation.arrange(outer.region.size).placements:
                    if inner.widget is widget:
                        self._scroll_silently(max(outer.region.y + inner.region.y - row, 0.0))
        return arranged

    def _scroll_silently(self, row: float) -> None:
        """Be at a row in the layout that is being made."""
        if row != self.scroll_y:
            self.set_reactive(Widget.scroll_y, row)
            self.set_reactive(Widget.scroll_target_y, row)
            self.vertical_scrollbar.set_reactive(ScrollBar.position, row)

    # -- what the store knows of past turns --------------------------------------------------------------------------

    def _unread(self) -> TurnItem | None:
        """The latest mounted turn of which the run's view is still to be read."""
        for item in reversed(self._there()):
            if isinstance(item, TurnItem) and not item.read and item.turn.tx and item.turn.number is not None:
                return item
        return None

    def _read_soon(self) -> None:
        if self.read_view is not None and not self._reading and self._unread() is not None:
            self._reading = True
            self.run_worker(self._read(self.read_view), group="past turns", exit_on_error=False)

    async def _read(self, read_view: Callable[[str], Awaitable[View]]) -> None:
        """Say below past answers what is known of their runs, one after the other."""
        try:
            while (item := self._unread()) is not None:
                item.read = True
                turn, exchange = item.turn, item.exchange
                try:
                    view = await read_view(turn.tx)
                except EngineError:
                    continue  # it was pruned: what the session keeps of it is shown
                if exchange is not None and exchange is item.exchange and view.finished:
                    exchange.show(view, turn.number, float(view.t_ms))
        finally:
            self._reading = False
