"""Replay: the same panes, from the store or a file, at a playhead. No model is called."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.events import Resize
from textual.timer import Timer
from textual.widgets import Input, TextArea

from engine.errors import EngineError
from engine.events import Event
from engine.store.rows import TransactionRow
from engine.view import fold
from tinyllm_tui.bookmarks import Place, place_of, position_of
from tinyllm_tui.keymap import bindings
from tinyllm_tui.live import FRAME
from tinyllm_tui.row_words import origin_words
from tinyllm_tui.sanitize import one_line
from tinyllm_tui.screens.board_screen import BoardScreen
from tinyllm_tui.screens.playhead import Playhead
from tinyllm_tui.screens.replay_banner import NORMAL, SPEEDS, replay_line, speed_words
from tinyllm_tui.screens.stops import end_stop
from tinyllm_tui.state_diff import state_diff
from tinyllm_tui.widgets.board import Board, Moment, Tabs
from tinyllm_tui.widgets.breakers import LIMITS
from tinyllm_tui.widgets.footer import Footer
from tinyllm_tui.widgets.lines import LineView
from tinyllm_tui.widgets.scrub_bar import ScrubBar, Stop
from tinyllm_tui.widgets.state_diff_lines import ChangesPanel, diff_lines
from tinyllm_tui.widgets.timeline import TimelinePane


def _position(events: list[Event], at: int) -> int:
    """How many events there are up to the transaction's step `at`."""
    return next((n for n, event in enumerate(events, 1) if event.tx is not None and event.seq >= at), len(events))


class ReplayBar(LineView, can_focus=False):
    """The banner of a replay."""


class ReplayScreen(BoardScreen):
    """Steps through one transaction.

    Args:
        row: the transaction.
        events: all of its span, in order.
        at: sequence number of the step that is shown first; default: its end.
        file: name of the file that it was read from; empty for one of the database.
    """

    BINDINGS: ClassVar[list[BindingType]] = list(
        bindings("replay", "panes", "everywhere", without=("chat.prompt", "chat.prompt_too", "chat.fork"))
    )

    def __init__(self, row: TransactionRow, events: list[Event], at: int | None = None, *, file: str = "") -> None:
        super().__init__()
        self._row = row
        self._events = events
        self._file = file
        self._first = len(events) if at is None else _position(events, at)
        self.playhead = Playhead(events)
        self._whole = fold(events)
        self._end = end_stop(events)
        self._timer: Timer | None = None
        self._played_at = 0.0
        self._pace = NORMAL
        self._wanted: int | None = None
        """Where the scrubber was drawn to, and the panes are not yet."""
        self._marked: tuple[Sequence[Place], list[int]] = ((), [])
        """Bookmarks, and their positions."""
        self._drawn: tuple[object, ...] = ()

    def compose(self) -> ComposeResult:
        self.take_size()
        app = self.cockpit
        self.board = Board(app.signs, ascii_only=app.ascii_only, prompt=False)
        self.board.breakers.limits = app.breaker_limits or LIMITS
        self.board.chat.origin = origin_words(self._row)
        yield ReplayBar(id="replay-bar")
        yield ScrubBar(id="scrub-bar")
        yield Input(id="go-to", placeholder="event (31), share (50%) or time (2.4s)", compact=True)
        yield Tabs(app.signs)
        yield self.board
        yield ChangesPanel(id="state-diff")
        yield Footer()

    def on_mount(self) -> None:
        self.set_interval(FRAME, self._watch_live)
        self.playhead.seek(self._first)
        self.board.choose(1)
        self.set_focus(self.board.chat)
        self.call_after_refresh(self.draw)
        self.run_worker(self._read_bookmarks(), group="bookmarks", exit_on_error=False)

    def on_resize(self, _event: Resize) -> None:
        self.call_after_refresh(self.draw)

    def footer_words(self, action: str, words: str) -> str:
        """As on every board; Esc and Space are named after what they do now."""
        if action == "leave":
            field = self.query_one("#go-to", Input)
            return "back" if field.has_class("-shown") else "all panes" if self.has_class("-zoomed") else words
        if action == "play":
            return "stop" if self._timer is not None else words
        if action == "parent":
            return words if self._row.parent is not None else ""
        return super().footer_words(action, words)

    def moment(self) -> Moment:
        view = self.playhead.view
        return Moment(view, view.breakers, self._row.number, self.playhead.wall_ms, whole=self._whole)

    # -- drawing -----------------------------------------------------------------------------------------------------

    def draw(self) -> None:
        """Bring everything up to the playhead."""
        view = self.playhead.view
        with self.app.batch_update():
            if view.status == "created":
                self.board.chat.forget()
            self.board.show(self.moment(), conversation=True)
            self._draw_bar()
            self._draw_diff()

    def _draw_bar(self) -> None:
        playhead, signs = self.playhead, self.cockpit.signs
        row, playing, live, speed = self._row, self._timer is not None, self._live_badge(), SPEEDS[self._pace]
        self.query_one(ReplayBar).make_lines(
            lambda width: [
                replay_line(
                    row, playhead, playing=playing, speed=speed, live=live, width=width, signs=signs, file=self._file
                )
            ]
        )
        drawn = (playhead.position, self._bookmarks)
        if drawn != self._drawn:
            self._drawn = drawn
            self.query_one(ScrubBar).show(playhead.position, len(playhead), self._stops(), signs)

    def _stops(self) -> list[Stop]:
        """What the scrubber marks."""
        stops = [Stop(position, "error") for position in self.playhead.errors]
        stops += [Stop(position, "bookmark") for position in self._bookmarks]
        if self._end is not None:
            stops.append(Stop(self._end[0], "commit" if self._end[1] == "commit" else "rollback"))
        return stops

    def _draw_diff(self) -> None:
        """What the latest step changed, where that is wanted."""
        if not self.has_class("-diff"):
            return
        playhead, signs = self.playhead, self.cockpit.signs
        event = self._events[playhead.position - 1] if playhead.position else None
        changes = state_diff(playhead.before(), playhead.view)
        panel = self.query_one(ChangesPanel)
        panel.make_lines(lambda width: diff_lines(event, changes, width, signs))
        panel.scroll_home(animate=False)

    def _live_badge(self) -> str:
        """What the live run does meanwhile; empty where none goes on."""
        app = self.cockpit
        if not app.conversation.busy:
            return ""
        if app.approvals.pending:
            return f"{app.signs.nodes['waiting']} the live run asks you"
        return f"{app.signs.breakers['closed']} live: answering"

    def _watch_live(self) -> None:
        self._draw_bar()

    # -- moving ------------------------------------------------------------------------------------------------------

    def action_step(self, by: int) -> None:
        self._stop()
        self.playhead.step(by)
        self.draw()

    def action_node(self, direction: int) -> None:
        self._stop()
        self.playhead.node(direction)
        self.draw()

    def action_error(self, direction: int) -> None:
        """To the next or previous failure, retry or opened breaker."""
        self._go_to_stop(self.playhead.errors, direction, "goes wrong", "went wrong")

    def action_bookmark(self, direction: int) -> None:
        """To the next or previous bookmark."""
        self._go_to_stop(self._bookmarks, direction, "is marked", "is marked")

    def _go_to_stop(self, stops: list[int], direction: int, after: str, before: str) -> None:
        self._stop()
        if self.playhead.stop(stops, direction):
            self.draw()
        else:
            self.notify(f"Nothing {after} after this." if direction > 0 else f"Nothing {before} before this.")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Home and End move the playhead whichever pane has the focus, but in a text they are the text's."""
        if action == "edge" and isinstance(self.focused, Input | TextArea):
            return False
        return super().check_action(action, parameters)

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
        self.refresh_bindings()
        self.draw()

    def _play(self) -> None:
        now = time.monotonic()
        self.playhead.advance((now - self._played_at) * 1000 * SPEEDS[self._pace])
        self._played_at = now
        if self.playhead.ended:
            self._stop()
        self.draw()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
            self.refresh_bindings()

    def action_speed(self, by: int) -> None:
        """Play faster (1) or slower (-1)."""
        self._pace = min(max(self._pace + by, 0), len(SPEEDS) - 1)
        self.notify(f"Plays at {speed_words(SPEEDS[self._pace])}.", timeout=1)
        self._draw_bar()

    def on_timeline_pane_seek_to(self, event: TimelinePane.SeekTo) -> None:
        """To the moment that was pointed at in the lanes."""
        self._stop()
        self.playhead.at_time(event.at)
        self.draw()

    def on_scrub_bar_seek_to(self, event: ScrubBar.SeekTo) -> None:
        """To where the scrubber is drawn; the panes follow once for all moves of the mouse between two drawings."""
        self._stop()
        if self._wanted is None:
            self.call_after_refresh(self._follow_scrubber)
        self._wanted = event.position

    def _follow_scrubber(self) -> None:
        if self._wanted is not None:
            self.playhead.seek(self._wanted)
            self._wanted = None
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

    # -- bookmarks ---------------------------------------------------------------------------------------------------

    @property
    def _bookmarks(self) -> list[int]:
        """Positions that are marked, in order."""
        places = self.cockpit.bookmarks.of(self._row.tx)
        if places != self._marked[0]:
            self._marked = places, sorted({position_of(self._events, place) for place in places})
        return self._marked[1]

    async def _read_bookmarks(self) -> None:
        try:
            await self.cockpit.bookmarks.read()
        except EngineError as error:
            self._refuse(error)
        self._draw_bar()

    def action_mark(self) -> None:
        """Set a bookmark here, or remove the one that is here."""
        place = place_of(self._events, self.playhead.position)
        self.run_worker(self._mark(place, self.playhead.position), group="bookmarks", exit_on_error=False)

    async def _mark(self, place: Place, position: int) -> None:
        try:
            there = await self.cockpit.bookmarks.toggle(self._row.tx, place)
        except EngineError as error:
            self._refuse(error)
            return
        sign = self.cockpit.signs.marks["bookmark"]
        self.notify(f"{sign} event {position} is {'marked' if there else 'not marked any more'}.", timeout=2)
        self._draw_bar()

    def _refuse(self, error: EngineError) -> None:
        self.notify(one_line(f"{error.message} {error.remedy}", 600), severity="error", markup=False)

    # -- looking closer, going on, leaving ---------------------------------------------------------------------------

    def action_diff(self) -> None:
        """Show what each step changes, or not any more."""
        self.toggle_class("-diff")
        self.board.graph.steady = self.has_class("-diff")
        self._draw_diff()

    def action_inspect(self) -> None:
        """What the selected node did, or the one to which something happened last."""
        view = self.playhead.view
        latest = next((entry.node for entry in reversed(view.timeline) if entry.node in view.nodes), "")
        path = self.board.graph.selected or self.board.timeline.selected or latest
        if path:
            self.inspect(path)
        else:
            self.notify("No node has started yet.", severity="warning")

    def action_fork(self) -> None:
        """Go on from what is shown, as a new run."""
        self._stop()
        if self._file:
            words = f"It was read from a file. To fork it, quit and import it: tinyllm-tui tx import {self._file}"
            self.notify(one_line(words, 300), severity="warning", markup=False)
            return
        shared = self._events[: self.playhead.position]
        at = max((event.seq for event in shared if event.tx is not None), default=1)
        self.cockpit.offers.fork(self._events, at)

    def action_parent(self) -> None:
        """Replay the run of which this is a fork."""
        self._stop()
        if self._file:
            self.notify("It was read from a file: the run of which it is a fork is not in it.", severity="warning")
        else:
            self.cockpit.past.open_parent_of(self._row.tx)

    def action_compare(self) -> None:
        """Beside the run of which this is a fork, or one that is chosen."""
        self._stop()
        if self._file:
            words = f"It was read from a file. To compare it, quit and import it: tinyllm-tui tx import {self._file}"
            self.notify(one_line(words, 300), severity="warning", markup=False)
        elif not self.cockpit.comparing.with_parent(self._row):
            self.cockpit.comparing.choose(self._row.tx)

    def action_export_run(self) -> None:
        """Write this run to a file."""
        self._stop()
        if self._file:
            self.cockpit.exports.offer_read(self._row, self._events)
        else:
            self.cockpit.exports.offer(self._row.tx)

    def action_leave(self) -> None:
        if self.query_one("#go-to", Input).has_class("-shown"):
            self._hide_field()
        elif self.has_class("-zoomed"):
            self.action_zoom()
        else:
            self._stop()
            self.dismiss()
