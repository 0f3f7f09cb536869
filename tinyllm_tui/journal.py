"""The journal: what the engine told and what the program said to the person, so that it can be read again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from engine import events as ev
from tinyllm_tui.sanitize import one_line, sanitize

Source = Literal["engine", "app", "alert"]
Severity = Literal["information", "warning", "error"]
KEPT = 5_000
"""Lines that are kept; the oldest go first."""
_LONGEST = 2_000
"""Characters of one line."""


@dataclass(frozen=True, slots=True)
class JournalLine:
    """One thing that was told; harmless text."""

    wall_ms: int
    """Unix time in milliseconds."""
    source: Source
    severity: Severity
    text: str
    tx: str = ""
    """The run that it is about; empty where it is about none."""

    def matches(self, words: Iterable[str]) -> bool:
        """Whether every word, in lower case, occurs in it."""
        text = f"{self.source} {self.severity} {self.text}".lower()
        return all(word in text for word in words)


class Journal:
    """What was told since the start, and the engine stream as it was recorded before.

    Args:
        now: Unix time in milliseconds.
    """

    def __init__(self, now: Callable[[], int]) -> None:
        self.lines: deque[JournalLine] = deque(maxlen=KEPT)
        self.written = 0
        """Lines so far, also those that are not kept any more."""
        self._now = now
        self._numbers: dict[str, int] = {}
        """Transaction -> its number."""

    def say(self, source: Source, severity: Severity, text: str, tx: str = "") -> None:
        """Keep something that was told."""
        self._keep(JournalLine(self._now(), source, severity, " ".join(sanitize(text[:_LONGEST]).split()), tx))

    def take(self, event: ev.Event) -> None:
        """Keep what an event tells, where it tells something beside the steps of its run."""
        if isinstance(event.body, ev.Begin):
            if len(self._numbers) > KEPT:
                self._numbers.clear()
            self._numbers[event.tx or ""] = event.body.number
        told = words_of(event.body)
        if told is None:
            return
        severity, words = told
        number = self._numbers.get(event.tx or "", 0)
        name = f"#{number} " if number else f"run {event.tx[:8]} " if event.tx else ""
        self._keep(JournalLine(event.wall_ms, "engine", severity, one_line(f"{name}{words}", _LONGEST), event.tx or ""))

    def earlier(self, events: Iterable[ev.Event]) -> None:
        """Put events that were recorded before this start in front."""
        kept = list(self.lines)
        first = kept[0].wall_ms if kept else None
        self.lines.clear()
        for event in events:
            if first is None or event.wall_ms < first:
                self.take(event)
        self.lines.extend(kept)

    def _keep(self, line: JournalLine) -> None:
        self.lines.append(line)
        self.written += 1


def words_of(body: ev.Body) -> tuple[Severity, str] | None:
    """(severity, words) of what an event tells; None for the steps of a run, which its timeline has."""
    match body:
        case ev.BreakerChanged(breaker, previous) if breaker.state != previous:
            why = f" ({breaker.last_error})" if breaker.last_error and breaker.state == "open" else ""
            bad = breaker.state in ("open", "forced_open")
            return "warning" if bad else "information", f"breaker {breaker.key}: {previous} -> {breaker.state}{why}"
        case ev.BackendChanged():
            bad = body.status in ("offline", "restarting")
            words = f"{body.endpoint}: {body.status} {body.detail} {body.remedy}"
            return "warning" if bad else "information", words
        case ev.Begin():
            return "information", f"begins on {body.graph.get('id', 'a graph')}: {body.question[:200]}"
        case ev.Committed():
            fallback = body.exit == "fallback"
            return "warning" if fallback else "information", f"committed ({body.exit})"
        case ev.RolledBack():
            why = f": {body.error.message} {body.error.remedy}" if body.error is not None else ""
            return "warning", f"rolled back ({body.reason}){why}"
        case ev.AttemptFailed():
            then = f", then {body.fallback}" if body.fallback else ""
            return "warning", f"{body.path}: attempt {body.attempt} of {body.model} failed: {body.error.message}{then}"
        case ev.Degraded():
            return "warning", f"{body.path}: goes on without it ({body.code})"
        case ev.Paused():
            return "warning", f"waits: {body.reason} {body.remedy}"
        case ev.Resumed():
            return "information", f"goes on: {body.reason}"
        case ev.ApprovalAsked():
            return "information", f"{body.path}: asks whether {body.tool or 'the answer'} may go on"
        case ev.ApprovalAnswered():
            return "information", f"{body.path}: answered {'yes' if body.allowed else 'no'} by {body.by}"
        case ev.Compensated() if body.error is not None:
            return "error", f"{body.path}: {body.tool} could not be taken back: {body.error.message}"
    return None
