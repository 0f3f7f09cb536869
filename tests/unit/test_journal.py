"""The journal: what of the events is told, what is kept, and that none of it can harm a terminal."""

from __future__ import annotations

import pytest

from engine import events as ev
from engine.errors import ErrorClass, ErrorInfo
from tinyllm_tui.journal import KEPT, Journal, JournalLine
from tinyllm_tui.journal_words import words_of

ERROR = ErrorInfo(ErrorClass.SERVER, "server", "It answered 500.", "Look at its log.", "work")


@pytest.mark.parametrize(
    ("body", "severity", "words"),
    [
        (ev.BreakerChanged(ev.BreakerSnapshot("s m", "endpoint", "open", last_error="cut"), "closed"), "warning",
         "breaker s m: closed -> open (cut)"),
        (ev.BackendChanged("http://x", "ollama", "offline", "No answer.", "Start it."), "warning",
         "http://x: offline No answer. Start it."),
        (ev.Committed(exit="success", exit_node="a", text="hi"), "information", "committed (success)"),
        (ev.RolledBack(reason="failed", error=ERROR), "warning", "rolled back (failed): It answered 500."),
        (ev.AttemptFailed(path="p", visit=1, step=1, attempt=2, model="m", error=ERROR, fallback="n"), "warning",
         "p: attempt 2 of m failed: It answered 500., then n"),
    ],
)  # fmt: skip
def test_what_happens_beside_the_steps_is_told(body: ev.Body, severity: str, words: str) -> None:
    told = words_of(body)
    assert told is not None
    assert told[0] == severity
    assert words in told[1]


def test_steps_of_runs_and_mere_counts_are_not_told() -> None:
    assert words_of(ev.NodeStarted(path="p", visit=1, message=1)) is None
    assert words_of(ev.BreakerChanged(ev.BreakerSnapshot("s m", "endpoint", "open"), "open")) is None


def event(number: int, body: ev.Body, tx: str | None = None) -> ev.Event:
    return ev.Event(number, tx, 1 if tx else 0, 0, number, body)


def test_what_was_recorded_before_stands_in_front_and_is_not_told_twice() -> None:
    journal = Journal(lambda: 50)
    begin = ev.Begin(graph={"id": "graph.a"}, graph_hash="h", question="Why?", session=None, number=7)
    journal.take(event(40, begin, "tx-7"))
    journal.take(event(41, ev.Committed(exit="success", exit_node="a", text=""), "tx-7"))
    journal.say("app", "error", "Saved\x1b[2J it\nall.")
    changed = [event(n, ev.BackendChanged(f"s{n}", "ollama", "ready")) for n in (3, 4, 41)]
    journal.earlier(changed)
    assert [line.text for line in journal.lines] == [
        "s3: ready", "s4: ready", "#7 begins on graph.a: Why?", "#7 committed (success)", "Saved it all.",
    ]  # fmt: skip


def test_only_the_latest_lines_are_kept() -> None:
    journal = Journal(lambda: 1)
    for number in range(KEPT + 5):
        journal.say("app", "information", f"line {number}")
    assert len(journal.lines) == KEPT
    assert journal.written == KEPT + 5
    assert journal.lines[0].text == "line 5"


def test_a_filter_takes_words_of_the_text_its_source_and_how_bad_it_is() -> None:
    line = JournalLine(1, "engine", "warning", "breaker s m: closed -> open")
    assert line.matches(["engine", "open"])
    assert line.matches(["warn"])
    assert not line.matches(["app"])
