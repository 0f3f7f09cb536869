"""Scroll bars: the one that lies is a line, which nobody takes for a part of what is drawn above it."""

from __future__ import annotations

import pytest

from tinyllm_tui.widgets.lines import PlainScrollBar, ThinScrollBar


@pytest.mark.parametrize(("renderer", "thumb"), [(ThinScrollBar, "━"), (PlainScrollBar, "=")])
def test_a_horizontal_scroll_bar_is_a_line_that_can_be_grabbed(renderer: type[ThinScrollBar], thumb: str) -> None:
    bar = renderer.render_bar(size=10, virtual_size=20, window_size=10, position=0, vertical=False)
    row = [segment for segment in bar.segments if segment.text != "\n"]
    assert "".join(segment.text for segment in row).rstrip() == thumb * 5
    assert all(segment.style is not None and not segment.style.reverse for segment in row)
    assert row[0].style is not None
    assert row[0].style.meta["@mouse.down"] == "grab"
