"""CPU of the cockpit while an answer streams at 60 tok/s."""

from __future__ import annotations

from tests.benchmarks.measure import Figure, alternate, spread
from tests.benchmarks.terminal import Stage, stages


def run(short: bool) -> list[Figure]:
    rounds, seconds = (1, 0.5) if short else (3, 4.0)
    with stages("cockpit", "bare") as (cockpit, bare):

        def share(stage: Stage, do: str, length: float) -> float:
            spent = stage.tell(do, seconds=length)
            return float(spent["cpu"] / spent["wall"])

        streaming, idle, alone = alternate(
            rounds,
            lambda: share(cockpit, "stream", seconds),
            lambda: share(cockpit, "idle", seconds / 2),
            lambda: share(bare, "stream", seconds),
        )
    above = [max(s - i, 0.0) for s, i in zip(streaming, idle, strict=True)]
    return [
        Figure(
            "UI CPU while 60 tok/s stream",
            "%", spread(above),
            f"CPU per wall second of the cockpit in a pseudo-terminal of 120x40, windows of {seconds:g} s with deltas "
            "at 10 Hz, minus idle windows of the same process in turns",
            0.25, spread(alone), "a bare Textual app that appends the same to one Markdown widget",
        ),
        Figure("UI CPU, idle", "%", spread(idle), "the idle windows"),
    ]  # fmt: skip
