"""What a model is told about the retries so far, so that it is never asked the same thing again."""

from __future__ import annotations

from engine.events import Retry


def words_of(note: Retry) -> str:
    """One retry in words; no two retries of a gate have the same."""
    return f"(An earlier answer was refused: {note.note}. This is attempt {note.ordinal + 1}.)"
