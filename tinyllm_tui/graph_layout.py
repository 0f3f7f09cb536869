"""Layered drawing of a graph on a character canvas: pure, cached by its caller, knowing no terminal library.

Longest-path layers, dummy nodes for long edges, barycentre ordering, coordinates by isotonic regression (the
least-squares positions that keep order and distance), orthogonal edges in tracks between the layers, back edges in
lanes on the right. After Sugiyama, Tagawa and Toda, "Methods for Visual Understanding of Hierarchical System
Structures", 1981.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from rich.cells import cell_len, set_cell_size

from tinyllm_tui.graph_canvas import Canvas, Drawing, Edge, Slot, Style

_SWEEPS = 6
LABEL = 20
"""Columns that a name takes at most."""


@dataclass(frozen=True, slots=True)
class GraphShape:
    """What a layout needs of a graph: node ids in file order and edges without duplicates."""

    nodes: tuple[str, ...]
    edges: tuple[Edge, ...]
    entries: tuple[str, ...] = ()
    inner: tuple[tuple[Edge, str], ...] = ()
    """Edges to, between and back from nodes that run inside another's visit; each with the inner node whose run says
    that the edge was taken."""


def shape_of(graph: Mapping[str, Any]) -> GraphShape:
    """The shape of a graph specification in its JSON form (`GraphSpec.model_dump(mode="json")`, or `View.graph`).

    Routers, gates, fan-outs and approvals name targets in their config; those are edges too, and so is what a loop or
    timeout runs inside.
    """
    nodes = tuple(node["id"] for node in graph.get("nodes", ()))
    known = set(nodes)
    edges: dict[Edge, None] = {}
    for edge in graph.get("edges", ()):
        edges[(edge["from_node"], edge["to_node"])] = None
    for node in graph.get("nodes", ()):
        for target in _targets(node.get("config") or {}):
            edges.setdefault((node["id"], target), None)
    inner = [each for node in graph.get("nodes", ()) for each in _inner_edges(node["id"], node.get("config") or {})]
    edges.update(dict.fromkeys(edge for edge, _ in inner))
    kept = tuple(edge for edge in edges if edge[0] in known and edge[1] in known)
    entries = tuple(e for e in graph.get("entry_points") or () if e in known)
    return GraphShape(nodes, kept, entries, tuple(inner))


def _inner_edges(node: str, config: Mapping[str, Any]) -> Iterable[tuple[Edge, str]]:
    body = config.get("body") or ()
    for source, target in pairwise((node, *body)):
        yield (source, target), target
    if body:
        yield (body[-1], node), body[-1]
    if config.get("inner_node"):
        for inside in (config["inner_node"], config.get("fallback_node")):
            if inside:
                yield (node, inside), inside


def _targets(config: Mapping[str, Any]) -> Iterable[str]:
    routes = config.get("routes") or ()
    by_name = {route["name"]: route["target"] for route in routes}
    yield from by_name.values()
    yield from (route["target"] for route in config.get("compound_routes") or ())
    yield from (condition["target"] for condition in config.get("conditions") or ())
    yield from config.get("targets") or ()
    yield from (config[name] for name in ("approved_target", "rejected_target") if config.get(name))
    for name in (config.get("default_route"), config.get("default_target")):
        if name:
            yield by_name.get(name, name)


@dataclass(frozen=True, slots=True)
class Metrics:
    """How large nodes are drawn."""

    boxed: bool = True
    """Boxes of three rows, with the name in the border; else one row per node."""
    detail: int = 10
    """Columns kept free in a node for what it is doing."""
    gap: int = 3
    """Columns between two neighbours."""


@dataclass(slots=True)
class _Vertex:
    name: str
    width: int
    node: bool
    edge: Edge | None = None
    """The long edge that a dummy belongs to."""
    layer: int = 0
    up: list[_Vertex] = field(default_factory=list)
    down: list[_Vertex] = field(default_factory=list)
    x: int = 0

    @property
    def centre(self) -> int:
        return self.x + self.width // 2


def layout(shape: GraphShape, metrics: Metrics, style: Style) -> Drawing:
    """Draw `shape`; time O(edges * layers), a few milliseconds for a hundred nodes."""
    forward, back = _split(shape)
    layers = _order(_vertices(shape, forward, metrics))
    _place(layers, metrics.gap)
    return _draw(layers, back, metrics, style)


def draw_graph(spec: Any, *, ascii_only: bool = False) -> str:
    """`spec` (a `GraphSpec`) as text, for the command line."""
    drawing = layout(shape_of(spec.model_dump(mode="json")), Metrics(detail=9), Style.of(ascii_only))
    types = {node.id: node.type for node in spec.nodes}
    return "\n".join(drawing.text(lambda slot: types[slot.node]))


# -- structure --------------------------------------------------------------------------------------------------------


def _split(shape: GraphShape) -> tuple[list[Edge], list[Edge]]:
    """Edges that go forward, and those that close a cycle in a depth-first search from the entries."""
    after: dict[str, list[str]] = {node: [] for node in shape.nodes}
    for source, target in shape.edges:
        after[source].append(target)
    state: dict[str, int] = {}
    back: set[Edge] = set()
    for start in (*shape.entries, *shape.nodes):
        if start in state:
            continue
        state[start] = 1
        stack = [(start, iter(after[start]))]
        while stack:
            node, rest = stack[-1]
            following = next(rest, None)
            if following is None:
                state[node] = 2
                stack.pop()
            elif following not in state:
                state[following] = 1
                stack.append((following, iter(after[following])))
            elif state[following] == 1:
                back.add((node, following))
    return [e for e in shape.edges if e not in back], [e for e in shape.edges if e in back]


def _layers_of(shape: GraphShape, forward: Sequence[Edge]) -> dict[str, int]:
    """Longest path from a source, in edges."""
    before = dict.fromkeys(shape.nodes, 0)
    after: dict[str, list[str]] = {node: [] for node in shape.nodes}
    for source, target in forward:
        before[target] += 1
        after[source].append(target)
    level = dict.fromkeys(shape.nodes, 0)
    ready = [node for node in shape.nodes if not before[node]]
    while ready:
        node = ready.pop()
        for target in after[node]:
            level[target] = max(level[target], level[node] + 1)
            before[target] -= 1
            if not before[target]:
                ready.append(target)
    return level


def _vertices(shape: GraphShape, forward: Sequence[Edge], metrics: Metrics) -> list[list[_Vertex]]:
    level = _layers_of(shape, forward)
    layers: list[list[_Vertex]] = [[] for _ in range(max(level.values()) + 1)]
    made: dict[str, _Vertex] = {}
    for name in shape.nodes:
        made[name] = _Vertex(name, _width(name, metrics), node=True, layer=level[name])
        layers[level[name]].append(made[name])
    for source, target in forward:
        above = made[source]
        for number in range(level[source] + 1, level[target]):
            dummy = _Vertex(f"{source}>{target}", 1, node=False, edge=(source, target), layer=number)
            layers[number].append(dummy)
            above.down.append(dummy)
            dummy.up.append(above)
            above = dummy
        above.down.append(made[target])
        made[target].up.append(above)
    return layers


def _width(name: str, metrics: Metrics) -> int:
    label = min(cell_len(name), LABEL)
    if metrics.boxed:
        return max(label + 6, metrics.detail + 6)
    return label + 4 + (metrics.detail + 1 if metrics.detail else 0)


def _order(layers: list[list[_Vertex]]) -> list[list[_Vertex]]:
    """Fewer crossings: each layer sorted by the mean position of its neighbours, downwards and upwards in turn."""
    position = {id(vertex): index for row in layers for index, vertex in enumerate(row)}
    for sweep in range(_SWEEPS):
        for row in layers[1:] if sweep % 2 == 0 else reversed(layers[:-1]):
            keys = {}
            for vertex in row:
                near = vertex.up if sweep % 2 == 0 else vertex.down
                places = [position[id(other)] for other in near]
                keys[id(vertex)] = sum(places) / len(places) if places else float(position[id(vertex)])
            row.sort(key=lambda vertex: keys[id(vertex)])
            position.update((id(vertex), index) for index, vertex in enumerate(row))
    return layers


# -- coordinates ------------------------------------------------------------------------------------------------------


def _place(layers: list[list[_Vertex]], gap: int) -> None:
    for row in layers:
        x = 0
        for vertex in row:
            vertex.x = x
            x += vertex.width + gap
    for sweep in range(_SWEEPS):
        for row in layers if sweep % 2 == 0 else reversed(layers):
            wanted = []
            for vertex in row:
                near = vertex.up if sweep % 2 == 0 else vertex.down
                near = near or vertex.up or vertex.down
                mean = sum(other.centre for other in near) / len(near) if near else float(vertex.centre)
                wanted.append(mean - vertex.width // 2)
            _settle(row, wanted, gap)
    left = min(vertex.x for row in layers for vertex in row)
    for row in layers:
        for vertex in row:
            vertex.x -= left


def _settle(row: Sequence[_Vertex], wanted: Sequence[float], gap: int) -> None:
    """Put each vertex as near to its wish as order and distance allow (pool adjacent violators)."""
    offsets, total = [], 0
    for vertex in row:
        offsets.append(total)
        total += vertex.width + gap
    pools: list[list[float]] = []  # [sum of wishes, count]
    for wish, offset in zip(wanted, offsets, strict=True):
        pools.append([wish - offset, 1])
        while len(pools) > 1 and pools[-2][0] / pools[-2][1] >= pools[-1][0] / pools[-1][1]:
            value, count = pools.pop()
            pools[-1][0] += value
            pools[-1][1] += count
    places = [round(value / count) for value, count in pools for _ in range(int(count))]
    for vertex, place, offset in zip(row, places, offsets, strict=True):
        vertex.x = place + offset


# -- drawing ----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Net:
    """Edges that share one horizontal track between two layers."""

    low: int
    high: int
    track: int = 0


def _draw(layers: list[list[_Vertex]], back: Sequence[Edge], metrics: Metrics, style: Style) -> Drawing:
    at = {vertex.name: vertex for row in layers for vertex in row if vertex.node}
    right = max(vertex.x + vertex.width for row in layers for vertex in row)
    lanes = {edge: right + 2 + 2 * number for number, edge in enumerate(back)}
    gaps = _Gaps(layers, at, lanes)
    height = 3 if metrics.boxed else 1
    tops, y = [], 0
    for number in range(len(layers)):
        y += gaps.rows(number)
        tops.append(y)
        y += height
    y += gaps.rows(len(layers))
    canvas = Canvas(max([right, *(x + 1 for x in lanes.values())]), y, style)
    for row, top in zip(layers, tops, strict=True):
        for vertex in row:
            if vertex.node:
                _node(canvas, vertex, top, metrics, style)
            elif vertex.edge is not None:
                canvas.vertical(vertex.centre, top, top + height - 1, vertex.edge)
    pen = _Pen(canvas, gaps, tops, height)
    for row in layers[:-1]:
        for vertex in row:
            for target in vertex.down:
                pen.forward(vertex, target)
    for edge in back:
        pen.back(at[edge[0]], at[edge[1]], lanes[edge], edge)
    return canvas.finish()


def _node(canvas: Canvas, vertex: _Vertex, top: int, metrics: Metrics, style: Style) -> None:
    if metrics.boxed:
        canvas.box(vertex.x, top, vertex.width, short_name(vertex.name, style), vertex.name)
    else:
        canvas.chip(vertex.x, top, vertex.width, vertex.name)


def short_name(name: str, style: Style) -> str:
    """The name as nodes show it: at most `LABEL` columns."""
    return name if cell_len(name) <= LABEL else set_cell_size(name, LABEL - 1) + style.ellipsis


class _Gaps:
    """The rows between layers: which tracks there are, and which net runs in which. Gap n lies above layer n."""

    def __init__(self, layers: list[list[_Vertex]], at: Mapping[str, _Vertex], lanes: Mapping[Edge, int]) -> None:
        self._last = {id(row[-1]) for row in layers}
        self._nets: list[dict[object, _Net]] = [{} for _ in range(len(layers) + 1)]
        self._arrows = [bool(number) for number in range(len(layers))] + [False]
        for number, row in enumerate(layers[:-1], 1):
            for vertex in row:
                if vertex.down:
                    places = [vertex.centre, *(target.centre for target in vertex.down)]
                    self._widen(number, self.key(vertex), places)
        for edge, lane in lanes.items():
            source, target = at[edge[0]], at[edge[1]]
            if not self.open_side(source):
                self._widen(source.layer + 1, ("out", edge), [source.centre, lane])
            if not self.open_side(target):
                self._widen(target.layer, ("in", edge), [target.centre, lane])
                self._arrows[target.layer] = True
        self._tracks = [self._assign(nets) for nets in self._nets]

    def open_side(self, vertex: _Vertex) -> bool:
        """Whether nothing stands to the right of `vertex` in its layer."""
        return id(vertex) in self._last

    @staticmethod
    def key(vertex: _Vertex) -> object:
        """Sources with the same targets share a track: every one of them reaches every one of those."""
        return frozenset(id(target) for target in vertex.down)

    def net(self, number: int, key: object) -> _Net:
        return self._nets[number][key]

    def rows(self, number: int) -> int:
        return self._tracks[number] + self._arrows[number]

    def _widen(self, number: int, key: object, places: Sequence[int]) -> None:
        net = self._nets[number].setdefault(key, _Net(min(places), max(places)))
        net.low, net.high = min(net.low, *places), max(net.high, *places)

    @staticmethod
    def _assign(nets: Mapping[object, _Net]) -> int:
        """Give nets that overlap different tracks; straight ones need none (track -1). Returns the number of tracks."""
        ends: list[int] = []
        for net in sorted(nets.values(), key=lambda net: (net.low, net.high)):
            if net.low == net.high:
                net.track = -1
                continue
            free = next((track for track, end in enumerate(ends) if end + 1 < net.low), None)
            if free is None:
                ends.append(net.high)
                net.track = len(ends) - 1
            else:
                ends[free], net.track = net.high, free
        return len(ends)


@dataclass(slots=True)
class _Pen:
    """Draws edges."""

    canvas: Canvas
    gaps: _Gaps
    tops: list[int]
    height: int

    def forward(self, source: _Vertex, target: _Vertex) -> None:
        edge = source.edge or target.edge or (source.name, target.name)
        number = target.layer
        below, arrow = self.tops[number - 1] + self.height, self.tops[number] - 1
        net = self.gaps.net(number, self.gaps.key(source))
        start, end = source.centre, target.centre
        if source.node:
            self.canvas.port(start, below - 1, edge)
        if start == end:
            self.canvas.vertical(start, below, arrow, edge)
        else:
            track = below + max(net.track, 0)
            self.canvas.path([(start, below - 1), (start, track), (end, track), (end, arrow + 1)], edge)
        if target.node:
            self.canvas.arrow(end, arrow, "down", edge)

    def back(self, source: _Vertex, target: _Vertex, lane: int, edge: Edge) -> None:
        middle = self.height // 2
        if self.gaps.open_side(source):
            y_out = self.tops[source.layer] + middle
            start = [(source.x + source.width - 1, y_out), (lane, y_out)]
        else:
            below = self.tops[source.layer] + self.height
            y_out = below + max(self.gaps.net(source.layer + 1, ("out", edge)).track, 0)
            self.canvas.port(source.centre, below - 1, edge)
            start = [(source.centre, below - 1), (source.centre, y_out), (lane, y_out)]
        if self.gaps.open_side(target):
            y_in = self.tops[target.layer] + middle
            self.canvas.path([*start, (lane, y_in), (target.x + target.width - 1, y_in)], edge)
            self.canvas.arrow(target.x + target.width, y_in, "left", edge)
        else:
            top = self.tops[target.layer]
            y_in = top - self.gaps.rows(target.layer) + max(self.gaps.net(target.layer, ("in", edge)).track, 0)
            self.canvas.path([*start, (lane, y_in), (target.centre, y_in), (target.centre, top)], edge)
            self.canvas.arrow(target.centre, top - 1, "down", edge)


__all__ = ["Drawing", "GraphShape", "Metrics", "Slot", "Style", "draw_graph", "layout", "shape_of", "short_name"]
