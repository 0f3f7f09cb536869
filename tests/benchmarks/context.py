"""The context selection: time for one message, and whether it stays flat."""

from __future__ import annotations

from engine.memory.context import ContextSelection
from engine.message import MessageKind
from tests.benchmarks.measure import Figure, alternate, cpu_of, spread

BATCH = 2000
"""Messages in one sample."""
WINDOW = 10**9


def run(short: bool) -> list[Figure]:
    rounds = 2 if short else 31
    most = 10_000 if short else 100_000
    ascii_text, other_text = "a" * 256, "ä" * 256
    return [
        _adding("context, per message of 256 characters (ASCII)", ascii_text, 10, rounds),
        _adding("context, per message of 256 characters (not ASCII)", other_text, 10, rounds),
        _adding(f"context, per message of 256 characters, after {most:,} messages", ascii_text, most, rounds),
        _flatness(ascii_text, most, rounds),
    ]


def _filled(text: str, size: int) -> ContextSelection:
    selection = ContextSelection("node model", WINDOW)
    for _ in range(size):
        selection.add(MessageKind.HISTORY, "user", text)
    return selection


def _per_message(selection: ContextSelection, text: str) -> float:
    """Seconds to add one message and read the total, over a batch."""

    def work() -> None:
        for _ in range(BATCH):
            selection.add(MessageKind.HISTORY, "user", text)

    return cpu_of(work) / BATCH


def _adding(what: str, text: str, size: int, rounds: int) -> Figure:
    bare: list[str] = []

    def append() -> float:
        def work() -> None:
            for _ in range(BATCH):
                bare.append(text)

        seconds = cpu_of(work) / BATCH
        bare.clear()
        return seconds

    base = _filled(text, size) if size > BATCH else None

    def add() -> float:
        return _per_message(base if base is not None else _filled(text, size), text)

    measured, baseline = alternate(rounds, add, append)
    return Figure(
        what=what,
        unit="us",
        measured=spread(measured),
        budget=2e-6,
        baseline=spread(baseline),
        against="`list.append` in a loop",
        how=f"CPU time of `ContextSelection.add`, {BATCH} messages on top of {size:,}",
    )


def _flatness(text: str, most: int, rounds: int) -> Figure:
    large = _filled(text, most)
    small, big = alternate(rounds, lambda: _per_message(_filled(text, 10), text), lambda: _per_message(large, text))
    return Figure(
        what=f"context, flatness: message {most:,} against message 10",
        unit="x",
        measured=spread([b / s for s, b in zip(small, big, strict=True)]),
        how="ratio of the two times per message, taken alternately; 1 is flat",
    )
