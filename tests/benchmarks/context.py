"""The context selection: time for one message, and whether it stays flat."""

from __future__ import annotations

from engine.memory.context import ContextSelection
from engine.message import MessageKind, estimate_tokens
from engine.models.tokens import TEMPLATE_TOKENS
from tests.benchmarks.measure import Figure, alternate, cpu_of, spread

BATCH = 2000
"""Messages in one sample."""
WINDOW = 10**9
PRUNED = 10_000
"""Messages of the selection that is pruned."""


def run(short: bool) -> list[Figure]:
    rounds = 2 if short else 31
    most = 10_000 if short else 100_000
    ascii_text, other_text = "a" * 256, "ä" * 256
    return [
        _adding("context, per message of 256 characters (ASCII)", ascii_text, 10, rounds),
        _adding("context, per message of 256 characters (not ASCII)", other_text, 10, rounds),
        _adding(f"context, per message of 256 characters, after {most:,} messages", ascii_text, most, rounds),
        _flatness(ascii_text, most, rounds),
        _pruning(1000 if short else PRUNED, rounds),
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


def _pruning(size: int, rounds: int) -> Figure:
    def full() -> ContextSelection:
        """A conversation that is pruned to 60 % of its room, and whose last question refers to a few exchanges."""
        texts = [f"message {number} about thing{number % 97}, and some more words of it " * 4 for number in range(size)]
        window = sum(estimate_tokens(text) + TEMPLATE_TOKENS for text in texts)
        selection = ContextSelection("node model", window)
        for number, text in enumerate(texts):
            selection.add(MessageKind.HISTORY, "assistant" if number % 2 else "user", text)
        selection.add(MessageKind.QUESTION, "user", f"What of thing5 in message {size // 2}?", pinned=True)
        return selection

    def prune() -> float:
        selection = full()
        return cpu_of(lambda: selection.prune(64))

    def cut_off() -> float:
        """The oldest are left out, without a look at what they are."""
        items = full().visible()

        def work() -> None:
            left, first = sum([item.tokens for item in items]), 0
            target = 0.6 * left
            while left > target:
                left -= items[first].tokens
                first += 1
            del items[:first]

        return cpu_of(work)

    measured, baseline = alternate(rounds, prune, cut_off)
    return Figure(
        what=f"context, pruning of {size:,} messages",
        unit="ms",
        measured=spread(measured),
        budget=5e-3,
        baseline=spread(baseline),
        against="the oldest messages dropped from a list until 60 % of their tokens are left",
        how="CPU time of one `ContextSelection.prune` of a full window, by rank, to 60 % of its room",
    )
