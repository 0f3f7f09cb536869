"""What a run is told of its session: the newest exchanges, as far as a window of it could take them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter

from engine.memory.context import Oversize
from engine.memory.oversize import shortened
from engine.message import estimate_tokens

Turns = tuple[tuple[str, str], ...]
"""(role, content), the oldest first."""


def latest_turns(said: Sequence[tuple[str, str, str]], room: int, oversize: Oversize) -> tuple[Turns, int]:
    """The newest exchanges that fit, and how many messages were left out.

    An answer stays with its question. A message of more than half of the room could stay whole in no context: it is cut
    to a quarter of the room where `oversize` is `cut`, so that what was said before it has room beside it; with
    `refuse` its exchange is left out, and older ones are still told.

    Args:
        said: (role, content, transaction) of the session's messages, the oldest first.
        room: estimated tokens for all of them.
        oversize: what becomes of messages that are larger than their room.
    """
    taken: list[tuple[str, str]] = []
    left = room
    for _, messages in groupby(reversed(said), itemgetter(2)):
        exchange = [(role, content) for role, content, _ in messages]
        if oversize == "refuse" and any(estimate_tokens(content) > room // 2 for _, content in exchange):
            continue
        told = [(role, _cut(content, room)) for role, content in exchange]
        left -= sum(estimate_tokens(content) for _, content in told)
        if left < 0:
            break
        taken += told
    return tuple(reversed(taken)), len(said) - len(taken)


def _cut(content: str, room: int) -> str:
    """What is told of a message: most are told whole."""
    return content if estimate_tokens(content) <= room // 2 else shortened(content, room // 4)[0]
