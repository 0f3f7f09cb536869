"""Names of wide, combined and joined characters stand in columns: widths are counted in cells."""

from __future__ import annotations

import dataclasses

import pytest
from rich.cells import cell_len

from engine.store.rows import SessionRow
from engine.view import MemoryView
from tests.tui.test_panes import open_breaker, row
from tinyllm_tui.transaction_line import transaction_line
from tinyllm_tui.widgets.breakers import breaker_lines
from tinyllm_tui.widgets.memory import memory_lines
from tinyllm_tui.widgets.sessions_pane import session_row
from tinyllm_tui.words import UNICODE, filled, plain

NAMES = ["plain", "数学の専門家" * 3, "e\u0301tape", "한국어_라우터", "🧪 lab", "x" * 90]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_in_any_script_takes_the_columns_that_it_is_given(name: str) -> None:
    for width in (9, 14, 30):
        assert cell_len(filled(name, width)) == width
    session = SessionRow("s", name, 0, 0, 4)
    assert [cell_len(session_row(session, None, width, UNICODE, current=True).plain) for width in (24, 60, 100)] == [
        24, 60, 100,
    ]  # fmt: skip
    first = plain(memory_lines({"m": MemoryView(f"{name} {name}", tokens=5, window=2048)}, 60)[0])
    assert cell_len(first) == 60
    breaker = plain(breaker_lines([open_breaker(key=name)], 0, 60)[0])
    assert cell_len(breaker) == cell_len(plain(breaker_lines([open_breaker(key="k")], 0, 60)[0]))
    renamed = dataclasses.replace(row(question="WHY"), graph_id=f"graph.{name}")
    listed = plain(transaction_line(renamed, 120, UNICODE))
    usual = plain(transaction_line(row(question="WHY"), 120, UNICODE))
    assert cell_len(listed[: listed.index("WHY")]) == usual.index("WHY")
