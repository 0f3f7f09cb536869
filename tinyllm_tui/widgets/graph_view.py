"""The graph pane: a layout that is made once, whose cells are coloured by what the run does."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len
from textual import work
from textual.binding import BindingType
from textual.events import Click
from textual.geometry import Region, Size
from textual.message import Message
from textual.strip import Strip

from engine.view import View
from tinyllm_tui.graph_canvas import Direction, Run, Slot
from tinyllm_tui.graph_fit import choose
from tinyllm_tui.graph_layout import Drawing, GraphShape, Metrics, Style, Way, shape_of
from tinyllm_tui.keymap import bindings
from tinyllm_tui.node_paths import short_path
from tinyllm_tui.sanitize import one_line
from tinyllm_tui.widgets.graph_lit import NOTHING, Level, Lit, drawn, level_of, lit, subgraph
from tinyllm_tui.widgets.graph_nodes import CALM, NodeDrawing
from tinyllm_tui.widgets.lines import LineView
from tinyllm_tui.widgets.selection import NodeSelected
from tinyllm_tui.words import UNICODE, Glyphs, Line, Span, Tone

if TYPE_CHECKING:
    from engine.events import BreakerSnapshot
    from tinyllm_tui.graph_watch import Revision

_CRUMBS = 1
"""Rows that the way into a sub-graph takes."""


class GraphPane(LineView):
    """The graph; scrolls where it does not fit, and keeps the running node in sight.

    Posts `NodeSelected` when a person selects a node, and `NodeOpened` when its details are asked for.

    Args:
        id: of the widget.
        ascii_only: draw with ASCII characters alone.
        whole: show a graph that does not fit small, instead of a part of it, until a person asks for another view.
    """

    DEFAULT_CSS = """
    GraphPane {
        overflow-x: auto; scrollbar-background: $surface; scrollbar-background-hover: $surface;
        scrollbar-background-active: $surface; scrollbar-corner-color: $surface;
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = list(bindings("graph"))

    class NodeOpened(Message):
        """The details of a node are asked for."""

        def __init__(self, path: str) -> None:
            super().__init__()
            self.path = path

    def __init__(self, *, id: str | None = None, ascii_only: bool = False, whole: bool = False) -> None:  # noqa: A002
        super().__init__(id=id)
        self.steady = False
        """Whether edges keep their way when the size changes."""
        self._whole = whole
        self._ascii = ascii_only
        self._view = View()
        self._now_ms = 0.0
        self._breakers: Mapping[str, BreakerSnapshot] | None = None
        self._level = Level({})
        self._inside: tuple[str, ...] = ()
        self._made: tuple[str, ...] = ()
        """The sub-graph nodes inside which the drawing is."""
        self._shape: GraphShape | None = None
        self._key: object = None
        self._metrics = Metrics()
        self._drawing: Drawing | None = None
        self._way: Way | None = None
        self._small = False
        self._lit = NOTHING
        self._signs = UNICODE
        self._active: frozenset[str] = frozenset()
        self._begun = ""
        self._selected = ""

    @property
    def selected(self) -> str:
        """Path of the selected node; empty where none is."""
        return f"{self._level.prefix}{self._selected}" if self._selected else ""

    @property
    def latest(self) -> str:
        """Path of the drawn node that began last; empty before the first."""
        return f"{self._level.prefix}{self._begun}" if self._begun else ""

    @property
    def drawing(self) -> Drawing | None:
        """The layout that is shown."""
        return self._drawing

    @property
    def inside(self) -> tuple[str, ...]:
        """The sub-graph nodes that were opened, the outermost first."""
        return self._level.inside

    # -- what is shown -----------------------------------------------------------------------------------------------

    def show(
        self,
        view: View,
        now_ms: float,
        signs: Glyphs,
        upcoming: Revision | None = None,
        breakers: Mapping[str, BreakerSnapshot] | None = None,
    ) -> None:
        """Show a run, or the graph that the next one uses.

        Args:
            view: of the run.
            now_ms: in the transaction's time.
            signs: the characters of states.
            upcoming: the graph of the next run.
            breakers: by key; default: those of the view.
        """
        self._view, self._now_ms, self._signs = drawn(view, upcoming), now_ms, signs
        self._breakers = breakers
        self._level = level_of(self._view, self._inside)
        key = (self._view.graph_hash, self._level.inside)
        if self._level.graph.get("nodes") and key != self._key:
            self._key, self._lit, self._inside = key, NOTHING, self._level.inside
            self._lay_out()
        self._light()

    def _lay_out(self) -> None:
        """Choose a drawing, outside of the event loop; a later wish replaces an earlier one."""
        if not self._level.graph.get("nodes"):
            self._key = None  # a replay before its first event: it is laid out when there is a graph again
        elif self._key is not None and self.size.width > 0:
            self._make(self._level)

    # decorated: a coroutine given to `run_worker` is left unawaited where the next one comes before it begins
    @work(group="layout", exclusive=True)
    async def _make(self, level: Level) -> None:
        shape, room = shape_of(level.graph), self._room(level)
        way = self._metrics.way if self.steady and self._drawing is not None else self._way
        wish = functools.partial(choose, shape, room, way=way, ascii_only=self._ascii)
        made = await asyncio.to_thread(wish, small=self._small)
        if self._whole and (made[1].width > room[0] or made[1].height > room[1]):
            made = await asyncio.to_thread(wish, small=True)
            self._small = True
        self._shape, self._made, (self._metrics, self._drawing) = shape, level.inside, made
        if self._selected not in shape.nodes:
            self._selected = ""
        self.virtual_size = Size(self._drawing.width, self._drawing.height + self._top)
        self._strips.clear()
        self._light()
        self.call_after_refresh(lambda: self._keep_in_sight(self._selected or self._begun))
        self.refresh()
        self.refresh_bindings()

    def _light(self) -> None:
        """Take over states, and keep what begins to run in sight."""
        prefix = self._level.prefix
        now = lit(self._view, self._now_ms, self._signs, self._shape, prefix=prefix, breakers=self._breakers)
        if now == self._lit:
            return
        self._lit = now
        running = frozenset(
            node.drawn or path.removeprefix(prefix)
            for path, node in self._view.nodes.items()
            if node.state == "running" and path.startswith(prefix)
        )
        begun = self._latest_begun(prefix)
        for name in running - self._active or {begun} - {self._begun}:
            self._keep_in_sight(name)
        self._active, self._begun = running, begun
        self.refresh()

    def _latest_begun(self, prefix: str) -> str:
        """The node that began last, however short it ran; empty before the first."""
        begun = {
            node.drawn or path.removeprefix(prefix): node.last.started_ms
            for path, node in self._view.nodes.items()
            if node.last is not None and path.startswith(prefix)
        }
        return max(reversed(begun), key=lambda name: begun[name], default="")

    def on_resize(self) -> None:
        self._small = self._small and not self._whole
        self._lay_out()

    def _room(self, level: Level) -> tuple[int, int]:
        """(columns, rows) that the drawing of `level` can take."""
        return self.size.width, self.size.height - (_CRUMBS if level.inside else 0)

    @property
    def _top(self) -> int:
        """Rows above the drawing."""
        return _CRUMBS if self._made else 0

    def _keep_in_sight(self, node: str) -> None:
        box = self._drawing.boxes.get(node) if self._drawing else None
        if self._whole and self._view.finished and not self._selected:
            self.scroll_home(animate=False)
        elif box is not None and (self.max_scroll_x or self.max_scroll_y):
            x, y, width, height = box
            region = Region(x, y + self._top, width, height).grow((1 + self._top, 2, 1, 2))
            self.scroll_to_region(region, animate=False)

    def _offset(self) -> tuple[int, int]:
        """Where the drawing begins in the pane: centred where there is room."""
        if self._drawing is None:
            return 0, 0
        width, height = self.size.width, self.size.height - self._top
        return max((width - self._drawing.width) // 2, 0), self._top + max((height - self._drawing.height) // 2, 0)

    # -- selecting and opening ---------------------------------------------------------------------------------------

    def on_click(self, event: Click) -> None:
        """A click selects a node; one on the selected node opens it, and one on the way into a sub-graph leads back."""
        if self._drawing is None:
            return
        (left, top), (x, y) = self._offset(), self.scroll_offset
        if event.y < self._top:
            self.action_outer_graph()
            return
        node = self._drawing.node_at(event.x - left + x, event.y - top + y)
        if node is not None and node == self._selected:
            self.action_open_node()
        elif node is not None:
            self._select(node)

    def select_node(self, path: str) -> None:
        """Select the node at `path` without telling anyone; nodes that are not drawn here select nothing."""
        node = self._view.nodes.get(path)
        name = (node.drawn if node is not None else "") or path.removeprefix(self._level.prefix)
        if self._level.inside and not path.startswith(self._level.prefix):
            name = ""
        if self._shape is not None and name not in self._shape.nodes:
            name = name.split("#", 1)[0] if name.split("#", 1)[0] in self._shape.nodes else ""
        if name != self._selected:
            self._mark(name)

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
        if action in ("open_node", "inspect_node"):
            return self._drawing is not None and self._selected in self._drawing.boxes
        if action == "outer_graph":
            return bool(self._level.inside)
        return super().check_action(action, parameters)

    def action_open_node(self) -> None:
        """Open the selected node: a sub-graph is drawn here; of others the details are shown."""
        if subgraph(self._level.graph, self._selected) is not None:
            self._go_to((*self._level.inside, self._selected))
        else:
            self.action_inspect_node()

    def action_inspect_node(self) -> None:
        self.post_message(self.NodeOpened(self.selected))

    def action_outer_graph(self) -> None:
        """From a sub-graph back to the graph around it, where the node that was opened is selected."""
        if self._level.inside:
            *outer, opened = self._level.inside
            self._go_to(tuple(outer), opened)

    def _go_to(self, inside: tuple[str, ...], selected: str = "") -> None:
        self._inside, self._selected = inside, selected
        self.show(self._view, self._now_ms, self._signs, None, self._breakers)

    def action_turn(self) -> None:
        """Draw the other way; it stays so until the next turn."""
        self._way = "right" if self._metrics.way == "down" else "down"
        self._lay_out()

    def action_fit(self) -> None:
        """The whole graph small, or readable again."""
        self._small, self._whole = not self._small, False
        self._lay_out()

    def _select(self, node: str) -> None:
        self._mark(node)
        self.post_message(NodeSelected(self.selected, self))

    def _mark(self, node: str) -> None:
        self._selected = node
        self._keep_in_sight(node)
        self.refresh()
        self.refresh_bindings()

    # -- drawing -----------------------------------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        style, width = self.ground, self.size.width
        if self._drawing is None:
            words = "The graph is drawn here." if y == self.size.height // 2 else ""
            return self.strip(((f"{words:^{width}}", "faint"),)).crop_extend(0, width, style)
        if y < self._top:
            return self.strip(self._crumbs(width)).crop_extend(0, width, style)
        left, top = self._offset()
        x, scrolled = self.scroll_offset
        row = y - top + scrolled
        if not 0 <= row < self._drawing.height:
            caption = self._ink.caption(self._selected or self._begun, width) if y == self.size.height - 1 else ()
            return self.strip(caption).crop_extend(0, width, style)
        line = tuple(self._row(self._drawing, row))
        return self.strip(((" " * left, "text"), *line)).crop_extend(x, x + width, style)

    def _crumbs(self, width: int) -> Line:
        """The way into the sub-graph, which stays in sight."""
        back, then = f"{self._signs.back} ", f" {self._signs.result} "
        here = one_line(self._level.prefix.rstrip("/").rsplit("/", 1)[-1], 60)
        outer = [one_line(name, 60) for name in (str(self._view.graph.get("id", "")), *self._level.inside[:-1])]
        way = then.join([*outer, ""])
        way = way if cell_len(back + way + here) <= width else ""
        return ((back, "title"), (way, "dim"), (short_path(here, width - len(back), self._signs.ellipsis), "strong"))

    def _row(self, drawing: Drawing, y: int) -> list[Span]:
        slots = list(drawing.slots_by_row.get(y, ()))
        right = max(drawing.width, self.size.width - self._offset()[0])
        spans: list[Span] = []
        x = 0
        for run in drawing.rows[y]:
            while slots and slots[0].x < run.x:
                slot = slots.pop(0)
                x = self._write(spans, x, slot, min(run.x, slots[0].x if slots else right))
            if run.x > x:
                spans.append((" " * (run.x - x), "text"))
            marked = run.label and run.node == self._selected
            text = f"{self._signs.prompt}{run.text[1:]}" if marked else run.text
            spans.append((text, self._tone(run)))
            x = run.x + cell_len(run.text)
        for slot, end in zip(slots, [*(slot.x for slot in slots[1:]), right], strict=False):
            x = self._write(spans, x, slot, end)
        return spans

    def _write(self, spans: list[Span], x: int, slot: Slot, end: int) -> int:
        """Write a node's live part, which may go on up to `end`; returns the column after it."""
        spans.append((" " * (slot.x - x), "text"))
        written = self._ink.spans(slot, end - slot.x - slot.width - 1)
        spans += written
        return slot.x + sum(cell_len(text) for text, _ in written)

    @property
    def _ink(self) -> NodeDrawing:
        return NodeDrawing(self._lit, self._metrics, self._signs, Style.of(self._ascii), self._selected)

    def _tone(self, run: Run) -> Tone:
        if run.node and run.node == self._selected:
            return "title"
        if run.label:
            state = self._lit.nodes.get(run.node)
            return "dim" if state is None or state[1] in CALM else "strong"
        if run.node:
            state = self._lit.nodes.get(run.node)
            return "node_idle" if state is None else state[1]
        return "edge_taken" if any(edge in self._lit.taken for edge in run.edges) else "edge_idle"


__all__ = ["GraphPane", "Lit", "drawn", "lit"]
