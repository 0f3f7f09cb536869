"""The scrubber: places and cells."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyllm_tui.widgets.scrub_bar import Stop, column_of, position_of, scrub_line
from tinyllm_tui.words import ASCII, UNICODE, plain


@given(st.integers(1, 20_000), st.integers(2, 240))
def test_the_ends_are_reached_and_a_cell_leads_to_a_place_that_is_drawn_in_it(length: int, width: int) -> None:
    assert position_of(0, length, width) == 0
    assert position_of(width - 1, length, width) == length
    for column in range(width):
        position = position_of(column, length, width)
        assert 0 <= position <= length
        if length >= width:
            assert column_of(position, length, width) == column


@given(st.integers(-5, 300), st.integers(0, 40), st.integers(0, 90))
def test_a_drag_out_of_the_bar_stays_in_the_recording(column: int, length: int, width: int) -> None:
    assert 0 <= position_of(column, length, width) <= length


def test_what_matters_is_drawn_with_signs_of_its_own_and_a_bookmark_is_never_hidden() -> None:
    stops = [Stop(10, "commit"), Stop(5, "error"), Stop(5, "bookmark"), Stop(2, "error")]
    assert plain(scrub_line(11, 3, 10, stops, UNICODE)) == "━━✗┃─⚑────●"
    assert plain(scrub_line(11, 3, 10, stops, ASCII)) == "==x|-B----@"


@pytest.mark.parametrize("width", [0, 1, 2])
def test_no_room_is_no_trouble(width: int) -> None:
    assert len(plain(scrub_line(width, 3, 10, [Stop(10, "rollback")], UNICODE))) == width
    assert len(plain(scrub_line(width, 0, 0, [], UNICODE))) == width
