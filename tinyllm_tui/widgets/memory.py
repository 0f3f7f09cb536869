"""The memory pane: how full each context selection is, of what, and what was pruned from it and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from rich.cells import cell_len
from textual.binding import BindingType
from textual.events import Click
from textual.message import Message

from engine.view import MemoryView, PruneView
from tinyllm_tui.keymap import bindings
from tinyllm_tui.sanitize import one_line
from tinyllm_tui.widgets.lines import LineView
from tinyllm_tui.words import UNICODE, Glyphs, Line, Span, Tone, count, cut, duration, wrapped

PRUNE_AT = 0.8
"""Share at which the engine prunes, of the window less what is kept free for the answer."""

_KINDS: dict[str, Tone] = {
    "system": "memory_system",
    "question": "memory_question",
    "history": "memory_history",
    "upstream": "memory_upstream",
    "note": "memory_note",
    "recalled": "memory_recalled",
    "tool": "memory_tool",
    "summary": "memory_summary",
}
"""Kinds of messages, in the order in which they are drawn."""
_UNICODE_FILLS = "█▓▒▚▞▤▥▦"
_ASCII_FILLS = "#=+o*%@&"
"""One for each of `_KINDS`: kinds are told apart without colour too."""
EMPTY = (
    "How many tokens of which kind each model is given to read, and how full that makes its window. At 80 % of what "
    "the answer leaves of it, messages go."
)
EMPTY_SHORT = "What each model is given to read."
"""The same where there is little room."""


def memory_lines(memory: Mapping[str, MemoryView], width: int, signs: Glyphs = UNICODE) -> list[Line]:
    """A gauge for each selection, the latest last."""
    return [line for line, _ in _rows(memory, width, signs)]


def _rows(memory: Mapping[str, MemoryView], width: int, signs: Glyphs) -> list[tuple[Line, PruneView | None]]:
    """Every line, with the pruning that it tells of."""
    if not memory:
        return [(line, None) for line in wrapped(((EMPTY, "faint"),), max(width, 20))]
    rows: list[tuple[Line, PruneView | None]] = []
    for selection in memory.values():
        rows += [(line, None) for line in _block(selection, width, signs)]
        for prune in selection.prunes[-3:]:
            rows += [(line, prune) for line in _prune(prune, width, signs)]
    return rows


def _limit(memory: MemoryView) -> float:
    """Tokens over which messages go."""
    return PRUNE_AT * max(memory.window - memory.reserved, 0)


def _block(memory: MemoryView, width: int, signs: Glyphs) -> list[Line]:
    used = memory.reported if memory.reported is not None else memory.tokens
    share = used / memory.window if memory.window else 0.0
    tone: Tone = "error" if share >= 0.95 else "warn" if used >= _limit(memory) else "ok"
    figures = f"{count(used)}/{count(memory.window)} tokens"
    percent = f"{share * 100:.0f}%"
    path, _, model = memory.selection.partition(" ")
    name = cut(one_line(path), max(width - len(figures) - 2, 6), signs.ellipsis)
    rest = max(width - cell_len(name) - len(figures) - 3, 0)
    shown_model = cut(one_line(model), rest, signs.ellipsis) if rest >= 6 else ""
    pad = " " * max(width - cell_len(name) - cell_len(shown_model) - 1 - len(figures), 1)
    lines: list[Line] = [((name, "strong"), (" ", "text"), (shown_model, "faint"), (pad, "text"), (figures, "dim"))]
    lines.append((*_gauge(memory, used, max(width - 5, 10), signs), (f"{percent:>5}", tone)))
    return lines + _legend(memory, width, signs)


def _kinds(memory: MemoryView, signs: Glyphs) -> list[tuple[str, int, Span]]:
    """Kind, tokens, and the cell it is drawn with."""
    fills = _UNICODE_FILLS if signs.full == UNICODE.full else _ASCII_FILLS
    known = {kind: index for index, kind in enumerate(_KINDS)}
    kinds = sorted(memory.by_kind.items(), key=lambda item: known.get(item[0], 99))
    cells = {kind: (fills[index], _KINDS[kind]) for kind, index in known.items()}
    return [(kind, tokens, cells.get(kind, (signs.full, "dim"))) for kind, tokens in kinds if tokens > 0]


def _gauge(memory: MemoryView, used: int, width: int, signs: Glyphs) -> list[Span]:
    """The window as a bar: one colour and filling for each kind, a mark where pruning begins."""
    filled = min(round(width * used / memory.window), width) if memory.window else 0
    filled = max(filled, 1) if used else 0
    kinds = _kinds(memory, signs)
    total = sum(tokens for _, tokens, _ in kinds) or 1
    cells: list[Span] = []
    done = 0
    for _kind, tokens, cell in kinds:
        done += tokens
        cells += [cell] * (round(filled * done / total) - len(cells))
    cells += [(signs.full, "dim")] * (filled - len(cells))
    cells += [(signs.empty, "faint")] * (width - len(cells))
    mark = min(round(width * _limit(memory) / memory.window), width - 1) if memory.window else width - 1
    cells[mark] = (signs.limit, "warn")
    return cells


def _legend(memory: MemoryView, width: int, signs: Glyphs) -> list[Line]:
    """Tokens of each kind, and below them what stays in any case, on as many lines as they take."""
    parts: list[tuple[Span, ...]] = [
        (cell, (f" {one_line(kind, 20)} {count(tokens)}", "dim")) for kind, tokens, cell in _kinds(memory, signs)
    ]
    facts = [f"{memory.messages} messages"]
    facts += [f"pinned {count(memory.pinned)}"] if memory.pinned else []
    facts += [f"kept for the answer {count(memory.reserved)}"] if memory.reserved else []
    faint: list[tuple[Span, ...]] = [((fact, "faint"),) for fact in facts]
    return [*_flowing(parts, width), *_flowing(faint, width)] if parts else []


def _flowing(parts: list[tuple[Span, ...]], width: int) -> list[Line]:
    """`parts` one after the other, none of them broken."""
    lines: list[list[Span]] = [[]]
    used = 0
    for part in parts:
        size = sum(cell_len(text) for text, _ in part)
        if used and used + 2 + size > width:
            lines.append([])
            used = 0
        if used:
            lines[-1].append(("  ", "text"))
            used += 2
        lines[-1] += part
        used += size
    return [tuple(line) for line in lines]


def _prune(prune: PruneView, width: int, signs: Glyphs) -> list[Line]:
    gone = len(prune.removed) + prune.unlisted
    head = (
        f"{signs.marks['prune']} {duration(prune.t_ms)} pruned {gone}: "
        f"{count(prune.tokens_before)} to {count(prune.tokens_after)} tokens"
    )
    reason = one_line(prune.reason)
    lines: list[Line] = [((cut(head, width, signs.ellipsis), "warn"),)]
    if reason:
        lines.append(((cut(f"  why: {reason}", width, signs.ellipsis), "dim"),))
    lines += [((cut(f"  - {one_line(what)}", width, signs.ellipsis), "faint"),) for what in prune.removed[:4]]
    if gone > 4:
        lines.append(((f"  and {gone - min(len(prune.removed), 4)} more", "faint"),))
    return lines


def prunes_of(memory: Mapping[str, MemoryView]) -> list[PruneView]:
    """The prunings of all selections, the oldest first."""
    found = [prune for selection in memory.values() for prune in selection.prunes]
    return sorted(found, key=lambda prune: prune.t_ms)


def memory_summary(memory: Mapping[str, MemoryView]) -> str:
    """What stands in the pane's border: the fullest selection, and how many messages were pruned."""
    shares = [(m.reported or m.tokens) / m.window for m in memory.values() if m.window]
    if not shares:
        return ""
    pruned = sum(len(prune.removed) + prune.unlisted for prune in prunes_of(memory))
    return f"fullest {max(shares) * 100:.0f}%" + (f", {pruned} pruned" if pruned else "")


class MemoryPane(LineView):
    """Context selections; what was pruned from them is opened with Enter, or a click."""

    BINDINGS: ClassVar[list[BindingType]] = list(bindings("memory"))

    class PruneOpened(Message):
        """A person wants to see what a pruning took out."""

        def __init__(self, prune: PruneView) -> None:
            super().__init__()
            self.prune = prune

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._told: list[PruneView | None] = []
        """For each line: the pruning that it tells of."""
        self._latest: PruneView | None = None

    def show(self, memory: Mapping[str, MemoryView], signs: Glyphs) -> None:
        """Show how full they are now."""

        def make(width: int) -> list[Line]:
            rows = _rows(memory, width, signs)
            if not memory and len(rows) > self.size.height:
                rows = [(((cut(EMPTY_SHORT, width, signs.ellipsis), "faint"),), None)]
            self._told = [prune for _, prune in rows]
            return [line for line, _ in rows]

        before, self._latest = self._latest, next(reversed(prunes_of(memory)), None)
        self.make_lines(make)
        if (before is None) != (self._latest is None):
            self.refresh_bindings()

    @property
    def prunes(self) -> bool:
        """Whether anything was pruned."""
        return self._latest is not None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Where nothing was pruned, Enter means what it means in other panes."""
        if action == "open_pruned":
            return self._latest is not None
        return super().check_action(action, parameters)

    def action_open_pruned(self) -> None:
        """What the latest pruning took out."""
        if self._latest is not None:
            self.post_message(self.PruneOpened(self._latest))

    def on_click(self, event: Click) -> None:
        row = event.y + self.scroll_offset.y
        prune = self._told[row] if 0 <= row < len(self._told) else None
        if prune is not None:
            self.post_message(self.PruneOpened(prune))
