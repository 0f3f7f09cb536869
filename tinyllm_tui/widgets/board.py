"""The board: the five panes in their frames, arranged by style classes; nothing is ever mounted again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.content import Content
from textual.events import Click
from textual.geometry import Region
from textual.message import Message
from textual.widget import Widget

from engine.view import View
from tinyllm_tui.jump_targets import Target
from tinyllm_tui.sanitize import one_line
from tinyllm_tui.widgets.breakers import BreakersPane, breakers_summary
from tinyllm_tui.widgets.chat.pane import ChatPane
from tinyllm_tui.widgets.chat.prompt import Prompt
from tinyllm_tui.widgets.graph_view import GraphPane, drawn
from tinyllm_tui.widgets.inspector import NodeInspector
from tinyllm_tui.widgets.lines import LineView
from tinyllm_tui.widgets.memory import MemoryPane, memory_summary
from tinyllm_tui.widgets.timeline import TimelinePane
from tinyllm_tui.words import Glyphs, Line, Span

if TYPE_CHECKING:
    from engine.events import BreakerSnapshot
    from tinyllm_tui.graph_watch import Revision

NAMES = ("chat", "graph", "breakers", "memory", "timeline")
"""Panes in the order of their numbers."""
INSPECTOR = 6
"""Number of the inspector, which is beside the panes where there is room and shown on demand."""
_SHORT = ("Chat", "Graph", "Brk", "Mem", "Time")


@dataclass(frozen=True, slots=True)
class Moment:
    """What a board shows: everything in it is a function of this."""

    view: View
    breakers: Mapping[str, BreakerSnapshot]
    number: int | None
    wall_ms: int
    """Now, or the playhead, as Unix time."""
    upcoming: Revision | None = None
    """The graph of the next run; none in a replay."""
    stands: bool = False
    """The run was interrupted, and does not go on yet."""
    whole: View | None = None
    """In a replay: what there is at its end."""

    @property
    def elapsed_ms(self) -> float:
        """Now in the transaction's time: that in which no process worked on it does not count."""
        view = self.view
        if self.stands:
            return float(view.t_ms)
        return max(self.wall_ms - view.started_wall_ms - view.away_ms, 0) if view.started_wall_ms else 0.0


class Frame(Vertical):
    """A quiet border with a title, around one pane."""

    class Titled(Message):
        """The title was clicked; `zoom`: twice."""

        def __init__(self, number: int, *, zoom: bool) -> None:
            super().__init__()
            self.number = number
            self.zoom = zoom

    def __init__(self, number: int, *children: Widget, classes: str = "") -> None:
        name = (*NAMES, "inspector")[number - 1]
        super().__init__(*children, id=f"frame-{name}", classes=f"frame {classes}")
        self.number = number
        self.border_title = Content(f"{number} {name.capitalize()}")

    def on_click(self, event: Click) -> None:
        """A click on the title goes to the pane; a second one zooms it."""
        if event.widget is self and event.y == 0:
            event.stop()
            self.post_message(self.Titled(self.number, zoom=event.chain == 2))

    def summarise(self, words: str) -> None:
        """Say `words` in the lower border."""
        shown = Content(one_line(words, 60)).rstrip() if words else None
        if self._border_subtitle != shown:
            self._border_subtitle = shown  # the public attribute would paint the whole frame anew
            width, height = self.outer_size
            self.refresh(Region(0, height - 1, width, 1).translate(-self.content_offset))


class Tabs(LineView, can_focus=False):
    """The strip of panes where only one fits."""

    class Chosen(Message):
        def __init__(self, number: int) -> None:
            super().__init__()
            self.number = number

    def __init__(self, signs: Glyphs) -> None:
        super().__init__(id="tabs")
        self._signs = signs
        self._current = 1
        self._ends: list[int] = []

    def choose(self, number: int) -> None:
        self._current = number
        self._draw()

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        short = self.size.width < 52
        spans: list[Span] = []
        self._ends = []
        x = 0
        for number, name in enumerate(NAMES, 1):
            label = _SHORT[number - 1] if short else name.capitalize()
            mark = self._signs.prompt if number == self._current else " "
            text = f"{mark}{number} {label}" if short else f" {mark}{number} {label} "
            spans.append((text, "title" if number == self._current else "dim"))
            x += cell_len(text)
            self._ends.append(x)
        line: Line = tuple(spans)
        self.set_lines([line])

    def jump_targets(self, go: Callable[[int], None]) -> Iterator[Target]:
        """All panes, where their names stand."""
        for number, end in enumerate(self._ends, 1):
            if self.display:
                start = self._ends[number - 2] if number > 1 else 0
                region = Region(self.region.x + start, self.region.y, end - start, 1)
                yield Target(region, partial(go, number), str(number))

    def on_click(self, event: Click) -> None:
        number = next((n for n, end in enumerate(self._ends, 1) if event.x < end), None)
        if number is not None:
            self.post_message(self.Chosen(number))


class Board(Container):
    """Panes and how they are arranged. `prompt`: whether questions can be asked here."""

    def __init__(self, signs: Glyphs, *, ascii_only: bool, prompt: bool) -> None:
        super().__init__(id="board")
        self.signs = signs
        self.current = 1
        self.chat = ChatPane(id="chat", signs=signs, welcomes=prompt)
        self.graph = GraphPane(id="graph", ascii_only=ascii_only)
        self.breakers = BreakersPane(id="breakers", by_hand=prompt)
        self.memory = MemoryPane(id="memory")
        self.timeline = TimelinePane(id="timeline")
        self.inspector = NodeInspector(id="inspector", signs=signs)
        self._node = ""
        """What was selected last, in whichever pane."""
        self.prompt = Prompt(id="prompt", placeholder="Ask a question") if prompt else None
        self._panes: tuple[Widget, ...] = (
            self.chat, self.graph, self.breakers, self.memory, self.timeline, self.inspector,
        )  # fmt: skip
        self._frames = [
            Frame(
                n,
                pane,
                *((self.chat.bar,) if pane is self.chat else ()),
                classes="-minor" if pane in (self.breakers, self.memory) else "-major",
            )
            for n, pane in enumerate(self._panes, 1)
        ]

    def compose(self) -> ComposeResult:
        chat, graph, breakers, memory, timeline, inspector = self._frames
        with Vertical(id="column-chat", classes="column"):
            yield chat
            if self.prompt is not None:
                with Container(id="prompt-frame"):
                    yield self.prompt
        with Vertical(id="column-middle", classes="column"):
            yield graph
            yield breakers
        with Vertical(id="column-right", classes="column"):
            yield memory
            yield timeline
            yield inspector

    def on_mount(self) -> None:
        self.choose(1)

    def pane(self, number: int) -> Widget:
        return self._panes[number - 1]

    def choose(self, number: int) -> None:
        """Make a pane the current one: the one that is shown where there is room for one."""
        self.current = number
        for frame in self._frames:
            frame.set_class(frame.number == number, "-current")
        for column in self.query(".column"):
            frames = column.query(Frame)
            column.set_class(any(f.number == number for f in frames), "-current")
            column.set_class(number not in (f.number for f in frames) or number == INSPECTOR, "-shared")
            column.set_class(any(f.number == number and f.has_class("-minor") for f in frames), "-minor-current")

    def select_node(self, path: str, by: Widget | None) -> None:
        """Take up what was selected in a pane, in all others."""
        self._node = path
        for pane in (self.graph, self.timeline):
            if pane is not by:
                pane.select_node(path)

    def inspected(self, moment: Moment) -> str:
        """Path of the node that the inspector shows: the selected one, else the one that began last or answered."""
        view = drawn(moment.view, moment.upcoming)
        if self._node and _has(view, self._node):
            return self._node
        return view.answered_by if view.finished and view.answered_by else self.graph.latest

    def _inspect(self, moment: Moment, frame: Frame) -> None:
        path, view = self.inspected(moment), drawn(moment.view, moment.upcoming)
        breakers = moment.breakers if view is moment.view else view.breakers
        self.inspector.show(view, path, moment.elapsed_ms, breakers)
        title = _beside(path)
        if str(frame.border_title or "") != title.plain:
            frame.border_title = title

    def show(self, moment: Moment, *, conversation: bool) -> None:
        """Bring the panes up to `moment`; `conversation`: the chat too (a replay's)."""
        view = moment.view
        self.graph.show(view, moment.elapsed_ms, self.signs, moment.upcoming)
        self.breakers.show(moment.breakers, moment.wall_ms, self.signs, _graph_id(moment))
        self.memory.show(view.memory, self.signs)
        self.timeline.show(view, self.signs, moment.elapsed_ms, moment.whole)
        if conversation:
            self.chat.show(view, moment.number, moment.elapsed_ms)
        _, graph, breakers, memory, timeline, inspector = self._frames
        if inspector.display:
            self._inspect(moment, inspector)
        graph.summarise(_graph_summary(view))
        breakers.summarise(breakers_summary(moment.breakers))
        memory.summarise(memory_summary(view.memory))
        timeline.summarise(f"{len(view.timeline)} entries" if view.timeline else "")


def _beside(path: str) -> Content:
    """Title of the inspector's frame."""
    return Content(f"{INSPECTOR} Inspector {one_line(path, 60)}".rstrip())


def _graph_id(moment: Moment) -> str:
    """Id of the graph that is drawn; empty where none is."""
    view = drawn(moment.view, moment.upcoming)
    return str(view.graph.get("id", ""))


def _graph_summary(view: View) -> str:
    parts = []
    if view.retries:
        parts.append(f"{view.retries} {'retry' if view.retries == 1 else 'retries'}")
    if view.checkpoints:
        parts.append(f"{view.checkpoints} checkpoint{'s' if view.checkpoints != 1 else ''}")
    return ", ".join(parts)


def _has(view: View, node: str) -> bool:
    """Whether a node ran, or could."""
    from tinyllm_tui.widgets.node_lines import spec_of

    return node in view.nodes or bool(spec_of(view.graph, node))
