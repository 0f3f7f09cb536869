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
    arrows: dict[Direction, str]
    ellipsis: str

    @classmethod
    def of(cls, ascii_only: bool) -> Style:
        return _ASCII_STYLE if ascii_only else _UNICODE_STYLE


_UNICODE_STYLE = Style(_UNICODE, {"down": "▼", "up": "▲", "left": "◀", "right": "▶"}, "…")
_ASCII_STYLE = Style(_ASCII, {"down": "v", "up": "^", "left": "<", "right": ">"}, "~")


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
    net: object = None
    """The lines that meet here; others only cross."""


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

    def port(self, x: int, y: int, way: Direction, edge: Edge) -> None:
        """A line that leaves a box through its border."""
        cell = self._cells.get((x, y))
        if cell is not None and cell.node and not cell.label:
            cell.mask |= {"down": S, "up": N, "left": W, "right": E}[way]
            if edge not in cell.edges:
                cell.edges.append(edge)

    def path(self, points: Sequence[tuple[int, int]], edge: Edge, net: object) -> None:
        """A line through `points`; the first and last lie on borders and are not drawn themselves.

        Lines of the same `net` merge where they meet; those of different ones cross.
        """
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
            self._line(x, y, mask, edge, net)

    def arrow(self, x: int, y: int, direction: Direction, edge: Edge) -> None:
        cell = self._cells.setdefault((x, y), _Cell())
        cell.char = self._style.arrows[direction]
        if edge not in cell.edges:
            cell.edges.append(edge)

    def finish(self) -> Drawing:
        cells: list[list[tuple[int, _Cell]]] = [[] for _ in range(self.height)]
        for (x, y), cell in self._cells.items():
            cells[y].append((x, cell))
        rows = tuple(self._row(row) for row in cells)
        by_row: dict[int, list[Slot]] = {}
        for slot in self._slots.values():
            by_row.setdefault(slot.y, []).append(slot)
        slots = {y: tuple(sorted(found, key=lambda slot: slot.x)) for y, found in by_row.items()}
        return Drawing(self.width, self.height, rows, self._slots, slots, self._boxes)

    def _frame(self, x: int, y: int, mask: int, node: str) -> None:
        self._cells[x, y] = _Cell(mask=mask, node=node)

    def _words(self, x: int, y: int, text: str, node: str) -> None:
        column = x
        for char in text:
            width = cell_len(char)
            if not width:  # a combining mark belongs to the character before it
                self._cells[column - 1, y].char += char
                continue
            self._cells[column, y] = _Cell(char=char, node=node, label=True)
            if width == 2:
                self._cells.pop((column + 1, y), None)
            column += width

    def _line(self, x: int, y: int, mask: int, edge: Edge, net: object) -> None:
        cell = self._cells.get((x, y))
        if cell is None:
            self._cells[x, y] = _Cell(mask=mask, edges=[edge], net=net)
            return
        if cell.node:
            return  # a border stays whole; ports and arrows show where lines meet it
        upright, level = N | S, E | W
        if cell.net != net and {cell.mask, mask} == {upright, level}:
            # strangers cross without meeting: the upright one is drawn whole
            if mask == upright:
                cell.mask, cell.edges, cell.net = mask, [edge], net
            return
        cell.mask |= mask
        if edge not in cell.edges:
            cell.edges.append(edge)

    def _row(self, cells: list[tuple[int, _Cell]]) -> tuple[Run, ...]:
        """The runs of a row of cells: neighbours that are coloured alike."""
        cells.sort(key=lambda each: each[0])
        runs: list[Run] = []
        text, start, end, first = "", 0, -1, _Cell()
        for x, cell in cells:
            alike = cell.node == first.node and cell.label == first.label and cell.edges == first.edges
            if x != end or not alike:
                if text:
                    runs.append(Run(start, text, first.node, first.label, tuple(first.edges)))
                text, start, end, first = "", x, x, cell
            char = cell.char or self._style.lines[cell.mask]
            text += char
            end += 1 if char.isascii() or not cell.label else cell_len(char)
        if text:
            runs.append(Run(start, text, first.node, first.label, tuple(first.edges)))
        return tuple(runs)
