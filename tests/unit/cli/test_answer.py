"""Printing an answer while it is written."""

from __future__ import annotations

import pytest

from engine import events as ev
from engine.errors import ErrorClass, ErrorInfo
from engine.run.result import Result
from tinyllm_tui.cli.answer import LiveAnswer, PipedAnswer

BROKEN = ErrorInfo(ErrorClass.PROTOCOL, "stream_cut", "The stream broke off.")
STATE = ev.RunSnapshot(frontier=(), visits={}, variables={}, retries={}, outputs={})


class Terminal:
    """What a person would see: the answer and the remarks, in order."""

    def __init__(self) -> None:
        self.seen = ""
        self.printer = LiveAnswer(self._write, self._remark)
        self._seq = 0

    def _write(self, text: str) -> None:
        self.seen += text

    def _remark(self, line: str) -> None:
        self.seen += line + "\n"

    def feed(self, *bodies: ev.Body) -> None:
        for body in bodies:
            self._seq += 1
            self.printer.feed(ev.Event(self._seq, "t", self._seq, 0, 0, body))


def started(path: str = "general", attempt: int = 1, stream: bool = True) -> ev.ModelStarted:
    return ev.ModelStarted(path, 1, 1, attempt, "m", "e", "h", stream=stream)


def delta(text: str, offset: int = 0, path: str = "general", attempt: int = 1, thinking: bool = False) -> ev.ModelDelta:
    return ev.ModelDelta(path, 1, 1, attempt, offset, text, thinking=thinking)


def finished(text: str, path: str = "general", attempt: int = 1) -> ev.ModelFinished:
    return ev.ModelFinished(path, 1, 1, attempt, "m", text, "stop", 1, 1)


def failed(retry_in_ms: int | None, attempt: int = 1) -> ev.AttemptFailed:
    return ev.AttemptFailed("general", 1, 1, attempt, "m", BROKEN, retry_in_ms=retry_in_ms)


def result(text: str, status: str = "committed") -> Result:
    return Result("t", 1, status, "success" if status == "committed" else None, text, {}, ev.Usage(), "e", "m", ())  # type: ignore[arg-type]


def test_text_appears_as_it_is_written_and_once() -> None:
    terminal = Terminal()
    terminal.feed(started(), delta("The capital"))
    assert terminal.seen == "The capital"
    terminal.feed(delta(" is Paris", 11))
    assert terminal.seen == "The capital is Paris"
    terminal.feed(finished("The capital is Paris."))
    terminal.printer.finish(result("The capital is Paris."))
    assert terminal.seen == "The capital is Paris.\n"


def test_an_abandoned_attempt_is_marked_and_the_next_one_begins_on_its_own_line() -> None:
    terminal = Terminal()
    terminal.feed(started(), delta("Half an ans"), failed(500), started(attempt=2), delta("A whole answer", attempt=2))
    terminal.feed(finished("A whole answer", attempt=2))
    terminal.printer.finish(result("A whole answer"))
    first, remark, second, end = terminal.seen.split("\n")
    assert (first, second, end) == ("Half an ans", "A whole answer", "")
    assert "taken back" in remark
    assert "The stream broke off." in remark


def test_the_partial_text_of_a_run_that_fails_stays_without_a_remark() -> None:
    terminal = Terminal()
    terminal.feed(started(), delta("Half"), failed(None))
    terminal.printer.finish(result("Half", status="rolled_back"))
    assert terminal.seen == "Half\n"


def test_an_answer_that_a_gate_sends_back_is_marked_with_the_reason() -> None:
    terminal = Terminal()
    terminal.feed(started(), delta("Bad"), finished("Bad"))
    terminal.feed(ev.Rewound("check", "general", 1, (1, 2), STATE, ev.Retry("too short")))
    terminal.feed(started(), delta("Good"), finished("Good"))
    terminal.printer.finish(result("Good"))
    assert terminal.seen.startswith("Bad\n[taken back: check sent this answer back: too short]\nGood")
    assert terminal.seen.endswith("Good\n")


def test_a_final_text_that_differs_from_what_was_streamed_is_printed_whole() -> None:
    terminal = Terminal()
    terminal.feed(started(), delta("draft"), finished("draft"))
    terminal.printer.finish(result("DRAFT"))
    assert terminal.seen.split("\n")[0] == "draft"
    assert terminal.seen.endswith("\nDRAFT\n")


def test_nothing_streamed_and_the_answer_comes_at_the_end() -> None:
    terminal = Terminal()
    terminal.feed(started(stream=False), delta("hidden"), finished("hidden"))
    assert terminal.seen == ""
    terminal.printer.finish(result("hidden"))
    assert terminal.seen == "hidden\n"


def test_thinking_is_no_answer() -> None:
    terminal = Terminal()
    terminal.feed(started(), delta("let me see", thinking=True), delta("42"), finished("42"))
    terminal.printer.finish(result("42"))
    assert terminal.seen == "42\n"


def test_of_two_models_that_write_at_once_one_is_followed() -> None:
    terminal = Terminal()
    terminal.feed(
        started("a"), started("b"), delta("one", path="a"), delta("two", path="b"), delta(" more", 3, path="a")
    )
    assert terminal.seen == "one more"


def test_escape_sequences_never_reach_the_terminal_even_in_pieces() -> None:
    text = "safe \x1b[31mred\x1b[0m \x1b]0;title\x07end\x9b2J."
    whole, pieces = Terminal(), Terminal()
    whole.feed(started(), delta(text), finished(text))
    pieces.feed(started(), *(delta(letter, offset) for offset, letter in enumerate(text)), finished(text))
    for terminal in (whole, pieces):
        terminal.printer.finish(result(text))
        assert terminal.seen == "safe red end.\n"


@pytest.mark.parametrize(("text", "printed"), [("done", "done\n"), ("done\n", "done\n")])
def test_a_pipe_gets_the_committed_text_and_nothing_before(
    text: str, printed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    printer = PipedAnswer()
    printer.feed(ev.Event(1, "t", 1, 0, 0, delta("half")))
    printer.break_line()
    assert capsys.readouterr().out == ""
    printer.finish(result(text))
    assert capsys.readouterr().out == printed


def test_a_pipe_gets_nothing_of_a_run_that_was_rolled_back(capsys: pytest.CaptureFixture[str]) -> None:
    PipedAnswer().finish(result("half", status="rolled_back"))
    assert capsys.readouterr().out == ""
