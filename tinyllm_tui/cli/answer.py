"""Printing the answer while it is written: live on a terminal, and only when it is certain everywhere else.

A model call can fail half-way, and a gate can send an answer back. On a terminal the text is shown at once, and a text
that is taken back is left standing with a remark under it. What went into a pipe cannot be taken back, so there the
answer is printed when its transaction has committed, and not at all when it was rolled back.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Protocol, TextIO

from engine import events as ev
from engine.run.result import Result
from tinyllm_tui.cli.output import clean, is_terminal, note, put

Attempt = tuple[str, int, int, int]
"""(path, visit, step, attempt) of one attempt of a model call."""

_HOLD_BACK = 256
"""Characters at the end of a text in which an unfinished escape sequence is looked for."""


class AnswerPrinter(Protocol):
    """Prints one run's answer to stdout."""

    def feed(self, event: ev.Event) -> None:
        """Take the next event of the run."""

    def break_line(self) -> None:
        """Something else is about to be printed on the same terminal."""

    def finish(self, result: Result) -> None:
        """The run is over."""


class PipedAnswer:
    """Prints the answer of a committed run, whole."""

    def feed(self, event: ev.Event) -> None:
        del event

    def break_line(self) -> None:
        pass

    def finish(self, result: Result) -> None:
        if result.status == "committed":
            put(result.text, newline=not result.text.endswith("\n"))


class LiveAnswer:
    """Prints what one model after the other writes, as it is written.

    Where several models write at the same time, the first one is followed until it is done.

    Args:
        write: puts text on the terminal at once.
        remark: prints a line about the answer, which is no part of it.
    """

    def __init__(self, write: Callable[[str], None], remark: Callable[[str], None]) -> None:
        self._write = write
        self._remark = remark
        self._streaming: set[Attempt] = set()
        self._followed: Attempt | None = None
        self._text = ""
        """What the followed attempt has written, as it came."""
        self._shown = ""
        """What stands on the terminal of the text that is not taken back."""
        self._column = False
        """Whether the cursor stands in the middle of a line of the answer."""

    def feed(self, event: ev.Event) -> None:
        body = event.body
        if isinstance(body, ev.ModelStarted) and body.stream:
            self._streaming.add(_attempt(body))
        elif isinstance(body, ev.ModelDelta) and not body.thinking:
            self._delta(body)
        elif isinstance(body, ev.ModelFinished) and _attempt(body) == self._followed:
            self._show(body.text)
            self._followed = None
        elif isinstance(body, ev.AttemptFailed) and _attempt(body) == self._followed:
            self._followed = None
            if body.retry_in_ms is not None or body.fallback:
                self._take_back(f"{body.model} failed: {body.error.message} It is asked again.")
        elif isinstance(body, ev.Rewound):
            self._followed = None
            self._take_back(f"{body.by} sent this answer back: {body.retry.note}")

    def break_line(self) -> None:
        if self._column:
            self._write("\n")
            self._column = False

    def finish(self, result: Result) -> None:
        final = clean(result.text)
        if result.status == "committed" and final.strip() != self._shown.strip():
            self._take_back("this was not the final answer, which follows.")
            self._put(final)
        self.break_line()

    def _delta(self, body: ev.ModelDelta) -> None:
        attempt = _attempt(body)
        if attempt not in self._streaming:
            return
        if self._followed is None:
            self._take_back(f"{body.path} writes next.")
            self._followed, self._text = attempt, ""
        if attempt == self._followed:
            self._text = self._text[: body.offset] + body.text
            self._show(_settled(self._text))

    def _show(self, text: str) -> None:
        shown = clean(text)
        if not shown.startswith(self._shown):
            self._take_back("the model server corrected this text.")
        self._put(shown[len(self._shown) :])

    def _put(self, text: str) -> None:
        if text:
            self._write(text)
            self._shown += text
            self._column = not text.endswith("\n")

    def _take_back(self, why: str) -> None:
        if self._shown:
            self.break_line()
            self._remark(f"[taken back: {why}]")
            self._shown = ""


def _attempt(body: ev.ModelStarted | ev.ModelDelta | ev.ModelFinished | ev.AttemptFailed) -> Attempt:
    return body.path, body.visit, body.step, body.attempt


def _settled(text: str) -> str:
    """The text without an escape sequence at its end that may not be whole yet."""
    start = max(len(text) - _HOLD_BACK, 0)
    last = max(text.rfind(introducer, start) for introducer in ("\x1b", "\x90", "\x98", "\x9b", "\x9d", "\x9e", "\x9f"))
    return text if last < 0 else text[:last]


def answer_printer(stdout: TextIO | None = None) -> AnswerPrinter:
    """The printer that fits stdout."""
    if not is_terminal(stdout or sys.stdout):
        return PipedAnswer()
    return LiveAnswer(put, note)
