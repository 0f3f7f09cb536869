"""Which part of a long conversation is mounted: what stands near the screen, and nothing else."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate

NEAR = 1.0
"""Screens above and below the visible rows that are mounted before they are seen."""
KEPT = 2.5
"""Screens above and below them from which on what is mounted goes again."""


def tops(rows: Sequence[int]) -> list[int]:
    """The row at which each of several things of these heights begins, and at the end the row below them all."""
    return list(accumulate(rows, initial=0))


def within(starts: Sequence[int], top: float, bottom: float) -> range:
    """Which of them (`starts` as of `tops`) have a row in `top` to `bottom`; at least the nearest one."""
    last = max(len(starts) - 2, 0)
    first = min(max(bisect_right(starts, top) - 1, 0), last)
    end = min(max(bisect_left(starts, bottom), first + 1), len(starts) - 1)
    return range(first, max(end, first))


def window(starts: Sequence[int], top: float, height: int, mounted: range) -> range:
    """What is to be mounted next: first what is seen, then what is near it; what was mounted stays while it is near.

    Args:
        starts: as of `tops`.
        top: the first visible row.
        height: how many are visible.
        mounted: what is mounted now.
    """
    seen = within(starts, top, top + height)
    near = within(starts, top - NEAR * height, top + (1 + NEAR) * height)
    kept = within(starts, top - KEPT * height, top + (1 + KEPT) * height)
    wanted = near if _has(mounted, seen) else seen
    if not mounted or mounted.start > wanted.stop or mounted.stop < wanted.start:
        return wanted
    first = min(wanted.start, max(mounted.start, kept.start))
    return range(first, max(wanted.stop, min(mounted.stop, kept.stop)))


def _has(outer: range, inner: range) -> bool:
    return not inner or (outer.start <= inner.start and inner.stop <= outer.stop)
