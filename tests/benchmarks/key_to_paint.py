"""From a key to the paint that shows it, while 1000 events a second arrive."""

from __future__ import annotations

import random
import time

from tests.benchmarks.measure import Figure, spread
from tests.benchmarks.terminal import Stage, stages

RATE = 1000
LETTERS = "".join(
    chr(code) for first, last in ((0x410, 0x44F), (0x3B1, 0x3C9), (0x561, 0x586)) for code in range(first, last + 1)
)
"""Letters that nothing else on the screen contains, so that each is recognised when it is painted."""


def run(short: bool) -> list[Figure]:
    count = 6 if short else len(LETTERS)
    with stages("cockpit", "bare") as (cockpit, bare):
        quiet, _ = _type_alternately(cockpit, bare, LETTERS[: count // 3])
        seconds = 1.5 if short else count * 0.3
        cockpit.begin("events", rate=RATE, seconds=seconds)
        time.sleep(0.5)
        busy, alone = _type_alternately(cockpit, bare, LETTERS[count // 3 : count])
        spent = cockpit.answer()
    share = spent["cpu"] / spent["wall"]
    against = "a bare Textual app with one text area, no events"
    how = (
        "wall time from a byte written to a pseudo-terminal of 120x40 until the bytes that show it are read from it; "
        "the cockpit on a scripted run that also streams an answer, events through the real bus"
    )
    return [
        Figure("key to paint at 1000 events/s", "ms", spread(busy), how, 0.050, spread(alone), against, "p95"),
        Figure("key to paint, no run", "ms", spread(quiet), "the same without events", None, None, "", "p95"),
        Figure("CPU of the cockpit at 1000 events/s", "%", spread([share]), "share of one core, keys included"),
    ]


def _type_alternately(first: Stage, second: Stage, letters: str) -> tuple[list[float], list[float]]:
    """Seconds from key to paint for each letter, in both programs in turns, at moments unrelated to their frames."""
    times: tuple[list[float], list[float]] = ([], [])
    pauses = random.Random(7)
    for letter in letters:
        for stage, taken in zip((first, second), times, strict=True):
            time.sleep(pauses.uniform(0.02, 0.12))
            taken.append(stage.expect(letter, typed=letter))
    return times
