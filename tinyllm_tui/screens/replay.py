"""Replay: the same panes, from the store, at a playhead. No model is called."""

from __future__ import annotations

import time
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.timer import Timer
from textual.widgets import Footer, Input

from engine.events import Event
from engine.store.rows import TransactionRow
from engine.view import fold
from tinyllm_tui.keymap import bindings
from tinyllm_tui.pump import FRAME
from tinyllm_tui.row_words import origin_words
from tinyllm_tui.screens.board_screen import BoardScreen
from tinyllm_tui.screens.playhead import Playhead
from tinyllm_tui.widgets.board import Board, Moment, Tabs
from tinyllm_tui.widgets.lines import LineView
from tinyllm_tui.widgets.timeline import TimelinePane
from tinyllm_tui.words import Glyphs, Line, duration

_BAR = 60
"""Columns of the banner without where the run comes from."""


def _position(events: list[Event], at: int) -> int:
    """How many events there are up to the transaction's step `at`."""
    return next((n for n, event in enumerate(events, 1) if event.tx is not None and event.seq >= at), len(events))


def replay_line(
    row: TransactionRow, playhead: Playhead, *, playing: bool, live: str, width: int, signs: Glyphs
) -> Line:
    """The banner: which transaction and where it comes from, which event, which moment, how far; and whether a live run
    goes on meanwhile."""
    sign = signs.play if playing else signs.back
    head = f" {sign} REPLAY #{row.number} "
    origin = origin_words(row)
    origin = f"{signs.dot} {origin} " if origin and len(origin) <= width - _BAR else ""
    where = f"{signs.dot} {playhead.position}/{len(playhead)} {signs.dot} +{playhead.t_ms / 1000:.1f}s "
    badge = f" {live} " if live else ""
    total = f" {duration(playhead.duration_ms)} "
    room = width - len(head) - len(origin) - len(where) - len(badge) - len(total)
    done = round(room * playhead.position / len(playhead)) if len(playhead) and room > 0 else 0
    bar = (("━" if signs.bar == "│" else "=") * done, ("─" if signs.bar == "│" else "-") * max(room - done, 0))
    return (
        (head, "title"),
        (origin, "accent"),
        (where, "strong"),
        (bar[0], "accent"),
        (bar[1], "faint"),
        (total, "dim"),
        (badge, "running"),
    )


class ReplayBar(LineView, can_focus=False):
    """The banner of a replay."""


class ReplayScreen(BoardScreen):
    """Steps through one transaction.

    Args:
        row: the transaction.
        events: all of its span, in order.
        at: sequence number of the step that is shown first; default: its end.
    """

    BINDINGS: ClassVar[list[BindingType]] = list(
        bindings("replay", "panes", "everywhere", without=("chat.prompt", "chat.prompt_too", "chat.fork"))
    )

    def __init__(self, row: TransactionRow, events: list[Event], at: int | None = None) -> None:
        super().__init__()
        self._row = row
        self._events = events
        self._first = len(events) if at is None else _position(events, at)
        self.playhead = Playhead(events)
        self._whole = fold(events)
        self._timer: Timer | None = None
        self._played_at = 0.0

    def compose(self) -> ComposeResult:
        app = self.cockpit
        self.board = Board(app.signs, ascii_only=app.ascii_only, prompt=False)
        self.board.chat.origin = origin_words(self._row)
        yield ReplayBar(id="replay-bar")
        yield Input(id="go-to", placeholder="event (31), share (50%) or time (2.4s)", compact=True)
        yield Tabs()
        yield self.board
        yield Footer()

    def on_mount(self) -> None:
        self.set_interval(FRAME, self._watch_live)
        self.playhead.seek(self._first)
        self.board.choose(1)
        self.set_focus(self.board.chat)
        self.call_after_refresh(self.draw)

    def on_resize(self) -> None:
        self.call_after_refresh(self.draw)

    def moment(self) -> Moment:
        view = self.playhead.view
        return Moment(view, view.breakers, self._row.number, self.playhead.wall_ms, whole=self._whole)

    def draw(self) -> None:
        """Bring everything up to the playhead."""
        view = self.playhead.view
        with self.app.batch_update():
            if view.status == "created":
                self.board.chat.forget()
            self.board.show(self.moment(), conversation=True)
            self._draw_bar()

    def _draw_bar(self) -> None:
        playhead, signs = self.playhead, self.cockpit.signs
        row, playing, live = self._row, self._timer is not None, self._live_badge()
        self.query_one(ReplayBar).make_lines(
            lambda width: [replay_line(row, playhead, playing=playing, live=live, width=width, signs=signs)]
        )

    def _live_badge(self) -> str:
        """What the live run does meanwhile; empty where none goes on."""
        app = self.cockpit
        if not app.conversation.busy:
            return ""
        if app.approvals.pending:
            return f"{app.signs.nodes['waiting']} the live run asks you"
        return f"{app.signs.breakers['closed']} live run"

    def _watch_live(self) -> None:
        self._draw_bar()

    # -- actions -----------------------------------------------------------------------------------------------------

    def action_step(self, by: int) -> None:
        self._stop()
        self.playhead.step(by)
        self.draw()

    def action_node(self, direction: int) -> None:
        self._stop()
        self.playhead.node(direction)
        self.draw()

    def action_edge(self, end: int) -> None:
        self._stop()
        self.playhead.seek(len(self.playhead) if end else 0)
        self.draw()

    def action_play(self) -> None:
        if self._timer is not None:
            self._stop()
            self.draw()
            return
        if self.playhead.ended:
            self.playhead.seek(0)
        self._played_at = time.monotonic()
        self._timer = self.set_interval(FRAME, self._play)
        self.draw()

    def _play(self) -> None:
        now = time.monotonic()
        self.playhead.advance((now - self._played_at) * 1000)
        self._played_at = now
        if self.playhead.ended:
            self._stop()
        self.draw()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None

    def on_timeline_pane_seek_to(self, event: TimelinePane.SeekTo) -> None:
        """To the moment that was pointed at in the lanes."""
        self._stop()
        self.playhead.at_time(event.at)
        self.draw()

    def action_go(self) -> None:
        field = self.query_one("#go-to", Input)
        field.add_class("-shown")
        field.value = ""
        self.call_after_refresh(field.focus)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if self.playhead.go(event.value):
            self._stop()
            self.draw()
        else:
            self.notify("Write an event (31), a share (50%) or a time (2.4s).", severity="warning")
        self._hide_field()

    def _hide_field(self) -> None:
        self.query_one("#go-to", Input).remove_class("-shown")
        self.set_focus(self.board.pane(self.board.current))

    def action_fork(self) -> None:
        """Go on from what is shown, as a new run."""
        self._stop()
        shared = self._events[: self.playhead.position]
        at = max((event.seq for event in shared if event.tx is not None), default=1)
        self.cockpit.offers.fork(self._events, at)

    def action_parent(self) -> None:
        """Replay the run of which this is a fork."""
        self._stop()
        self.cockpit.past.open_parent_of(self._row.tx)

    def action_leave(self) -> None:
        if self.query_one("#go-to", Input).has_class("-shown"):
            self._hide_field()
        elif self.has_class("-zoomed"):
            self.remove_class("-zoomed")
        else:
            self._stop()
            self.app.pop_screen()
