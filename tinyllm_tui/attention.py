"""What is said outside of the screen: the terminal's title, and a signal when a long run is over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from engine.view import View
from tinyllm_tui.face_config import NotifyConfig, Signal
from tinyllm_tui.sanitize import one_line
from tinyllm_tui.words import Glyphs, duration

NAME = "tinyllm"
_SHOWN = 60
"""Characters of a question in a title."""
_BELL, _ESC = "\x07", "\x1b"


def title_of(view: View, signs: Glyphs) -> str:
    """The state of the question that is shown, and the question."""
    if not view.question:
        return NAME
    sign = signs.nodes["running"]
    if view.approvals:
        sign = signs.nodes["waiting"]
    elif view.finished:
        sign = signs.nodes["ok" if view.status == "committed" else "failed"]
    return f"{sign} {one_line(view.question, _SHOWN)} - {NAME}"


def title_sequence(title: str) -> str:
    """OSC 2 (xterm, Control Sequences): the title of the window."""
    return f"{_ESC}]2;{one_line(title, 2 * _SHOWN)}{_BELL}"


def signal_sequence(how: Signal, words: str) -> str:
    """What makes a terminal say `words`; a bell says nothing more than that there is something."""
    if how == "bell":
        return _BELL
    text = one_line(words, 200)
    if how == "osc9":
        return f"{_ESC}]9;{text}{_BELL}"
    return f"{_ESC}]777;notify;{NAME};{text.replace(';', ',')}{_BELL}" if how == "osc777" else ""


@contextmanager
def kept_title(stream: TextIO) -> Iterator[None]:
    """Give the terminal the title back that it had (XTWINOPS 22 and 23); others than terminals are told nothing."""
    terminal = stream.isatty()
    if terminal:
        stream.write(f"{_ESC}[22;2t")
        stream.flush()
    try:
        yield
    finally:
        if terminal:
            stream.write(f"{_ESC}[23;2t")
            stream.flush()


class Attention:
    """Keeps the title true, and says that a long run is over while nobody looks.

    Args:
        write: to the terminal.
        signs: of states.
        title: whether the title is set at all.
        notify: how and of which runs it is said.
    """

    def __init__(self, write: Callable[[str], None], signs: Glyphs, *, title: bool, notify: NotifyConfig) -> None:
        self._write, self._signs = write, signs
        self._titled, self._notify = title, notify
        self._shown = ""
        self._running = ""
        """Transaction that was seen to run."""
        self._asked = False
        self.focused: bool | None = None
        """Whether the terminal has the focus; None: it has not said."""

    def configure(self, *, title: bool, notify: NotifyConfig) -> None:
        """Take over other settings."""
        if self._titled and not title:
            self._write(title_sequence(NAME))
        self._titled, self._notify, self._shown = title, notify, ""

    def see(self, view: View) -> None:
        """Bring the title up to now, and say what is over or waits for an answer."""
        title = title_of(view, self._signs)
        if self._titled and title != self._shown:
            self._shown = title
            self._write(title_sequence(title))
        question = one_line(view.question, _SHOWN)
        if view.approvals and not self._asked:
            self._say(f"You are asked: {question}")
        self._asked = bool(view.approvals)
        if view.finished and self._running == view.tx and view.t_ms >= self._notify.after_s * 1000:
            done = "Answered" if view.status == "committed" else "Not answered"
            self._say(f"{done} after {duration(view.t_ms)}: {question}")
        self._running = "" if view.finished else view.tx

    def _say(self, words: str) -> None:
        if self._notify.how != "off" and not self.focused:
            self._write(signal_sequence(self._notify.how, words))
