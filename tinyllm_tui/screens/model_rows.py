"""How a model is drawn as one row of the list of models, at any width."""

from __future__ import annotations

from dataclasses import dataclass

from rich.cells import cell_len
from textual.content import Content

from engine.models.catalogue import parameters_b, tier_of
from engine.models.protocol import ModelInfo
from tinyllm_tui.model_words import file_size
from tinyllm_tui.sanitize import one_line
from tinyllm_tui.words import Glyphs, count, cut, parameters

_NARROW, _MIDDLE = 50, 74
"""Columns from which on there is room for the facts, and for all of them."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Widths; 0 leaves a column out."""

    name: int
    size: int = 8
    parameters: int = 7
    tier: int = 5
    window: int = 7
    quantization: int = 8
    loaded: int = 7
    roles: int = 0


def columns(width: int) -> Columns:
    """The widths of the columns of rows of `width` columns, of which two are for the sign."""
    room = width - 2
    if width < _NARROW:
        return Columns(max(room - 8, 8), 8, 0, 0, 0, 0, 0, 0)
    if width < _MIDDLE:
        return Columns(max(room - 40, 12), 8, 7, 5, 7, 0, 0, 13)
    rest = room - 42
    name = min(max(rest * 3 // 5, 20), 48)
    return Columns(name, roles=rest - name)


def heading(layout: Columns) -> Content:
    """The names of the columns."""
    return Content(
        f"    {_cells('MODEL', 'SIZE', 'PARAMS', 'TIER', 'WINDOW', 'QUANT', 'LOADED', 'ANSWERS FOR', layout, '')}"
    )


def row_content(model: ModelInfo, roles: str, layout: Columns, signs: Glyphs) -> Content:
    """A row; the sign says that the model is loaded, and a word too where there is room."""
    billions = parameters_b(model)
    cells = _cells(
        one_line(model.name, 200),
        file_size(model.size_bytes),
        "-" if billions is None else parameters(billions),
        str(tier_of(model)),
        count(model.window) if model.window else "-",
        one_line(model.quantization, 40) or "-",
        "loaded" if model.loaded else "-",
        roles,
        layout,
        signs.ellipsis,
    )
    sign = signs.breakers["closed"] if model.loaded else " "
    style = "bold" if roles else ""
    return Content.assemble((f"{sign} ", "$success"), (cells, style))


def _cells(
    name: str, size: str, params: str, tier: str, window: str, quant: str, loaded: str, roles: str,
    layout: Columns, ellipsis: str,
) -> str:  # fmt: skip
    left = (
        (tier, layout.tier), (quant, layout.quantization), (loaded, layout.loaded), (roles, layout.roles)
    )  # fmt: skip
    right = ((size, layout.size), (params, layout.parameters), (window, layout.window))
    shown = [_cell(name, layout.name, ellipsis)]
    shown += [cut(text, width - 1, ellipsis).rjust(width - 1) + " " for text, width in right if width]
    shown += [_cell(text, width, ellipsis) for text, width in left if width]
    return "".join(shown).rstrip()


def _cell(text: str, width: int, ellipsis: str) -> str:
    """Text and at least one space."""
    fitting = cut(text, width - 1, ellipsis)
    return fitting + " " * (width - cell_len(fitting))
