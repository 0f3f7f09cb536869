"""How fast the machine is while figures are taken, by a loop that was measured where the budgets were set too."""

from __future__ import annotations

import statistics
import time

from engine.message import Message

REFERENCE_S = 0.67e-6
"""CPU seconds for one turn of the loop below on the machine of the first whole table, which the budgets fit."""
_TURNS = 20_000
_SAMPLES = 5


def slowness() -> float:
    """How many times as long as there the loop takes here and now: 1 is as fast, 3 is a third of it."""
    return statistics.median(_sample() for _ in range(_SAMPLES)) / REFERENCE_S


def _sample() -> float:
    """CPU seconds for `str.strip` and a message made, as the executor's baseline does them."""
    message = Message(1, "hello")
    start = time.process_time()
    for number in range(_TURNS):
        message = Message(number, message.content.strip())
    return (time.process_time() - start) / _TURNS
