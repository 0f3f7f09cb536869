"""The journal: what the engine told and what the program said to the person, so that it can be read again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tinyllm_tui.sanitize import one_line, sanitize

if TYPE_CHECKING:
    from engine.events import Event

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

    def take(self, event: Event) -> None:
        """Keep what an event tells, where it tells something beside the steps of its run."""
        from engine.events import Begin  # comes after the first paint, as every event does
        from tinyllm_tui.journal_words import words_of

        if isinstance(event.body, Begin):
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

    def earlier(self, events: Iterable[Event]) -> None:
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
