"""Drawing a large graph: the layout of 60 nodes and 90 edges, with boxes and in the small view."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from tests.benchmarks.measure import Figure, alternate, spread
from tinyllm_tui.graph_layout import GraphShape, Metrics, Style, layout

NODES, EDGES = 60, 90
BUDGET_S = 0.025
"""Seconds of CPU time: what the issue of the cockpit allows."""


def run(short: bool) -> list[Figure]:
    shape, rounds = large_graph(), 3 if short else 31
    boxes, right, small, bare = alternate(
        rounds,
        _drawing(shape, Metrics()),
        _drawing(shape, Metrics(way="right")),
        _drawing(shape, Metrics(boxed=False, detail=0, gap=0, label=4, arrows=False)),
        lambda: _bare(shape),
    )
    against = "longest-path layers alone, of the same graph"
    what = f"layout of {NODES} nodes and {EDGES} edges"
    how = "CPU time of `layout`"
    return [
        Figure(f"{what}, boxes from top to bottom", "ms", spread(boxes), how, BUDGET_S, spread(bare), against),
        Figure(f"{what}, boxes from left to right", "ms", spread(right), how, BUDGET_S, spread(bare), against),
        Figure(f"{what}, the small view", "ms", spread(small), how, BUDGET_S, spread(bare), against),
    ]


def large_graph() -> GraphShape:
    """A connected graph without cycles whose edges reach up to twelve nodes far, the same every time."""
    choice = random.Random(7)
    names = [f"node_{number}" for number in range(NODES)]
    edges = {(names[max(0, n - choice.randint(1, 6))], names[n]): None for n in range(1, NODES)}
    while len(edges) < EDGES:
        source = choice.randrange(NODES - 1)
        target = min(source + choice.randint(1, 12), NODES - 1)
        edges[names[source], names[target]] = None
    return GraphShape(tuple(names), tuple(edges), (names[0],))


def _drawing(shape: GraphShape, metrics: Metrics) -> Callable[[], float]:
    style = Style.of(ascii_only=False)

    def measure() -> float:
        start = time.process_time()
        drawing = layout(shape, metrics, style)
        taken = time.process_time() - start
        assert len(drawing.boxes) == NODES
        return taken

    return measure


def _bare(shape: GraphShape) -> float:
    start = time.process_time()
    level = dict.fromkeys(shape.nodes, 0)
    for _ in shape.nodes:
        before = dict(level)
        for source, target in shape.edges:
            level[target] = max(level[target], level[source] + 1)
        if level == before:
            break
    return time.process_time() - start
