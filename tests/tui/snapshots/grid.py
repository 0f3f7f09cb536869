"""What stands on a screen as text and as numbered styles, and how both are written into a file that people can read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from rich.cells import cell_len
from rich.style import Style
from textual.app import App
from textual.strip import Strip

Size = tuple[int, int]
_ATTRIBUTES = ("bold", "dim", "italic", "underline", "strike", "reverse")


@dataclass(frozen=True)
class Grid:
    """One picture of a screen: its rows, and the style of each cell."""

    text: tuple[str, ...]
    styles: tuple[tuple[str, ...], ...]


def picture(app: App[object]) -> Grid:
    """What the terminal shows of `app` now, the screens behind a dialog included."""
    screen = app.screen
    update = screen._compositor.render_update(full=True, screen_stack=app._background_screens)
    rows = [Strip.join(row) for row in update.strips]  # type: ignore[union-attr]
    return Grid(tuple(row.text.rstrip() for row in rows), tuple(_cells(row) for row in rows))


def _cells(row: Strip) -> tuple[str, ...]:
    found: list[str] = []
    for text, style, _ in row:
        found += [_named(style)] * cell_len(text)
    return tuple(found)


def _named(style: Style | None) -> str:
    if style is None:
        return "none"
    words = [name for name in _ATTRIBUTES if getattr(style, name)]
    colours = [
        "-" if colour is None else colour.triplet.hex if colour.triplet else colour.name
        for colour in (style.color, style.bgcolor)
    ]
    return " ".join([*words, "on".join(colours)])


def written(title: str, pictures: Mapping[Size, Sequence[Grid]], themes: Sequence[str]) -> str:
    """The file of one state: for each size the text, and under it the number of the style of each run of cells.

    A theme whose text is another one (what was resized need not be what is laid out anew) has its own.
    """
    numbers: dict[tuple[str, ...], int] = {}
    parts: list[str] = []
    for (width, height), grids in pictures.items():
        parts += [f"== {width}x{height}", *grids[0].text]
        for theme, grid in zip(themes[1:], grids[1:], strict=True):
            if grid.text != grids[0].text:
                parts += [f"== {width}x{height} {theme}", *grid.text]
        parts.append(f"-- {width}x{height} styles")
        parts += _style_rows(grids, numbers)
    legend = [f"{number} " + " | ".join(names) for names, number in numbers.items()]
    return "\n".join([title, f"styles: {' | '.join(themes)}", *legend, *parts, ""])


def _style_rows(grids: Sequence[Grid], numbers: dict[tuple[str, ...], int]) -> list[str]:
    rows: list[str] = []
    for cells in zip(*(grid.styles for grid in grids), strict=True):
        runs = [(names, len(list(group))) for names, group in groupby(zip(*cells, strict=True))]
        rows.append(" ".join(f"{numbers.setdefault(names, len(numbers))}x{size}" for names, size in runs))
    together = [(row, len(list(group))) for row, group in groupby(rows)]
    return [f"{count} rows: {row}" if count > 1 else row for row, count in together]
