"""What the comparison of two runs shows as lines: facts beside each other, and an answer with what differs in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len, set_cell_size

from tinyllm_tui.comparison import Fact
from tinyllm_tui.sanitize import one_line, sanitize
from tinyllm_tui.word_diff import PieceKind, WordDiff, bracketed
from tinyllm_tui.words import Glyphs, Line, Span, Tone, cut, wrapped

_TONES: dict[PieceKind, Tone] = {"same": "text", "gone": "error", "new": "ok"}
_NAME = 16
_TEXT = 20_000
"""Characters of an answer that are shown."""


def fact_lines(facts: Sequence[Fact], titles: tuple[str, str], width: int, signs: Glyphs) -> list[Line]:
    """A line for each fact: a sign where the two differ, its name, and what it is in either run."""
    name = min(_NAME, max(width // 4, 8))
    column = max((width - name - 4) // 2, 4)
    lines: list[Line] = [
        ((" " * (name + 3), "text"), (set_cell_size(titles[0], column), "title"), (" ", "text"), (titles[1], "title"))
    ]
    for fact in facts:
        sign, tone = (signs.marks["differs"], "strong") if fact.differs else ("=", "dim")
        words = [set_cell_size(cut(one_line(each), column, signs.ellipsis), column) for each in (fact.one, fact.other)]
        label = set_cell_size(cut(one_line(fact.name), name, signs.ellipsis), name)
        lines.append(
            ((f"{sign} ", "warn" if fact.differs else "faint"), (f"{label} ", "dim"), (words[0], tone), (" ", "text"),
             (words[1], tone))  # type: ignore[arg-type]  # both are tones
        )  # fmt: skip
    return lines


def answer_lines(text: str, diff: WordDiff | None, *, first: bool, width: int) -> list[Line]:
    """An answer.

    Args:
        text: the answer.
        diff: how the two differ; None while they are being written.
        first: whether it is the first of the two.
        width: columns.
    """
    if not text:
        return [(("(none)", "faint"),)]
    if diff is None:
        return list(_rows([("same", text[:_TEXT])], width))
    if not diff.marked:
        note: Line = ((f"{diff.share:.0%} of the words are the same: none is marked", "faint"),)
        return [*wrapped(note, width), *_rows([("same", text[:_TEXT])], width)]
    if diff.share == 1:
        return [((cut("the same in both", width), "faint"),), *_rows([("same", text[:_TEXT])], width)]
    return list(_rows(list(bracketed(tuple(diff.side(gone=first)))), width))


def _rows(pieces: Sequence[tuple[PieceKind, str]], width: int) -> Iterator[Line]:
    """Pieces as rows of a width; each line of the text begins a row."""
    row: list[Span] = []
    shown = 0
    for kind, text in pieces:
        if shown > _TEXT:
            break
        shown += len(text)
        head, *rest = sanitize(text).split("\n")
        row.append((head, _TONES[kind]))
        for line in rest:
            yield from _row(row, width)
            row = [(line, _TONES[kind])]
    yield from _row(row, width)


def _row(spans: list[Span], width: int) -> list[Line]:
    kept = tuple(span for span in spans if span[0])
    return wrapped(kept, width) if sum(cell_len(text) for text, _ in kept) else [()]
