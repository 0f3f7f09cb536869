"""Layers of a graph: which node stands in which, in what order, and where; the same for every direction of drawing.

Longest-path layers, dummy vertices for long edges, barycentre ordering with exchanges of neighbours, coordinates by
isotonic regression (the least-squares positions that keep order and distance). After Sugiyama, Tagawa and Toda,
"Methods for Visual Understanding of Hierarchical System Structures", 1981, and Gansner, Koutsofios, North and Vo, "A
Technique for Drawing Directed Graphs", 1993.

Positions are *across* (within a layer) and *along* (from layer to layer); who draws decides which of them is x.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

from tinyllm_tui.graph_canvas import Edge
from tinyllm_tui.graph_shape import GraphShape

_SWEEPS = 8
_PLACINGS = 8
_STRAIGHT = 4
"""How much more a long edge wants to be straight than a node to stand under the middle of its neighbours."""


@dataclass(slots=True, eq=False)
class Vertex:
    """A node, or where a long edge passes a layer."""

    name: str
    node: bool
    layer: int
    up: list[Vertex] = field(default_factory=list)
    down: list[Vertex] = field(default_factory=list)
    size: int = 1
    """Cells across."""
    at: int = 0
    """First cell across."""
    port: int = 0
    """Cells from the first to the one where edges meet it; 0 for the middle."""

    @property
    def centre(self) -> int:
        return self.at + (self.port or self.size // 2)

    @property
    def reach(self) -> int:
        """Cells from the first in which edges may meet it."""
        return 2 * self.port or self.size


@dataclass(slots=True)
class Layers:
    """Vertices in order, and what runs between them."""

    rows: list[list[Vertex]]
    links: dict[tuple[Vertex, Vertex], list[Edge]]
    """(upper, lower) -> the edges of the graph that run there."""
    back: list[Edge]
    """Edges that close a cycle."""

    @property
    def nodes(self) -> dict[str, Vertex]:
        return {vertex.name: vertex for row in self.rows for vertex in row if vertex.node}


def layers_of(shape: GraphShape) -> Layers:
    """The layers of `shape`, ordered; not placed yet."""
    forward, back = _split(shape)
    layers = _vertices(shape, forward, back)
    _order(layers.rows)
    return layers


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


def _levels(shape: GraphShape, forward: Sequence[Edge]) -> dict[str, int]:
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


def _vertices(shape: GraphShape, forward: Sequence[Edge], back: list[Edge]) -> Layers:
    """Nodes and dummies.

    Long edges to one node share their dummies as soon as what comes together there leads to that node alone: no line
    can then be read as going where it does not.
    """
    level = _levels(shape, forward)
    rows: list[list[Vertex]] = [[] for _ in range(max(level.values(), default=0) + 1)]
    made = {name: Vertex(name, node=True, layer=level[name]) for name in shape.nodes}
    for vertex in made.values():
        rows[vertex.layer].append(vertex)
    targets: dict[str, set[str]] = {}
    for source, target in forward:
        targets.setdefault(source, set()).add(target)
    dummies: dict[tuple[str, int, frozenset[str]], Vertex] = {}
    links: dict[tuple[Vertex, Vertex], list[Edge]] = {}
    for source, target in forward:
        above, alone = made[source], frozenset((target,))
        group = frozenset(targets[source])
        for number in range(level[source] + 1, level[target] + 1):
            key = (target, number, group)
            if number == level[target]:
                below = made[target]
            elif key in dummies:
                below = dummies[key]
            else:
                below = dummies[key] = Vertex(f"{source}>{target}", node=False, layer=number)
                rows[number].append(below)
            if (above, below) not in links:
                above.down.append(below)
                below.up.append(above)
            links.setdefault((above, below), []).append((source, target))
            above, group = below, alone
    return Layers(rows, links, back)


# -- order ------------------------------------------------------------------------------------------------------------


def _order(rows: list[list[Vertex]]) -> None:
    """Fewer crossings: sweeps sort each layer by the mean place of its neighbours and exchange what crosses; the best
    order that was met is taken."""
    best, fewest = [list(row) for row in rows], _crossings(rows)
    for sweep in range(_SWEEPS):
        if not fewest:
            break
        down = sweep % 2 == 0
        place = {vertex: index for row in rows for index, vertex in enumerate(row)}
        for row in rows[1:] if down else reversed(rows[:-1]):
            row.sort(key=_mean_of(place, down))
            place.update((vertex, index) for index, vertex in enumerate(row))
        _exchange(rows, place)
        crossings = _crossings(rows)
        if crossings < fewest:
            best, fewest = [list(row) for row in rows], crossings
    for row, ordered in zip(rows, best, strict=True):
        row[:] = ordered


def _mean_of(place: Mapping[Vertex, int], down: bool) -> Callable[[Vertex], float]:
    def mean(vertex: Vertex) -> float:
        near = vertex.up if down else vertex.down
        return sum(place[other] for other in near) / len(near) if near else float(place[vertex])

    return mean


def _exchange(rows: list[list[Vertex]], place: dict[Vertex, int]) -> None:
    """Exchange neighbours while that takes crossings away, once through every layer."""
    for row in rows:
        for index in range(len(row) - 1):
            left, right = row[index], row[index + 1]
            now = _pair(left.up, right.up, place) + _pair(left.down, right.down, place)
            then = _pair(right.up, left.up, place) + _pair(right.down, left.down, place)
            if then < now:
                row[index], row[index + 1] = right, left
                place[left], place[right] = index + 1, index


def _pair(left: Sequence[Vertex], right: Sequence[Vertex], place: Mapping[Vertex, int]) -> int:
    """Crossings between the lines of two neighbours, `left` of them being those of the left one."""
    others = [place[vertex] for vertex in right]
    return sum(other < place[vertex] for vertex in left for other in others)


def _crossings(rows: Sequence[Sequence[Vertex]]) -> int:
    total = 0
    for upper, lower in pairwise(rows):
        place = {vertex: index for index, vertex in enumerate(lower)}
        seen: list[int] = []
        for vertex in upper:
            ends = [place[other] for other in vertex.down]
            total += sum(other > end for end in ends for other in seen)
            seen += ends
    return total


# -- coordinates ------------------------------------------------------------------------------------------------------


def place(rows: Sequence[Sequence[Vertex]], gap: int) -> None:
    """Give every vertex its place across, `gap` cells from its neighbours; sizes are known."""
    for row in rows:
        at = 0
        for vertex in row:
            vertex.at = at
            at += vertex.size + gap
    for sweep in range(_PLACINGS):
        for row in rows if sweep % 2 == 0 else reversed(rows):
            _settle(row, [_wish(vertex, sweep % 2 == 0) for vertex in row], gap)
    first = min((vertex.at for row in rows for vertex in row), default=0)
    for row in rows:
        for vertex in row:
            vertex.at -= first


def _wish(vertex: Vertex, down: bool) -> tuple[float, float]:
    """(where a vertex would stand, how much it matters)."""
    near = (vertex.up if down else vertex.down) or vertex.up or vertex.down
    if not near:
        return float(vertex.at), 1.0
    # the median, not the mean: a line through the middle of an odd number of neighbours is straight
    at = median(other.centre for other in near) - (vertex.centre - vertex.at)
    return at, 1.0 if vertex.node else float(_STRAIGHT)


def _settle(row: Sequence[Vertex], wishes: Sequence[tuple[float, float]], gap: int) -> None:
    """Put each vertex as near to its wish as order and distance allow (pool adjacent violators)."""
    offsets, total = [], 0
    for vertex in row:
        offsets.append(total)
        total += vertex.size + gap
    pools: list[tuple[float, float, int]] = []  # sum of weighted wishes, sum of weights, count
    for (wish, weight), offset in zip(wishes, offsets, strict=True):
        pools.append(((wish - offset) * weight, weight, 1))
        while len(pools) > 1 and pools[-2][0] / pools[-2][1] >= pools[-1][0] / pools[-1][1]:
            value, weight, count = pools.pop()
            before = pools[-1]
            pools[-1] = before[0] + value, before[1] + weight, before[2] + count
    places = [round(value / weight) for value, weight, count in pools for _ in range(count)]
    for vertex, start, offset in zip(row, places, offsets, strict=True):
        vertex.at = start + offset
