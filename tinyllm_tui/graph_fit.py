"""Which drawing of a graph a pane shows: the roomiest that fits, the way that suits its shape, or all of it small."""

from __future__ import annotations

import dataclasses
from functools import lru_cache

from tinyllm_tui.graph_layout import Drawing, GraphShape, Metrics, Style, Way, layout

_SIZES = (
    Metrics(boxed=True, detail=20, gap=3),
    Metrics(boxed=True, detail=16, gap=3),
    Metrics(boxed=True, detail=12, gap=3),
    Metrics(boxed=True, detail=9, gap=2),
    Metrics(boxed=True, detail=6, gap=2),
    Metrics(boxed=True, detail=4, gap=2),
    Metrics(boxed=True, detail=4, gap=2, telling=False),
    Metrics(boxed=False, detail=9, gap=2),
    Metrics(boxed=False, detail=5, gap=2),
    Metrics(boxed=False, detail=0, gap=2),
    Metrics(boxed=False, detail=0, gap=1),
)
"""From roomy to tight; the first that fits the pane is taken."""
_SCROLLED, _SCROLLED_NARROW = 7, 9
"""Which of them is taken where none fits: it can be read, and scrolls; in a narrow pane without what nodes do."""
_NARROW = 60
"""Columns below which a pane is narrow."""
_SMALL = (
    Metrics(boxed=False, detail=0, gap=1),
    Metrics(boxed=False, detail=0, gap=1, label=8),
    Metrics(boxed=False, detail=0, gap=1, label=8, arrows=False),
    Metrics(boxed=False, detail=0, gap=0, label=4, arrows=False),
    Metrics(boxed=False, detail=0, gap=0, label=0, arrows=False),
)
"""The same for the view of the whole: names get shorter, until signs alone are left."""
_FLAT = 5
"""Columns for each row from which on a pane is flat, so that edges had better lead to the right."""


@lru_cache(maxsize=64)
def drawing_of(shape: GraphShape, metrics: Metrics, ascii_only: bool) -> Drawing:
    """One drawing of a graph; cached, because only colours change while it runs."""
    return layout(shape, metrics, Style.of(ascii_only))


def choose(
    shape: GraphShape, size: tuple[int, int], *, way: Way | None, small: bool, ascii_only: bool
) -> tuple[Metrics, Drawing]:
    """The roomiest drawing that fits.

    Args:
        shape: the graph.
        size: (columns, rows) of the pane.
        way: which way edges lead; None for the one that suits the pane.
        small: the whole graph, with names as short as that takes.
        ascii_only: draw with ASCII characters alone.
    """
    width, height = size
    sizes = _SMALL if small else _SIZES
    ways: tuple[Way, ...] = (
        (way,) if way is not None else ("right", "down") if width > 5 * height else ("down", "right")
    )
    for metrics in sizes:
        for each in ways:
            chosen = dataclasses.replace(metrics, way=each)
            drawing = drawing_of(shape, chosen, ascii_only)
            if drawing.width <= width and drawing.height <= height:
                return chosen, drawing
    last = sizes[-1 if small else _SCROLLED_NARROW if width < _NARROW else _SCROLLED]
    turned = [dataclasses.replace(last, way=each) for each in ways]
    scrolled = [(metrics, drawing_of(shape, metrics, ascii_only)) for metrics in turned]
    return min(scrolled, key=lambda each: max(each[1].width / max(width, 1), each[1].height / max(height, 1)))
