"""Sparklines."""

from __future__ import annotations

import pytest

from tinyllm_tui.sparkline import buckets, sparkline
from tinyllm_tui.words import ASCII, UNICODE


def test_the_highest_is_the_largest_and_gaps_stay() -> None:
    assert sparkline([0, 5, None, 10], "_-#") == "_- #"
    assert sparkline([0.5], "_-#", 1.0) == "-"
    assert sparkline([0, 0], "_-#") == "__"


@pytest.mark.parametrize("signs", [UNICODE, ASCII])
def test_heights_are_told_apart_by_one_column_each(signs: object) -> None:
    heights = signs.spark  # type: ignore[attr-defined]
    assert len(set(heights)) == len(heights) == 8


def test_a_long_series_is_made_short_by_the_largest_or_the_mean_of_each_part() -> None:
    series = [1.0, 3.0, None, None, 4.0, 0.0]
    assert buckets(series, 3) == [3, None, 4]
    assert buckets(series, 3, mean=True) == [2, None, 2]
    assert buckets(series, 10) == series
    assert buckets(series, 0) == []
