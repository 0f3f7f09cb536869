"""How fetching a model is told."""

from __future__ import annotations

import pytest

from engine.models.model_source import parse_source
from engine.models.protocol import ModelInfo, PullProgress
from tinyllm_tui.model_words import SUGGESTED, PullMeter, file_size, is_toy, pull_line
from tinyllm_tui.words import ASCII, UNICODE

MB = 1_000_000


def meter_at(*samples: tuple[float, int], total: int = 100 * MB, status: str = "fetching") -> PullMeter:
    """A meter that saw so many bytes at those seconds."""
    now = 0.0
    meter = PullMeter(lambda: now)
    for now, completed in samples:  # noqa: B007 - the meter's clock reads it
        meter.take(PullProgress(status, completed, total))
    return meter


def test_the_rate_is_that_of_the_latest_seconds_and_tells_what_is_left() -> None:
    meter = meter_at((0, 0), (10, 10 * MB), (12, 30 * MB))
    assert meter.rate == 10 * MB
    assert meter.share == 0.3
    assert meter.amount == "30 MB of 100 MB"
    assert meter.pace == "10 MB/s, 7.00s left"


def test_what_was_there_before_a_pull_went_on_is_no_speed() -> None:
    assert meter_at((0, 90 * MB)).rate == 0
    meter = meter_at((0, 90 * MB), (1, 91 * MB))
    assert meter.rate == MB


def test_another_layer_begins_afresh() -> None:
    meter = meter_at((0, 0), (1, 50 * MB))
    meter.take(PullProgress("another", 0, 10))
    assert (meter.rate, meter.share, meter.status) == (0, 0, "another")


def test_a_server_that_counts_beyond_the_whole_or_below_nothing_breaks_no_bar() -> None:
    meter = meter_at((0, -5), (1, 200 * MB))
    assert meter.share == 1
    assert "100 %" in pull_line(meter, 80, UNICODE)
    assert PullMeter().share is None


@pytest.mark.parametrize("width", [10, 24, 40, 80, 200])
@pytest.mark.parametrize("signs", [UNICODE, ASCII])
def test_a_line_fits_and_says_how_far_it_is(width: int, signs: object) -> None:
    meter = meter_at((0, 0), (1, 42 * MB), status="pulling \x1b[31m" + "x" * 300)
    line = pull_line(meter, width, signs)  # type: ignore[arg-type]
    assert len(line) <= width
    assert "\x1b" not in line
    if width >= 24:
        assert "42 %" in line
    if width >= 80:
        assert "42 MB of 100 MB" in line
        assert "42 MB/s" in line


def test_sizes_are_told_as_model_files_are() -> None:
    told = [file_size(size) for size in (None, 900, 98_000_000, 999_900_000, 1_929_912_432)]
    assert told == ["-", "1 KB", "98 MB", "1.0 GB", "1.9 GB"]


def test_what_is_suggested_can_be_fetched_and_is_no_toy() -> None:
    for each in SUGGESTED:
        assert parse_source(each.source, hub="https://hub").file_name.endswith(".gguf")
        assert each.size_bytes > 10**9
    assert is_toy([ModelInfo("smollm2:135m", parameters_b=0.135)])
    assert not is_toy([ModelInfo("smollm2:135m", parameters_b=0.135), ModelInfo("own")])
    assert not is_toy([])
