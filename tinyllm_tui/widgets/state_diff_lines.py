"""What one step changed, as lines: a sign, what kind of thing it is, its name, and what it was and is."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import set_cell_size

from engine.events import Event
from tinyllm_tui.sanitize import one_line
from tinyllm_tui.state_diff import Change
from tinyllm_tui.widgets.lines import LineView
from tinyllm_tui.words import Glyphs, Line, Tone, cut, duration, wrapped

_LEAST = 3
"""Rows of the panel that stand when a step changed less: most steps need no more, so that nothing moves."""
_PART = 9
"""Columns of the kind."""
_NAME, _BEFORE = 48, 60
"""Columns of a name, and of what was before, at most."""


def diff_lines(event: Event | None, changes: Sequence[Change], width: int, signs: Glyphs) -> list[Line]:
    """All of it, with the event that brought it about above.

    Args:
        event: the step; None before the first.
        changes: what it changed.
        width: columns.
        signs: the characters to draw with.
    """
    if event is None:
        return [((" Nothing has happened yet.", "faint"),)]
    own = f"step {event.seq}" if event.tx is not None else "of the engine"
    head: Line = ((f" {event.kind.replace('_', ' ')}", "title"), (f" {signs.dot} {own}", "dim"))
    if event.tx is not None:
        head += ((f" {signs.dot} +{duration(event.t_ms)}", "dim"),)
    lines = [head]
    for change in changes:
        lines += _lines(change, width, signs)
    return lines if changes else [*lines, ((" It changed nothing that is shown.", "faint"),)]


def _lines(change: Change, width: int, signs: Glyphs) -> list[Line]:
    sign, tone = _sign(change)
    name = one_line(change.name, _NAME)
    room = max(width - 4, 8)
    before = cut(one_line(change.before, 400), min(_BEFORE, room // 2), signs.ellipsis) if change.after else ""
    after = one_line(change.after or change.before, 400)
    spans: list[tuple[str, Tone]] = [(f" {sign} ", tone), (f"{set_cell_size(change.part, _PART)}", "dim")]
    if name:
        spans.append((f"{name}: ", "primary"))
    if before:
        spans += [(before, "faint"), (f" {signs.result} ", "dim")]
    spans.append((after, "faint" if not change.after else "text"))
    return wrapped(tuple(spans), width, indent=3)


def _sign(change: Change) -> tuple[str, Tone]:
    if not change.before:
        return "+", "ok"
    return ("~", "warn") if change.after else ("-", "error")


class ChangesPanel(LineView):
    """The lines, as high as they need; the style sheet says at most how high."""

    def set_lines(self, lines: Sequence[Line]) -> None:
        super().set_lines(lines)
        self.styles.height = max(len(lines), _LEAST) + self.gutter.height
