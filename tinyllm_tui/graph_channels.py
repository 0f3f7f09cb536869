"""Lines between two layers: which of them share a track, in which order the tracks lie, and where lines touch a box.

Channel routing after Hashimoto and Stevens, "Wire Routing by Optimizing Channel Assignment within Large Apertures",
1971, with vertical constraints and a choice of the order that crosses least.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from tinyllm_tui.graph_canvas import Edge
from tinyllm_tui.graph_layers import Vertex

_MARGIN = 2
"""Cells of a box's side, from its corner, at which no line begins or ends."""


@dataclass(slots=True, eq=False)
class Net:
    """Lines that run together: every upper end reaches every lower end."""

    ups: dict[Vertex, int] = field(default_factory=dict)
    """Vertex above -> the cell across at which its line begins."""
    lows: dict[Vertex, int] = field(default_factory=dict)
    """Vertex below -> the cell across at which its line ends."""
    lane: int | None = None
    """Of a line to or from a lane: where that runs."""
    back: Edge | None = None
    """The edge that takes the lane; its source for lines out."""
    track: int = -1
    """Counted from above; -1 where the line is straight."""

    @property
    def low(self) -> int:
        return min(self._cells())

    @property
    def high(self) -> int:
        return max(self._cells())

    def _cells(self) -> Iterator[int]:
        yield from self.ups.values()
        yield from self.lows.values()
        if self.lane is not None:
            yield self.lane


def channel(upper: Sequence[Vertex], backs: Iterable[Net]) -> tuple[list[Net], int]:
    """The nets below the vertices `upper`, with their tracks; and how many tracks there are.

    Args:
        upper: the layer above the channel.
        backs: lines of back edges in this channel, from or to a lane; their ends are set here.
    """
    nets: dict[frozenset[Vertex], Net] = {}
    for vertex in upper:
        if vertex.down:
            net = nets.setdefault(frozenset(vertex.down), Net())
            net.ups[vertex] = vertex.centre
            net.lows.update((below, below.centre) for below in vertex.down)
    every = [*nets.values(), *backs]
    _spread(every, above=True)
    _spread(every, above=False)
    _straighten(every)
    _part(every)
    return every, _tracks(every)


def _ends(net: Net, *, above: bool) -> dict[Vertex, int]:
    return net.ups if above else net.lows


def _spread(nets: Sequence[Net], *, above: bool) -> None:
    """Where several nets touch one side of a box, give each a cell of its own, in the order in which they come."""
    touching: dict[Vertex, list[Net]] = {}
    for net in nets:
        for vertex in _ends(net, above=above):
            touching.setdefault(vertex, []).append(net)
    for vertex, several in touching.items():
        step = min((vertex.reach - 2 * _MARGIN) // len(several), 4)
        if len(several) < 2 or step < 1:
            continue
        several.sort(key=lambda net: _from(net, above))
        first = max(vertex.centre - step * (len(several) - 1) // 2, vertex.at + _MARGIN)
        for index, net in enumerate(several):
            _ends(net, above=above)[vertex] = first + step * index


def _from(net: Net, above: bool) -> float:
    """Where the other ends of a net are, on average."""
    far = [*_ends(net, above=not above).values(), *(() if net.lane is None else (net.lane,))]
    return float(sum(far) / len(far))


def _straighten(nets: Sequence[Net]) -> None:
    """A line from one to one goes straight where a box at one of its ends is wide enough."""
    for net in nets:
        if len(net.ups) != 1 or len(net.lows) != 1 or net.lane is not None:
            continue
        (upper, start), (lower, end) = *net.ups.items(), *net.lows.items()
        if start != end and _free(nets, net, lower, start, above=False):
            net.lows[lower] = start
        elif start != end and _free(nets, net, upper, end, above=True):
            net.ups[upper] = end


def _free(nets: Sequence[Net], net: Net, vertex: Vertex, cell: int, *, above: bool) -> bool:
    """Whether the end of `net` at `vertex` can be moved to `cell`."""
    if not vertex.node or not vertex.at + _MARGIN <= cell < vertex.at + vertex.reach - _MARGIN:
        return False
    others = [cells for other in nets if other is not net for cells in (other.ups, other.lows)]
    return all(cell not in cells.values() for cells in others) and all(
        vertex not in _ends(other, above=above) for other in nets if other is not net
    )


def _part(nets: Sequence[Net]) -> None:
    """Where a line of one net begins just above the end of another's, move that end aside if the box has room."""
    begun = {cell: net for net in nets for cell in net.ups.values()}
    ended = {cell for net in nets for cell in net.lows.values()}
    for net in nets:
        for vertex, cell in net.lows.items():
            if not vertex.node or begun.get(cell, net) is net:
                continue
            inside = range(vertex.at + _MARGIN, vertex.at + vertex.reach - _MARGIN)
            for aside in (cell + 1, cell - 1, cell + 2, cell - 2):
                if aside in inside and aside not in begun and aside not in ended:
                    ended.add(aside)
                    net.lows[vertex] = aside
                    break


def _tracks(nets: Sequence[Net]) -> int:
    """Give every net that is not straight a track that nothing else takes there. Returns how many there are."""
    bent = [net for net in nets if net.low != net.high]
    span = {net: (net.low, net.high) for net in bent}
    after: dict[Net, set[Net]] = {net: set() for net in bent}
    wishes: list[tuple[int, Net, Net]] = []
    for one, other in combinations(bent, 2):
        if span[one][1] + 1 < span[other][0] or span[other][1] + 1 < span[one][0]:
            continue
        over, under = _cost(one, other, span), _cost(other, one, span)
        wishes.append((under - over, one, other) if over <= under else (over - under, other, one))
    for _, first, second in sorted(wishes, key=lambda wish: -wish[0]):
        if not _reaches(second, first, after):
            after[first].add(second)
    tracks = _longest(bent, after)
    for net in bent:
        net.track = tracks[net]
    return max(tracks.values(), default=-1) + 1


def _cost(over: Net, under: Net, span: dict[Net, tuple[int, int]]) -> int:
    """How many lines cross where the track of `over` lies above that of `under`; where they would run into each other
    and could not be told apart, very many."""
    low, high = span[under]
    crossing = sum(low <= cell <= high for cell in over.lows.values())
    low, high = span[over]
    crossing += sum(low <= cell <= high for cell in under.ups.values())
    clash = set(under.ups.values()) & set(over.lows.values())
    return crossing + 1000 * len(clash)


def _reaches(start: Net, goal: Net, after: dict[Net, set[Net]]) -> bool:
    seen, stack = {start}, [start]
    while stack:
        net = stack.pop()
        if net is goal:
            return True
        stack += after[net] - seen
        seen |= after[net]
    return False


def _longest(nets: Sequence[Net], after: dict[Net, set[Net]]) -> dict[Net, int]:
    """The first track of each net that lies below those of all that come before it."""
    before = dict.fromkeys(nets, 0)
    for following in after.values():
        for net in following:
            before[net] += 1
    track = dict.fromkeys(nets, 0)
    ready = [net for net in nets if not before[net]]
    while ready:
        net = ready.pop()
        for following_net in after[net]:
            track[following_net] = max(track[following_net], track[net] + 1)
            before[following_net] -= 1
            if not before[following_net]:
                ready.append(following_net)
    return track
