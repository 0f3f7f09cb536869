"""Two runs beside each other: facts, graphs at a shared playhead, and answers with what differs in them marked."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, cast

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.content import Content
from textual.events import DescendantFocus
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input

from engine.events import Event
from engine.store.rows import TransactionRow
from engine.view import View, fold
from tinyllm_tui.comparison import compared, differing
from tinyllm_tui.keymap import bindings
from tinyllm_tui.live import FRAME
from tinyllm_tui.sanitize import one_line
from tinyllm_tui.screens.hit_test import SafeScreen
from tinyllm_tui.screens.replay_banner import NORMAL, SPEEDS, speed_words
from tinyllm_tui.screens.shared_playhead import SharedPlayhead
from tinyllm_tui.widgets.board import Moment
from tinyllm_tui.widgets.compare_lines import answer_lines, fact_lines
from tinyllm_tui.widgets.footer import Footer
from tinyllm_tui.widgets.graph_view import GraphPane
from tinyllm_tui.widgets.lines import LineView
from tinyllm_tui.widgets.scrub_bar import ScrubBar, Stop
from tinyllm_tui.widgets.selection import NodeSelected
from tinyllm_tui.word_diff import WordDiff, word_diff
from tinyllm_tui.words import Glyphs, Line, Span, answer_attempt

if TYPE_CHECKING:
    from tinyllm_tui.app import CockpitApp

PARTS = ("facts", "graphs", "answers")


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two runs."""

    row: TransactionRow
    events: list[Event]


def compare_line(names: tuple[str, str], head: SharedPlayhead, *, playing: bool, speed: float, width: int,
                 signs: Glyphs) -> Line:  # fmt: skip
    """The banner: which two, how far both are, and by which measure."""
    spans: list[Span] = [
        (f" {signs.play if playing else signs.marks['differs']} COMPARE {names[0]} {names[1]} ", "title")
    ]
    times = " | ".join(f"+{each.t_ms / 1000:.1f}s" for each in head.heads)
    room = width - cell_len(spans[0][0])
    for words, tone in (
        (f"{signs.dot} {head.share:.0%} ", "strong"),
        (f"{signs.dot} {times} ", "strong"),
        (f"{signs.dot} by {head.by} ", "dim"),
        (f"{signs.dot} {speed_words(speed)} ", "dim"),
    ):
        if cell_len(words) <= room:
            spans.append((words, tone))  # type: ignore[arg-type]  # both are tones
            room -= cell_len(words)
    return (*spans, (" " * max(room, 0), "text"))


class CompareScreen(SafeScreen):
    """Shows two runs until it is left; nothing here changes either of them.

    Args:
        one: the first, on the left.
        other: the second.
    """

    CSS_PATH = "compare.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (64, "-medium")]  # noqa: RUF012 - as Textual's base class has it
    VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-tall"), (48, "-high")]  # noqa: RUF012
    AUTO_FOCUS = "#answer-one"
    BINDINGS: ClassVar[list[BindingType]] = list(bindings("compare", "everywhere"))

    def __init__(self, one: Side, other: Side) -> None:
        super().__init__()
        self._sides = (one, other)
        self._names = (f"#{one.row.number}", f"#{other.row.number}")
        self._head = SharedPlayhead(one.events, other.events)
        self._whole = (fold(one.events), fold(other.events))
        self._facts = compared((one.row, self._whole[0]), (other.row, self._whole[1]))
        self._diff: WordDiff = word_diff(self._whole[0].answer, self._whole[1].answer)
        self._timer: Timer | None = None
        self._played_at = 0.0
        self._pace = NORMAL

    @property
    def cockpit(self) -> CockpitApp:
        return cast("CockpitApp", self.app)

    def compose(self) -> ComposeResult:
        plain = self.cockpit.ascii_only
        one, two = (GraphPane(id=f"graph-{name}", ascii_only=plain, whole=True) for name in ("one", "two"))
        self._graphs = (one, two)
        self._answers = (LineView(id="answer-one"), LineView(id="answer-two"))
        yield LineView(id="compare-bar")
        yield ScrubBar(id="scrub-bar")
        yield Input(id="go-to", placeholder="share (50%) or time (2.4s)", compact=True)
        differ = len(differing(self._facts))
        with Container(id="part-facts", classes="part"):
            yield _side(f"1 Facts, {differ} of {len(self._facts)} differ", LineView(id="facts"))
        with Container(id="part-graphs", classes="part"):
            for name, pane in zip(self._names, self._graphs, strict=True):
                yield _side(f"2 Graph {name}", pane)
        with Container(id="part-answers", classes="part -current"):
            for name, answer, view in zip(self._names, self._answers, self._whole, strict=True):
                attempt = answer_attempt(view)
                by = f" {view.answer_model or (attempt.model if attempt else '')}".rstrip()
                yield _side(f"3 Answer {name}{by}", answer)
        yield Footer()

    def on_mount(self) -> None:
        self.query_one("#compare-bar").can_focus = False
        self._head.to_end()
        self.call_after_refresh(self.draw)

    def on_resize(self) -> None:
        self.call_after_refresh(self.draw)

    # -- drawing -----------------------------------------------------------------------------------------------------

    def draw(self) -> None:
        """Bring both up to the playhead."""
        signs, head = self.cockpit.signs, self._head
        with self.app.batch_update():
            self.query_one("#facts", LineView).make_lines(
                lambda width: fact_lines(self._facts, self._names, width, signs)
            )
            diff = self._diff if head.ended else None
            for number, (pane, answer, each) in enumerate(zip(self._graphs, self._answers, head.heads, strict=True)):
                pane.show(each.view, each.t_ms, signs)
                self._draw_answer(answer, each.view, diff, first=number == 0)
            self._draw_bar()

    def _draw_answer(self, pane: LineView, view: View, diff: WordDiff | None, *, first: bool) -> None:
        pane.make_lines(lambda width: answer_lines(view.answer, diff, first=first, width=width))

    def _draw_bar(self) -> None:
        signs, head, names = self.cockpit.signs, self._head, self._names
        playing, speed = self._timer is not None, SPEEDS[self._pace]
        self.query_one("#compare-bar", LineView).make_lines(
            lambda width: [compare_line(names, head, playing=playing, speed=speed, width=width, signs=signs)]
        )
        self.query_one(ScrubBar).show(head.position, len(head), self._stops(), signs)

    def _stops(self) -> list[Stop]:
        """Where either went wrong."""
        return [Stop(self._head.position_at(each, position), "error") for each in self._head.heads
                for position in each.errors]  # fmt: skip

    def moment_of(self, side: int) -> Moment:
        """What one of the two shows now."""
        head, row = self._head.heads[side], self._sides[side].row
        return Moment(head.view, head.view.breakers, row.number, head.wall_ms, whole=self._whole[side])

    # -- moving ------------------------------------------------------------------------------------------------------

    def action_step(self, by: int) -> None:
        self._stop()
        self._head.step(by)
        self.draw()

    def action_edge(self, end: int) -> None:
        self._stop()
        if end:
            self._head.to_end()
        else:
            self._head.to_start()
        self.draw()

    def action_measure(self) -> None:
        """Go by the same time in both, or by the same share of each."""
        self._head.measure("share" if self._head.by == "time" else "time")
        self.draw()

    def action_speed(self, by: int) -> None:
        self._pace = min(max(self._pace + by, 0), len(SPEEDS) - 1)
        self._draw_bar()

    def action_play(self) -> None:
        if self._timer is not None:
            self._stop()
        else:
            if self._head.ended:
                self._head.to_start()
            self._played_at = time.monotonic()
            self._timer = self.set_interval(FRAME, self._play)
        self.draw()

    def _play(self) -> None:
        now = time.monotonic()
        self._head.advance((now - self._played_at) * 1000 * SPEEDS[self._pace])
        self._played_at = now
        if self._head.ended:
            self._stop()
        self.draw()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None

    def on_scrub_bar_seek_to(self, event: ScrubBar.SeekTo) -> None:
        self._stop()
        self._head.to_position(event.position)
        self.draw()

    def action_go(self) -> None:
        field = self.query_one("#go-to", Input)
        field.add_class("-shown")
        field.value = ""
        self.call_after_refresh(field.focus)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if self._head.go(event.value):
            self._stop()
            self.draw()
        else:
            self.notify("Write a share (50%) or a time (2.4s).", severity="warning")
        self._hide_field()

    def _hide_field(self) -> None:
        self.query_one("#go-to", Input).remove_class("-shown")
        self.action_part(PARTS.index(self._part) + 1)

    # -- parts -------------------------------------------------------------------------------------------------------

    @property
    def _part(self) -> str:
        return next(name for name in PARTS if self.query_one(f"#part-{name}").has_class("-current"))

    @property
    def _stops_of_focus(self) -> list[Widget]:
        return [self.query_one("#facts"), *self._graphs, *self._answers]

    def _choose(self, part: str) -> None:
        for name in PARTS:
            self.query_one(f"#part-{name}").set_class(name == part, "-current")

    def action_part(self, number: int) -> None:
        """Go to the facts, the graphs or the answers."""
        self._choose(PARTS[number - 1])
        first = (self.query_one("#facts"), self._graphs[0], self._answers[0])[number - 1]
        self.call_after_refresh(self.set_focus, first)

    def action_next_part(self, step: int) -> None:
        """The next pane, or the one before."""
        panes = self._stops_of_focus
        here = panes.index(self.focused) if self.focused in panes else 0
        pane = panes[(here + step) % len(panes)]
        self._choose(next(name for name in PARTS if pane in self.query_one(f"#part-{name}").query("*")))
        self.call_after_refresh(self.set_focus, pane)

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        """The part that has the focus is the one that is shown where there is room for one."""
        for name in PARTS:
            if event.widget in self.query_one(f"#part-{name}").query("*"):
                self._choose(name)

    def action_zoom(self) -> None:
        self.toggle_class("-alone")

    # -- looking closer, leaving -------------------------------------------------------------------------------------

    @property
    def _side(self) -> int:
        """The run whose pane has the focus."""
        return int(self.focused in (self._graphs[1], self._answers[1]))

    def on_node_selected(self, event: NodeSelected) -> None:
        """Both graphs show the same selection."""
        for pane in self._graphs:
            if pane is not event.by:
                pane.select_node(event.path)

    def on_graph_pane_node_opened(self, event: GraphPane.NodeOpened) -> None:
        from tinyllm_tui.screens.node_details import NodeScreen

        side = self._side
        self.app.push_screen(NodeScreen(event.path, lambda: self.moment_of(side), self.cockpit.signs))

    def action_replay(self) -> None:
        """Replay the run whose pane has the focus."""
        self._stop()
        self.cockpit.past.open(self._sides[self._side].row.tx)

    def action_leave(self) -> None:
        if self.query_one("#go-to", Input).has_class("-shown"):
            self._hide_field()
        elif self.has_class("-alone"):
            self.remove_class("-alone")
        else:
            self._stop()
            self.dismiss()


def _side(title: str, pane: Widget) -> Container:
    frame = Container(pane, classes="side")
    frame.border_title = Content(one_line(title, 80))
    return frame
