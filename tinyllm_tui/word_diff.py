"""Which words of two texts differ, marked in brackets as `git diff --word-diff` does: `[-gone-]` and `{+new+}`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Literal

_WORD = re.compile(r"\S+\s*|\s+")
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_WORDS = 1500
"""Words of a text up to which words are compared, not lines."""
LITTLE = 0.2
"""Where no more than that is the same, marking what differs says nothing."""

PieceKind = Literal["same", "gone", "new"]


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text."""

    kind: PieceKind
    text: str
    before: str = ""
    """What is the same, as it stands in the first text: there may be other white space between its words."""


@dataclass(frozen=True, slots=True)
class WordDiff:
    """What two texts share."""

    pieces: tuple[Piece, ...]
    """In order; what is gone comes before what is new in its place."""
    share: float
    """How much of the longer text is the same, 0 to 1."""

    @property
    def marked(self) -> bool:
        """Whether marking the differences tells anything."""
        return self.share > LITTLE

    def side(self, gone: bool) -> Iterator[Piece]:
        """The pieces of the first text (`gone`) or of the second."""
        left_out: PieceKind = "new" if gone else "gone"
        for piece in self.pieces:
            if piece.kind != left_out:
                yield Piece("same", piece.before) if gone and piece.kind == "same" else piece


def word_diff(one: str, other: str) -> WordDiff:
    """How `other` differs from `one`: by words, and where the texts are long by lines."""
    first, second = _WORD.findall(one), _WORD.findall(other)
    if max(len(first), len(second)) > _WORDS:
        first, second = _LINE.findall(one), _LINE.findall(other)
    matcher = SequenceMatcher(None, [each.strip() for each in first], [each.strip() for each in second])
    pieces: list[Piece] = []
    same = 0
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag == "equal":
            same += b - a
            pieces.append(Piece("same", "".join(second[c:d]), "".join(first[a:b])))
            continue
        pieces += [Piece("gone", "".join(first[a:b]))] if b > a else []
        pieces += [Piece("new", "".join(second[c:d]))] if d > c else []
    longer = max(len(first), len(second))
    return WordDiff(tuple(pieces), same / longer if longer else 1.0)


def bracketed(pieces: Sequence[Piece]) -> Iterator[tuple[PieceKind, str]]:
    """The pieces with their brackets; white space at the end of a piece stays behind its bracket."""
    for piece in pieces:
        if piece.kind == "same":
            yield piece.kind, piece.text
            continue
        words = piece.text.rstrip()
        opening, closing = ("[-", "-]") if piece.kind == "gone" else ("{+", "+}")
        if words:
            yield piece.kind, f"{opening}{words}{closing}"
        yield "same", piece.text[len(words) :]


def merged(one: str, other: str) -> str:
    """Both texts as one, with brackets around what differs."""
    pieces = word_diff(one, other).pieces
    parts: list[str] = []
    for before, piece in pairwise((Piece("same", ""), *pieces)):
        text = "".join(text for _, text in bracketed([piece]))
        if piece.kind == "new" and before.kind == "gone":
            gap = parts[-1][len(parts[-1].rstrip()) :]
            parts[-1] = parts[-1].rstrip()
            text = text if text[len(text.rstrip()) :] or not gap else text + gap
        parts.append(text)
    return "".join(parts)
