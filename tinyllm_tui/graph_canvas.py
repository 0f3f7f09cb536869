"""A canvas of characters on which lines merge: every cell keeps the directions in which lines leave it.

Cells also know their node or edges, so that a change of state only recolours them and a click finds its node.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from rich.cells import cell_len, set_cell_size

Edge = tuple[str, str]
"""(source, target)."""

Direction = Literal["up", "down", "left", "right"]

N, E, S, W = 1, 2, 4, 8

_UNICODE = {
    0: " ", N: "│", S: "│", N | S: "│", E: "─", W: "─", E | W: "─",
    N | E: "╰", N | W: "╯", S | E: "╭", S | W: "╮",
    N | S | E: "├", N | S | W: "┤", E | W | S: "┬", E | W | N: "┴", N | E | S | W: "┼",
}  # fmt: skip
_ASCII = {mask: "|" if mask in (N, S, N | S) else "-" if mask in (E, W, E | W) else "+" for mask in range(16)} | {
    0: " "
}


@dataclass(frozen=True, slots=True)
class Style:
    """The characters that lines are made of."""

    lines: dict[int, str]
    down: str
    left: str
    ellipsis: str

    @classmethod
    def of(cls, ascii_only: bool) -> Style:
        return _ASCII_STYLE if ascii_only else _UNICODE_STYLE


_UNICODE_STYLE = Style(_UNICODE, "▼", "◀", "…")
_ASCII_STYLE = Style(_ASCII, "v", "<", "~")


@dataclass(frozen=True, slots=True)
class Slot:
    """Where the live detail of a node is written."""

    node: str
    x: int
    y: int
    width: int


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbouring cells of a row that are coloured alike."""

    x: int
    text: str
    node: str = ""
    """The node that the cells belong to."""
    label: bool = False
    """Whether they are its name."""
    edges: tuple[Edge, ...] = ()
    """The edges that pass here."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """A finished layout: `rows[y]` are runs in order of x, without holes being listed."""

    width: int
    height: int
    rows: tuple[tuple[Run, ...], ...]
    slots: dict[str, Slot]
    slots_by_row: dict[int, tuple[Slot, ...]]
    boxes: dict[str, tuple[int, int, int, int]]
    """Node -> (x, y, width, height)."""

    def node_at(self, x: int, y: int) -> str | None:
        for node, (left, top, width, height) in self.boxes.items():
            if left <= x < left + width and top <= y < top + height:
                return node
        return None

    def beside(self, node: str, direction: Direction) -> str | None:
        """The nearest node above, below, left or right of `node`; None where there is none."""
        x, y, width, height = self.boxes[node]
        found: list[tuple[int, int, str]] = []
        for other, (left, top, wide, high) in self.boxes.items():
            aside, along = abs(2 * left + wide - 2 * x - width), abs(2 * top + high - 2 * y - height)
            beyond = {
                "up": top + high <= y,
                "down": top >= y + height,
                "left": left + wide <= x and top < y + height and y < top + high,
                "right": left >= x + width and top < y + height and y < top + high,
            }
            if beyond[direction]:
                found.append((along, aside, other) if direction in ("up", "down") else (aside, along, other))
        return min(found)[2] if found else None

    def text(self, detail: Callable[[Slot], str]) -> list[str]:
        """The rows as plain text, with `detail` written into every slot."""
        lines = []
        for y, runs in enumerate(self.rows):
            pieces = [(run.x, run.text) for run in runs]
            pieces += [(slot.x, set_cell_size(detail(slot), slot.width)) for slot in self.slots_by_row.get(y, ())]
            line = ""
            for x, text in sorted(pieces):
                line = set_cell_size(line, x) + text
            lines.append(line.rstrip())
        return lines


@dataclass(slots=True)
class _Cell:
    mask: int = 0
    char: str = ""
    node: str = ""
    label: bool = False
    edges: list[Edge] = field(default_factory=list)


class Canvas:
    """Collects boxes and lines; `finish` turns them into a `Drawing`."""

    def __init__(self, width: int, height: int, style: Style) -> None:
        self.width, self.height, self._style = width, height, style
        self._cells: dict[tuple[int, int], _Cell] = {}
        self._slots: dict[str, Slot] = {}
        self._boxes: dict[str, tuple[int, int, int, int]] = {}

    def box(self, x: int, y: int, width: int, label: str, node: str) -> None:
        """A box of three rows with its name in the upper border and a slot inside."""
        right, bottom = x + width - 1, y + 2
        for column in range(x + 1, right):
            self._frame(column, y, E | W, node)
            self._frame(column, bottom, E | W, node)
        self._frame(x, y, S | E, node)
        self._frame(right, y, S | W, node)
        self._frame(x, bottom, N | E, node)
        self._frame(right, bottom, N | W, node)
        self._frame(x, y + 1, N | S, node)
        self._frame(right, y + 1, N | S, node)
        self._words(x + 2, y, f" {label} ", node)
        self._slots[node] = Slot(node, x + 2, y + 1, width - 4)
        self._boxes[node] = (x, y, width, 3)

    def chip(self, x: int, y: int, width: int, node: str) -> None:
        """A node of one row: the slot takes all of it, name included, because a glyph comes first."""
        self._slots[node] = Slot(node, x, y, width)
        self._boxes[node] = (x, y, width, 1)

    def port(self, x: int, y: int, edge: Edge) -> None:
        """A line that leaves a box through its lower border."""
        cell = self._cells.get((x, y))
        if cell is not None and cell.node:
            cell.mask |= S
            if edge not in cell.edges:
                cell.edges.append(edge)

    def vertical(self, x: int, top: int, bottom: int, edge: Edge) -> None:
        for y in range(top, bottom + 1):
            self._line(x, y, N | S, edge)

    def path(self, points: Sequence[tuple[int, int]], edge: Edge) -> None:
        """A line through `points`; the first and last lie on borders and are not drawn themselves."""
        masks: dict[tuple[int, int], int] = {}
        for (x1, y1), (x2, y2) in pairwise(points):
            dx, dy = (x2 > x1) - (x2 < x1), (y2 > y1) - (y2 < y1)
            ahead, behind = (E, W) if dx > 0 else (W, E) if dx < 0 else (S, N) if dy > 0 else (N, S)
            x, y = x1, y1
            while (x, y) != (x2, y2):
                masks[x, y] = masks.get((x, y), 0) | ahead
                x, y = x + dx, y + dy
                masks[x, y] = masks.get((x, y), 0) | behind
        for place in (points[0], points[-1]):
            masks.pop(place, None)
        for (x, y), mask in masks.items():
            self._line(x, y, mask, edge)

    def arrow(self, x: int, y: int, direction: str, edge: Edge) -> None:
        cell = self._cells.setdefault((x, y), _Cell())
        cell.char = self._style.down if direction == "down" else self._style.left
        if edge not in cell.edges:
            cell.edges.append(edge)

    def finish(self) -> Drawing:
        rows = tuple(self._row(y) for y in range(self.height))
        by_row: dict[int, list[Slot]] = {}
        for slot in self._slots.values():
            by_row.setdefault(slot.y, []).append(slot)
        slots = {y: tuple(sorted(found, key=lambda slot: slot.x)) for y, found in by_row.items()}
        return Drawing(self.width, self.height, rows, self._slots, slots, self._boxes)

    def _frame(self, x: int, y: int, mask: int, node: str) -> None:
        self._cells[x, y] = _Cell(mask=mask, node=node)

    def _words(self, x: int, y: int, text: str, node: str) -> None:
        for offset, char in enumerate(text):
            self._cells[x + offset, y] = _Cell(char=char, node=node, label=True)

    def _line(self, x: int, y: int, mask: int, edge: Edge) -> None:
        cell = self._cells.get((x, y))
        if cell is None:
            self._cells[x, y] = _Cell(mask=mask, edges=[edge])
            return
        if cell.node:
            return  # a border stays whole; ports and arrows show where lines meet it
        related = any(edge[0] == other[0] or edge[1] == other[1] for other in cell.edges)
        upright, level = N | S, E | W
        if not related and {cell.mask, mask} == {upright, level}:
            # strangers cross without meeting: the upright one is drawn whole
            if mask == upright:
                cell.mask, cell.edges = mask, [edge]
            return
        cell.mask |= mask
        if edge not in cell.edges:
            cell.edges.append(edge)

    def _row(self, y: int) -> tuple[Run, ...]:
        runs: list[Run] = []
        for x in range(self.width):
            cell = self._cells.get((x, y))
            if cell is None:
                continue
            text = cell.char or self._style.lines[cell.mask]
            last = runs[-1] if runs else None
            edges = tuple(cell.edges)
            if (
                last is not None
                and last.x + cell_len(last.text) == x
                and (last.node, last.label, last.edges) == (cell.node, cell.label, edges)
            ):
                runs[-1] = Run(last.x, last.text + text, cell.node, cell.label, edges)
            else:
                runs.append(Run(x, text, cell.node, cell.label, edges))
        return tuple(runs)
