"""Layered drawing of a graph on a character canvas: pure, cached by its caller, knowing no terminal library.

Layers and places come from `graph_layers`, the lines between two layers from `graph_channels`; here they become boxes
and lines, from top to bottom or from left to right. Edges that close a cycle run in lanes beside the graph.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from rich.cells import cell_len, set_cell_size

from tinyllm_tui.graph_canvas import Canvas, Direction, Drawing, Edge, Slot, Style
from tinyllm_tui.graph_channels import Net, channel
from tinyllm_tui.graph_layers import Layers, Vertex, layers_of, place
from tinyllm_tui.graph_shape import GraphShape, shape_of

LABEL = 20
"""Columns that a name takes at most."""

Way = Literal["down", "right"]
"""Where edges lead: from top to bottom, or from left to right."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """How large nodes are drawn, and which way edges lead."""

    boxed: bool = True
    """Boxes of three rows, with the name in the border; else one row per node."""
    detail: int = 10
    """Columns kept free in a node for what it is doing."""
    gap: int = 3
    """Columns between two neighbours; rows between them are none."""
    way: Way = "down"
    label: int = LABEL
    """Columns that a name takes at most; with none a node is its sign alone."""
    telling: bool = True
    """Whether nodes that decide have the columns that this takes, where others need fewer."""
    arrows: bool = True
    """Whether edges end in arrow heads; without them the drawing is smaller."""

    def width_of(self, name: str, telling: int = 0) -> int:
        """Columns of the node `name`, which says in `telling` columns how it decided."""
        label = min(cell_len(name), self.label)
        detail = max(self.detail, telling) if self.detail and self.telling else self.detail
        if self.boxed:
            return max(label + 6, detail + 6)
        if not label:
            return 3
        return label + 4 + (detail + 1 if detail else 0)

    @property
    def height(self) -> int:
        """Rows of a node."""
        return 3 if self.boxed else 1


def layout(shape: GraphShape, metrics: Metrics, style: Style) -> Drawing:
    """Draw `shape`; a few milliseconds for a hundred nodes."""
    return _Plan(layers_of(shape), metrics, style, shape.telling).draw()


def draw_graph(spec: Any, *, ascii_only: bool = False) -> str:
    """`spec` (a `GraphSpec`) as text, for the command line."""
    drawing = layout(shape_of(spec.model_dump(mode="json")), Metrics(detail=9), Style.of(ascii_only))
    types = {node.id: node.type for node in spec.nodes}
    return "\n".join(drawing.text(lambda slot: types[slot.node]))


def short_name(name: str, style: Style, room: int = LABEL) -> str:
    """The name as nodes show it: at most `room` columns."""
    if cell_len(name) <= room:
        return name
    return set_cell_size(name, max(room - 1, 0)) + style.ellipsis if room > 1 else set_cell_size(name, room)


class _Plan:
    """One drawing in the making: where layers and channels lie along, and the lines between them."""

    def __init__(
        self, layers: Layers, metrics: Metrics, style: Style, telling: tuple[tuple[str, int], ...] = ()
    ) -> None:
        self._layers, self._metrics, self._style, self._telling = layers, metrics, style, telling
        self._down = metrics.way == "down"
        self._size()
        self._last = {row[-1] for row in layers.rows}
        self._lanes = self._find_lanes()
        self._backs: list[list[Net]] = [[] for _ in range(len(layers.rows) + 1)]
        for edge in layers.back:
            self._plan_back(edge)
        empty: list[Vertex] = []
        self._channels = [channel(above, self._backs[n]) for n, above in enumerate([empty, *layers.rows])]
        self._tops: list[int] = []
        self._stack()

    def _size(self) -> None:
        """Give vertices their size across, and layers theirs along."""
        rows, metrics = self._layers.rows, self._metrics
        columns = dict(self._telling)
        nodes = [vertex for row in rows for vertex in row if vertex.node]
        widths = {vertex: metrics.width_of(vertex.name, columns.get(vertex.name, 0)) for vertex in nodes}
        for vertex, width in widths.items():
            vertex.size = width if self._down else metrics.height
            if self._down and not metrics.boxed:
                vertex.port = (min(cell_len(vertex.name), metrics.label) + 4) // 2  # below the name, not what it does
        if self._down:
            self._depths = [metrics.height] * len(rows)
        else:
            self._depths = [max((widths[v] for v in row if v.node), default=1) for row in rows]
        place(rows, metrics.gap if self._down else 0)

    def _find_lanes(self) -> dict[str, int]:
        """Target of back edges -> their lane: those to one node share it."""
        end = max(vertex.at + vertex.size for row in self._layers.rows for vertex in row)
        targets = dict.fromkeys(target for _, target in self._layers.back)
        return {target: end + (2 if self._down else 1) + 2 * n for n, target in enumerate(targets)}

    def _plan_back(self, edge: Edge) -> None:
        """Back edges leave and enter at the open end of a layer; elsewhere through the channel beside it."""
        nodes, lane = self._layers.nodes, self._lanes[edge[1]]
        source, target = nodes[edge[0]], nodes[edge[1]]
        if source not in self._last:
            self._backs[source.layer + 1].append(Net(ups={source: source.centre}, lane=lane, back=edge))
        if (target not in self._last or source is target) and not self._enters(target):
            self._backs[target.layer].append(Net(lows={target: target.centre}, lane=lane, back=edge))

    def _enters(self, target: Vertex) -> Net | None:
        """The line by which back edges come to `target` from above; None where they come from the side."""
        return next((net for net in self._backs[target.layer] if target in net.lows), None)

    def _stack(self) -> None:
        """Put layers and channels one after the other."""
        along, layers = 0, len(self._layers.rows)
        for number in range(layers):
            along += self._channel_depth(number)
            self._tops.append(along)
            along += self._depths[number]
        self._depth = along + self._channel_depth(layers)

    def _channel_depth(self, number: int) -> int:
        nets, tracks = self._channels[number]
        if not any(net.lows for net in nets):
            return tracks + (self._stub if tracks else 0)
        return max(tracks + self._stub + (1 if self._metrics.arrows else 0), 1)

    @property
    def _stub(self) -> int:
        """Cells between a layer and its first track: what leaves a box to the right is seen only where it goes on."""
        return 0 if self._down or not self._metrics.arrows else 1

    # -- drawing -----------------------------------------------------------------------------------------------------

    def draw(self) -> Drawing:
        across = max(
            [v.at + v.size for row in self._layers.rows for v in row] + [lane + 1 for lane in self._lanes.values()]
        )
        size = (across, self._depth) if self._down else (self._depth, across)
        self._canvas = Canvas(*size, self._style)
        for row in self._layers.rows:
            for vertex in row:
                self._vertex(vertex)
        for number, (nets, _) in enumerate(self._channels):
            for net in nets:
                self._net(number, net)
        for edge in self._layers.back:
            self._back(edge)
        return self._canvas.finish()

    def _xy(self, across: int, along: int) -> tuple[int, int]:
        return (across, along) if self._down else (along, across)

    def _vertex(self, vertex: Vertex) -> None:
        top, depth = self._tops[vertex.layer], self._depths[vertex.layer]
        if vertex.node:
            x, y = self._xy(vertex.at, top)
            width = vertex.size if self._down else depth
            if self._metrics.boxed:
                label = short_name(vertex.name, self._style, self._metrics.label)
                self._canvas.box(x, y, width, label, vertex.name)
            else:
                self._canvas.chip(x, y, width, vertex.name)
            return
        for below in vertex.down:
            for edge in self._layers.links[vertex, below]:
                points = [self._xy(vertex.centre, top - 1), self._xy(vertex.centre, top + depth)]
                self._canvas.path(points, edge, vertex)

    def _net(self, number: int, net: Net) -> None:
        for upper, start in net.ups.items():
            for lower, end in net.lows.items():
                for edge in self._layers.links[upper, lower]:
                    self._line(number, net, (upper, start), (lower, end), edge)

    def _line(self, number: int, net: Net, begin: tuple[Vertex, int], stop: tuple[Vertex, int], edge: Edge) -> None:
        (upper, start), (lower, end) = begin, stop
        above, below = self._tops[number - 1] + self._depths[number - 1] - 1, self._tops[number]
        track = self._track(number, net)
        points = [self._xy(c, a) for c, a in ((start, above), (start, track), (end, track), (end, below))]
        self._canvas.path(points, edge, net)
        if upper.node:
            self._canvas.port(*self._xy(start, above), "down" if self._down else "right", edge)
        if lower.node and self._metrics.arrows:
            self._canvas.arrow(*self._xy(end, below - 1), "down" if self._down else "right", edge)

    def _track(self, number: int, net: Net) -> int:
        """Where the track of a net lies along; straight lines bend nowhere."""
        first = self._tops[number - 1] + self._depths[number - 1] if number else 0
        return first + max(net.track, 0) + (self._stub if number else 0)

    def _back(self, edge: Edge) -> None:
        nodes, lane = self._layers.nodes, self._lanes[edge[1]]
        source, target = nodes[edge[0]], nodes[edge[1]]
        out = next((n for n in self._backs[source.layer + 1] if n.back == edge and source in n.ups), None)
        if out is None:
            begin = [(source.at + source.size - 1, self._side(source, out=True))]
        else:
            start, above = out.ups[source], self._tops[source.layer] + self._depths[source.layer] - 1
            self._canvas.port(*self._xy(start, above), "down" if self._down else "right", edge)
            begin = [(start, above), (start, self._track(source.layer + 1, out))]
        leave = (lane, begin[-1][1])
        into = self._enters(target)
        if into is None:
            along = self._side(target, out=False)
            end = [(lane, along), (target.at + target.size - 1, along)]
            arrow: tuple[tuple[int, int], Direction] = (
                self._xy(target.at + target.size, along),
                "left" if self._down else "up",
            )
        else:
            top, cell = self._tops[target.layer], into.lows[target]
            along = self._track(target.layer, into)
            end = [(lane, along), (cell, along), (cell, top)]
            arrow = self._xy(cell, top - 1), "down" if self._down else "right"
        self._canvas.path([self._xy(*point) for point in (*begin, leave, *end)], edge, ("back", edge[1]))
        if self._metrics.arrows:
            self._canvas.arrow(*arrow[0], arrow[1], edge)

    def _side(self, vertex: Vertex, *, out: bool) -> int:
        """Where along a line leaves or enters the side of a vertex; apart from each other where there is room."""
        depth = self._depths[vertex.layer]
        aside = 0 if self._down or depth < 8 else 2 if out else -2
        return self._tops[vertex.layer] + depth // 2 + aside


__all__ = ["Drawing", "GraphShape", "Metrics", "Slot", "Style", "Way", "draw_graph", "layout", "shape_of", "short_name"]
