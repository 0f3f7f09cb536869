"""What a model is told about the retries so far, so that it is never asked the same thing again."""

from __future__ import annotations

from collections.abc import Sequence

from engine.events import Retry

REMARK = "An earlier answer was refused"


def one_line(text: str, limit: int) -> str:
    """A text of a model as it may stand in a note or an event: one printable line of at most `limit` characters."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text[: limit * 4]).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def words_of(note: Retry) -> str:
    """One retry in words; no two retries of a gate have the same."""
    return f"({REMARK}: {note.note}. This is attempt {note.ordinal + 1}.)"


def echoes(answer: str, notes: Sequence[Retry]) -> bool:
    """Whether an answer only hands back what the model was told about a retry, as the smallest models like to do."""
    said = answer.casefold()
    return any(REMARK.casefold() in said or note.note.casefold() in said for note in notes)
