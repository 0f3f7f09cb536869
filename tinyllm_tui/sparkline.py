"""Sparklines: a series of values as a few characters of different height."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def buckets(series: Sequence[float | None], width: int, *, mean: bool = False) -> list[float | None]:
    """A series made as short as `width`: the largest of each few values, or their mean; None where there is none."""
    if width <= 0 or not series:
        return []
    if len(series) <= width:
        return list(series)
    found: list[float | None] = []
    for place in range(width):
        part = series[place * len(series) // width : (place + 1) * len(series) // width]
        known = [value for value in part if value is not None]
        found.append(None if not known else sum(known) / len(known) if mean else max(known))
    return found


def sparkline(values: Iterable[float | None], heights: str, top: float | None = None) -> str:
    """One character for each value; a blank where there is none.

    Args:
        values: not below 0.
        heights: characters, the lowest first.
        top: the value of the highest; default: the largest that there is.
    """
    known = list(values)
    highest = max((value for value in known if value is not None), default=0.0) if top is None else top
    return "".join(" " if value is None else _height(value, highest, heights) for value in known)


def _height(value: float, highest: float, heights: str) -> str:
    share = value / highest if highest > 0 else 0.0
    return heights[min(int(share * len(heights)), len(heights) - 1)]
