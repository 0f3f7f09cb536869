"""The terminal's title, and saying that a long run is over."""

from __future__ import annotations

import io

import pytest

from engine.view import View
from tinyllm_tui.attention import Attention, kept_title, signal_sequence, title_of
from tinyllm_tui.face_config import NotifyConfig
from tinyllm_tui.words import ASCII, UNICODE


def view(status: str = "executing", t_ms: int = 0, question: str = "Why?") -> View:
    return View(tx="t", question=question, status=status, t_ms=t_ms)  # type: ignore[arg-type]


def attention(how: str = "bell", *, title: bool = True) -> tuple[Attention, list[str]]:
    told: list[str] = []
    return Attention(told.append, UNICODE, title=title, notify=NotifyConfig(how=how, after_s=10)), told  # type: ignore[arg-type]


def test_the_title_says_the_state_and_the_question_and_is_written_when_it_changes() -> None:
    here, told = attention("off")
    for each in (View(), view(), view(t_ms=5), view("committed")):
        here.see(each)
    assert told == ["\x1b]2;tinyllm\x07", "\x1b]2;▶ Why? - tinyllm\x07", "\x1b]2;✓ Why? - tinyllm\x07"]
    assert title_of(view("rolled_back"), ASCII) == "x Why? - tinyllm"
    here.configure(title=False, notify=NotifyConfig(how="off"))
    here.see(view())
    assert told[3:] == ["\x1b]2;tinyllm\x07"]


def test_nothing_in_a_question_commands_the_terminal() -> None:
    here, told = attention("osc777")
    hostile = "a\x1b]2;evil\x07b\x9c;c\u202e\nd" * 50
    here.see(view(question=hostile))
    here.see(view("committed", 20_000, hostile))
    for sequence in told:
        assert sequence.count("\x1b") == sequence.count("\x07") == 1
        assert not {"\x9c", "\u202e", "\n"} & set(sequence)
    assert told[-1].count(";") == 3


@pytest.mark.parametrize(
    ("focused", "t_ms", "said"),
    [(None, 12_000, True), (False, 12_000, True), (True, 12_000, False), (False, 900, False)],
)
def test_a_long_run_is_told_where_the_terminal_is_not_looked_at(focused: bool | None, t_ms: int, said: bool) -> None:
    here, told = attention(title=False)
    here.focused = focused
    here.see(view())
    here.see(view("rolled_back", t_ms))
    here.see(view("rolled_back", t_ms))
    assert told == (["\x07"] if said else [])


def test_a_past_run_that_is_shown_is_not_told() -> None:
    here, told = attention(title=False)
    here.see(view("committed", 60_000))
    assert told == []


def test_every_signal_has_its_sequence() -> None:
    assert signal_sequence("osc9", "x") == "\x1b]9;x\x07"
    assert signal_sequence("osc777", "x") == "\x1b]777;notify;tinyllm;x\x07"
    assert signal_sequence("off", "x") == ""


def test_the_title_from_before_comes_back_and_a_pipe_is_told_nothing() -> None:
    pipe, terminal = io.StringIO(), io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    with pytest.raises(RuntimeError), kept_title(terminal):
        raise RuntimeError
    with kept_title(pipe):
        pass
    assert terminal.getvalue() == "\x1b[22;2t\x1b[23;2t"
    assert pipe.getvalue() == ""
