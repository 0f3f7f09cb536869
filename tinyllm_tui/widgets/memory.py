"""The memory pane: how full each context selection is, of what, and what was pruned from it and why."""

from __future__ import annotations

from collections.abc import Mapping

from engine.view import MemoryView, PruneView
from tinyllm_tui.sanitize import one_line
from tinyllm_tui.widgets.lines import LineView
from tinyllm_tui.words import UNICODE, Glyphs, Line, Span, Tone, count, cut, duration

PRUNE_AT = 0.8
"""Share of the window at which the engine prunes."""

_KINDS: tuple[Tone, ...] = ("kind1", "kind2", "kind3", "kind4", "kind5")
_KIND_ORDER = ("system", "question", "history", "upstream", "note", "recalled", "tool", "summary")
_UNICODE_FILLS = "█▓▒▚▞▤▥▦"
_ASCII_FILLS = "#=+o*%@&"
"""One for each of `_KIND_ORDER`: kinds are told apart without colour too."""
EMPTY = (
    "How many tokens of which kind (system, question, history ...) each model was given appears here, and how full "
    "that makes its window. At 80 % the oldest messages go."
)


def memory_lines(memory: Mapping[str, MemoryView], width: int, signs: Glyphs = UNICODE) -> list[Line]:
    """A gauge for each selection, the latest last."""
    if not memory:
        import textwrap

        return [((row, "faint"),) for row in textwrap.wrap(EMPTY, max(width, 20))]
    lines: list[Line] = []
    for selection in memory.values():
        lines += _block(selection, width, signs)
    return lines


def _block(memory: MemoryView, width: int, signs: Glyphs) -> list[Line]:
    used = memory.reported if memory.reported is not None else memory.tokens
    share = used / memory.window if memory.window else 0.0
    tone: Tone = "error" if share >= 0.95 else "warn" if share >= PRUNE_AT else "ok"
    figures = f"{count(used)}/{count(memory.window)} tokens"
    percent = f"{share * 100:.0f}%"
    path, _, model = memory.selection.partition(" ")
    name = cut(one_line(path), max(width - len(figures) - 2, 6), signs.ellipsis)
    rest = max(width - len(name) - len(figures) - 3, 0)
    shown_model = cut(one_line(model), rest, signs.ellipsis) if rest >= 6 else ""
    pad = " " * max(width - len(name) - len(shown_model) - 1 - len(figures), 1)
    lines: list[Line] = [((name, "strong"), (" ", "text"), (shown_model, "faint"), (pad, "text"), (figures, "dim"))]
    lines.append((*_gauge(memory, used, max(width - 5, 10), signs), (f"{percent:>5}", tone)))
    lines += _legend(memory, width, signs)
    for prune in memory.prunes[-3:]:
        lines += _prune(prune, width, signs)
    return lines


def _kinds(memory: MemoryView, signs: Glyphs) -> list[tuple[str, int, Span]]:
    """Kind, tokens, and the cell it is drawn with."""
    fills = _UNICODE_FILLS if signs.full == UNICODE.full else _ASCII_FILLS
    known = {kind: index for index, kind in enumerate(_KIND_ORDER)}
    kinds = sorted(memory.by_kind.items(), key=lambda item: known.get(item[0], 99))
    cells = {kind: (fills[index], _KINDS[index % len(_KINDS)]) for kind, index in known.items()}
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
    mark = min(round(width * PRUNE_AT), width - 1)
    cells[mark] = (signs.limit, "warn")
    return cells


def _legend(memory: MemoryView, width: int, signs: Glyphs) -> list[Line]:
    spans: list[Span] = []
    used = 0
    for kind, tokens, cell in _kinds(memory, signs):
        words = f" {kind} {count(tokens)}  "
        if used + len(words) + 1 > width:
            break
        spans += [cell, (words, "dim")]
        used += len(words) + 1
    messages = f"{memory.messages} messages"
    if spans and used + len(messages) <= width:
        spans.append((messages, "faint"))
    return [tuple(spans)] if spans else []


def _prune(prune: PruneView, width: int, signs: Glyphs) -> list[Line]:
    head = (
        f"{signs.marks['prune']} {duration(prune.t_ms)} pruned {len(prune.removed)}: "
        f"{count(prune.tokens_before)} to {count(prune.tokens_after)} tokens"
    )
    reason = one_line(prune.reason)
    lines: list[Line] = [((cut(head, width, signs.ellipsis), "warn"),)]
    if reason:
        lines.append(((cut(f"  why: {reason}", width, signs.ellipsis), "dim"),))
    lines += [((cut(f"  - {one_line(what)}", width, signs.ellipsis), "faint"),) for what in prune.removed[:4]]
    if len(prune.removed) > 4:
        lines.append(((f"  and {len(prune.removed) - 4} more", "faint"),))
    return lines


def memory_summary(memory: Mapping[str, MemoryView]) -> str:
    """What stands in the pane's border: the fullest selection."""
    shares = [(m.reported or m.tokens) / m.window for m in memory.values() if m.window]
    return f"fullest {max(shares) * 100:.0f}%" if shares else ""


class MemoryPane(LineView):
    """Context selections."""

    def show(self, memory: Mapping[str, MemoryView], signs: Glyphs) -> None:
        self.make_lines(lambda width: memory_lines(memory, width, signs))
