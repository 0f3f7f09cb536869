"""The graph pane: a layout that is made once, whose cells are coloured by what the run does."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

from textual.binding import BindingType
from textual.events import Click
from textual.geometry import Region, Size
from textual.message import Message
from textual.strip import Strip

from engine.view import NodeView, View
from tinyllm_tui.graph_canvas import Direction, Run, Slot
from tinyllm_tui.graph_layout import Drawing, GraphShape, Metrics, Style, layout, shape_of, short_name
from tinyllm_tui.keymap import bindings
from tinyllm_tui.node_paths import leaf, outer_node
from tinyllm_tui.widgets.lines import LineView
from tinyllm_tui.words import NODE_TONES, UNICODE, Glyphs, Span, Tone, cut, node_detail

if TYPE_CHECKING:
    from tinyllm_tui.graph_watch import Revision

_VARIANTS = (
    Metrics(boxed=True, detail=12, gap=3),
    Metrics(boxed=True, detail=9, gap=2),
    Metrics(boxed=True, detail=6, gap=2),
    Metrics(boxed=True, detail=4, gap=2),
    Metrics(boxed=False, detail=9, gap=2),
    Metrics(boxed=False, detail=0, gap=2),
    Metrics(boxed=False, detail=0, gap=1),
)
"""From roomy to tight; the first that fits the pane is taken, else the last, scrolled."""


@lru_cache(maxsize=16)
def drawings(shape: GraphShape, ascii_only: bool) -> tuple[tuple[Metrics, Drawing], ...]:
    """Every variant of a graph; cached, because only colours change while it runs."""
    style = Style.of(ascii_only)
    return tuple((metrics, layout(shape, metrics, style)) for metrics in _VARIANTS)


@dataclass(frozen=True, slots=True)
class Lit:
    """What colours the drawing: the part of a view that the graph shows."""

    nodes: Mapping[str, tuple[str, Tone, str]]
    """Node -> (sign, tone, detail)."""
    taken: frozenset[tuple[str, str]]
    """Edges that a message went along."""


NOTHING = Lit({}, frozenset())


def lit(view: View, now_ms: float, signs: Glyphs, shape: GraphShape | None = None) -> Lit:
    """What the graph shows of `view`; `now_ms` is in the transaction's time, `shape` says what runs inside others.

    A node inside which others run says which of them runs; one that is drawn and runs inside another has its state.
    """
    nodes: dict[str, tuple[str, Tone, str]] = {}
    visited: set[str] = set()
    for path, node in view.nodes.items():
        shown = (signs.nodes[node.shown], NODE_TONES[node.shown], _detail(node, now_ms))
        nodes[node.drawn or path] = nodes[path] = shown
        if node.drawn and node.visits:
            visited.add(node.drawn)
        outer = outer_node(path)
        if outer != path and node.state == "running" and outer in nodes:
            nodes[outer] = (*nodes[outer][:2], f"{leaf(path)} {shown[2]}")
    taken = {key for key, edge in view.edges.items() if edge.taken}
    taken |= {edge for edge, inside in shape.inner if inside in visited} if shape is not None else set()
    return Lit(nodes, frozenset(taken))


def drawn(view: View, upcoming: Revision | None) -> View:
    """What is drawn: a run keeps its own graph until the next one begins.

    Only where it was no fork, and its graph was edited, the edited one is drawn as soon as the run is over.
    """
    if upcoming is None or upcoming.key == view.graph_hash:
        return view
    own = not view.finished or view.parent is not None or view.graph.get("id") != upcoming.graph.id
    if view.graph and own:
        return view
    return View(graph=dict(upcoming.form), graph_hash=upcoming.key)


def _detail(node: NodeView, now_ms: float) -> str:
    detail = node_detail(node, now_ms)
    visits = len(node.visits)
    return f"{detail} x{visits}" if visits > 1 and detail and node.state != "running" else detail


class GraphPane(LineView):
    """The graph; scrolls where it does not fit, and keeps the running node in sight."""

    DEFAULT_CSS = "GraphPane { overflow-x: auto; }"

    BINDINGS: ClassVar[list[BindingType]] = list(bindings("graph"))

    class NodeSelected(Message):
        """A node was selected, or is to be opened too."""

        def __init__(self, node: str, *, opened: bool) -> None:
            super().__init__()
            self.node = node
            self.opened = opened

    def __init__(self, *, id: str | None = None, ascii_only: bool = False) -> None:  # noqa: A002
        super().__init__(id=id)
        self._ascii = ascii_only
        self._shape: GraphShape | None = None
        self._key: object = None
        self._variants: tuple[tuple[Metrics, Drawing], ...] = ()
        self._metrics = _VARIANTS[0]
        self._drawing: Drawing | None = None
        self._lit = NOTHING
        self._signs = UNICODE
        self._active: frozenset[str] = frozenset()
        self._selected = ""

    @property
    def selected(self) -> str:
        """The selected node; empty where none is."""
        return self._selected

    @property
    def drawing(self) -> Drawing | None:
        """The layout that is shown."""
        return self._drawing

    def set_graph(self, graph: Mapping[str, Any], key: object) -> None:
        """Show another graph (in JSON form); `key` tells graphs apart. The layout is made outside of the event loop."""
        if key == self._key or not graph.get("nodes"):
            return
        self._key = key
        self._lit = NOTHING
        self.run_worker(self._lay_out(graph), group="layout", exclusive=True)

    async def _lay_out(self, graph: Mapping[str, Any]) -> None:
        shape = shape_of(graph)
        self._variants = await asyncio.to_thread(drawings, shape, self._ascii)
        self._shape = shape
        self._choose()

    def show(self, view: View, now_ms: float, signs: Glyphs, upcoming: Revision | None = None) -> None:
        """Show `view` at `now_ms` (in the transaction's time), or the graph that the next run uses."""
        view = drawn(view, upcoming)
        if view.graph:
            self.set_graph(view.graph, view.graph_hash)
        now = lit(view, now_ms, signs, self._shape)
        self._signs = signs
        if now == self._lit:
            return
        self._lit = now
        running = frozenset(node.drawn or path for path, node in view.nodes.items() if node.state == "running")
        for path in running - self._active:
            self._keep_in_sight(path)
        self._active = running
        self.refresh()

    def on_resize(self) -> None:
        self._choose()

    def _choose(self) -> None:
        width, height = self.size
        if not self._variants or not width:
            return
        fitting = ((m, d) for m, d in self._variants if d.width <= width and d.height <= height)
        self._metrics, self._drawing = next(fitting, self._variants[-1])
        self.virtual_size = Size(self._drawing.width, self._drawing.height)
        self._strips.clear()
        self.refresh()

    def _keep_in_sight(self, node: str) -> None:
        box = self._drawing.boxes.get(node) if self._drawing else None
        if box is not None and (self.max_scroll_x or self.max_scroll_y):
            self.scroll_to_region(Region(*box).grow((1, 2, 1, 2)), animate=False)

    def _offset(self) -> tuple[int, int]:
        """Where the drawing begins in the pane: centred where there is room."""
        if self._drawing is None:
            return 0, 0
        return max((self.size.width - self._drawing.width) // 2, 0), max(
            (self.size.height - self._drawing.height) // 2, 0
        )

    def on_click(self, event: Click) -> None:
        if self._drawing is None:
            return
        (left, top), (x, y) = self._offset(), self.scroll_offset
        node = self._drawing.node_at(event.x - left + x, event.y - top + y)
        if node is not None:
            self._select(node, opened=True)

    def action_select(self, direction: Direction) -> None:
        """Move the selection; the first key selects the node that runs, or the first one."""
        drawing = self._drawing
        if drawing is None or not drawing.boxes:
            return
        if self._selected not in drawing.boxes:
            first = next((node for node in drawing.boxes if node in self._active), next(iter(drawing.boxes)))
            self._select(first)
        else:
            self._select(drawing.beside(self._selected, direction) or self._selected)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Without a selected node there is nothing to open: Enter means what it means in other panes."""
        if action == "open_node":
            return self._drawing is not None and self._selected in self._drawing.boxes
        return super().check_action(action, parameters)

    def action_open_node(self) -> None:
        """The details of the selected node."""
        self._select(self._selected, opened=True)

    def _select(self, node: str, *, opened: bool = False) -> None:
        self._selected = node
        self._keep_in_sight(node)
        self.refresh()
        self.refresh_bindings()
        self.post_message(self.NodeSelected(node, opened=opened))

    def render_line(self, y: int) -> Strip:
        style, width = self.rich_style, self.size.width
        if self._drawing is None:
            words = "The graph is drawn here." if y == self.size.height // 2 else ""
            return self.strip(((f"{words:^{width}}", "faint"),)).crop_extend(0, width, style)
        left, top = self._offset()
        x, scrolled = self.scroll_offset
        row = y - top + scrolled
        if not 0 <= row < self._drawing.height:
            return Strip.blank(width, style)
        line = tuple(self._row(self._drawing, row))
        return self.strip(((" " * left, "text"), *line)).crop_extend(x, x + width, style)

    def _row(self, drawing: Drawing, y: int) -> list[Span]:
        slots = list(drawing.slots_by_row.get(y, ()))
        spans: list[Span] = []
        x = 0
        for run in drawing.rows[y]:
            while slots and slots[0].x < run.x:
                x = self._write(spans, x, slots.pop(0))
            if run.x > x:
                spans.append((" " * (run.x - x), "text"))
            marked = run.label and run.node == self._selected
            text = f"{self._signs.prompt}{run.text[1:]}" if marked else run.text
            spans.append((text, self._tone(run)))
            x = run.x + len(run.text)
        for slot in slots:
            x = self._write(spans, x, slot)
        return spans

    def _write(self, spans: list[Span], x: int, slot: Slot) -> int:
        """Write a node's live part; returns the column after it."""
        spans.append((" " * (slot.x - x), "text"))
        sign, tone, detail = self._lit.nodes.get(slot.node, (self._signs.nodes["idle"], "faint", ""))
        if self._metrics.boxed:
            words = cut(f"{sign} {detail}", slot.width, self._signs.ellipsis)
            spans += [(words[:1], tone), (words[1:].ljust(slot.width - 1), "dim" if tone == "ok" else tone)]
            return slot.x + slot.width
        name = short_name(slot.node, Style.of(self._ascii))
        room = slot.width - len(name) - 4
        shown = cut(detail, room, self._signs.ellipsis) if room > 0 else ""
        mark = self._signs.prompt if slot.node == self._selected else " "
        spans += [
            (f"{mark}{sign} ", "title" if mark.strip() else tone),
            (name, "title" if mark.strip() else "strong" if tone not in ("faint", "dim") else "dim"),
            (f" {shown}".ljust(slot.width - len(name) - 3), "dim" if tone == "ok" else tone),
        ]
        return slot.x + slot.width

    def _tone(self, run: Run) -> Tone:
        if run.node and run.node == self._selected:
            return "title"
        if run.label:
            state = self._lit.nodes.get(run.node)
            return "dim" if state is None or state[1] in ("faint", "dim") else "strong"
        if run.node:
            state = self._lit.nodes.get(run.node)
            return "faint" if state is None else state[1]
        return "accent" if any(edge in self._lit.taken for edge in run.edges) else "faint"
