"""The live part of a drawn node: its sign, name, what it does, and its breaker, in the columns that there are."""

from __future__ import annotations

from dataclasses import dataclass

from rich.cells import cell_len

from tinyllm_tui.graph_canvas import Slot, Style
from tinyllm_tui.graph_layout import LABEL, Metrics, short_name
from tinyllm_tui.sanitize import one_line
from tinyllm_tui.widgets.graph_lit import Lit
from tinyllm_tui.words import Glyphs, Line, Span, Tone, cut

CALM: frozenset[Tone] = frozenset({"node_idle", "node_skipped"})
"""Nodes that did nothing: their names are not strong."""
_TELLING = 5
"""Columns that a piece of a word needs to say something."""
_BESIDE = 4
"""Free columns beside a node from which on what it does stands there."""


@dataclass(frozen=True, slots=True)
class NodeDrawing:
    """How nodes are written.

    Args:
        lit: states and details.
        metrics: of the drawing.
        signs: the characters of states.
        style: of the drawing.
        selected: the selected node; empty where none is.
    """

    lit: Lit
    metrics: Metrics
    signs: Glyphs
    style: Style
    selected: str = ""

    def spans(self, slot: Slot, free: int) -> list[Span]:
        """The node of `slot`; `free` is the number of columns beside it that nothing is drawn in."""
        sign, tone, detail = self._state(slot.node)
        breaker = self.lit.breakers.get(slot.node, ("", "text"))
        calm: Tone = "dim" if tone == "node_ok" else tone
        if self.metrics.boxed:
            room = slot.width - 2 - (2 if breaker[0] else 0)
            words = _fitting(detail, room, self.signs.ellipsis)
            spans: list[Span] = [(f"{sign} ", tone), (_filled(words, room), calm)]
            return [*spans, (" ", "text"), breaker] if breaker[0] else spans
        name = short_name(slot.node, self.style, self.metrics.label)
        marked = slot.node == self.selected
        strong: Tone = "title" if marked else "strong" if tone not in CALM else "dim"
        spans = [(self.signs.prompt if marked else " ", "title"), (sign, "title" if marked else tone)]
        spans += [(" ", "text"), (name, strong)] if name else []
        room = slot.width - 2 - (1 + cell_len(name) if name else 0)
        if room:
            spans.append(breaker if breaker[0] else (" ", "text"))
            room -= 1
        if room and breaker[0]:
            spans.append((" ", "text"))
            room -= 1
        if name and not room and free >= _BESIDE:
            room = min(free, cell_len(detail))
        spans.append((_filled(_fitting(detail, room, self.signs.ellipsis), room), calm))
        return spans

    def caption(self, node: str, width: int) -> Line:
        """A node in words, for a drawing in which names are short; nothing where they are whole."""
        if not node or self.metrics.boxed or self.metrics.label >= LABEL:
            return ()
        sign, tone, detail = self._state(node)
        name = cut(one_line(node, 200), max(width - 3, 0), self.signs.ellipsis)
        room = max(width - 4 - cell_len(name), 0)
        return ((f" {sign} ", tone), (name, "strong"), (f" {cut(detail, room, self.signs.ellipsis)}", "dim"))

    def _state(self, node: str) -> tuple[str, Tone, str]:
        return self.lit.nodes.get(node, (self.signs.nodes["idle"], "node_idle", ""))


def _fitting(detail: str, room: int, ellipsis: str) -> str:
    """As many words of `detail` as there is room for; of the first a piece, where that still says something."""
    if cell_len(detail) > room:
        detail = detail.replace(" tok/s", "/s")  # never a figure without its unit
    words = detail.split(" ")
    while len(words) > 1 and cell_len(" ".join(words)) > room:
        words.pop()
    if words[-1] in ("try", "retry"):
        words.pop()
    fits = cell_len(" ".join(words)) <= room
    return cut(" ".join(words), room, ellipsis) if fits or room >= _TELLING else ""


def _filled(words: str, room: int) -> str:
    return words + " " * max(room - cell_len(words), 0)
