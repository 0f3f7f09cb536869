"""The filter of past transactions: `status:rolled_back graph:quick since:2d answer words`.

Every part has to hold. A part is a word, words in quotes, or `name:value`; several values of one name are separated by
commas, and one of them has to hold. Words are looked for in the question, the answer and what lists say of a run.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from engine.errors import EngineError, ErrorClass
from tinyllm_tui.row_words import INTERRUPTED, origin_words, outcome_words

if TYPE_CHECKING:
    from engine.store.rows import TransactionRow

STATUSES = ("committed", "rolled_back", "fallback", "executing", INTERRUPTED, "damaged")
"""What `status:` takes; fallback: committed with what there was."""
MARKS = ("fork", "imported", "bookmarked", "here")
"""What `is:` takes; here: it ran in this store."""
NAMES = {
    "status": f"how it ended: {', '.join(STATUSES)}",
    "graph": "part of the graph's name: graph:quick",
    "since": "began at that time or later: since:2d, since:3h, since:today, since:2026-11-30",
    "before": "began earlier: before:1w, before:2026-11-30T18:00",
    "is": "fork, imported, bookmarked, or here (ran in this store)",
    "session": "beginning of the session's id",
}
"""Name of a part -> what it means."""
_PART = re.compile(r'(?P<name>[A-Za-z]+):(?P<value>"[^"]*"?|\S*)|"(?P<quoted>[^"]*)"?|(?P<word>\S+)')
_AGO = re.compile(r"(\d{1,4})\s*(m|h|d|w)")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True, slots=True)
class TransactionFilter:
    """What a person asked to see."""

    words: tuple[str, ...] = ()
    """In lower case."""
    statuses: frozenset[str] = frozenset()
    graphs: tuple[str, ...] = ()
    marks: frozenset[str] = frozenset()
    sessions: tuple[str, ...] = ()
    since_ms: int | None = None
    """Unix time in milliseconds."""
    before_ms: int | None = None
    problems: tuple[str, ...] = field(default=(), compare=False)
    """What of the text means nothing; such parts do not count."""

    def takes(self, row: TransactionRow, *, bookmarked: bool = False) -> bool:
        """Whether a run is to be shown; `bookmarked`: whether there are bookmarks in it."""
        if self.since_ms is not None and row.started_ms < self.since_ms:
            return False
        if self.before_ms is not None and row.started_ms >= self.before_ms:
            return False
        if self.statuses and not self.statuses & _statuses(row):
            return False
        graph = row.graph_id.removeprefix("graph.").lower()
        if self.graphs and not any(each in graph for each in self.graphs):
            return False
        if self.marks and not self.marks & (_marks(row) | ({"bookmarked"} if bookmarked else set())):
            return False
        if self.sessions and not any((row.session or "").startswith(each) for each in self.sessions):
            return False
        text = _text(row) if self.words else ""
        return all(word in text for word in self.words)


def _statuses(row: TransactionRow) -> set[str]:
    return {row.status, "fallback"} if row.status == "committed" and row.exit == "fallback" else {row.status}


def _marks(row: TransactionRow) -> set[str]:
    found = {"imported" if row.origin else "here"}
    return found | {"fork"} if row.parent is not None else found


def _text(row: TransactionRow) -> str:
    """Everything in which words are looked for."""
    return (
        f"#{row.number} {row.status} {outcome_words(row)} {row.exit} {row.graph_id} {origin_words(row)}"
        f" {row.question} {row.answer}"
    ).lower()


def read_filter(text: str, now: datetime) -> TransactionFilter:
    """What a text asks for.

    Args:
        text: as it was typed.
        now: the present, with its time zone: `since:2d` counts from it, and days begin at its midnight.
    """
    reader = _Reader(now)
    for match in _PART.finditer(text):
        name, value = match["name"], match["value"]
        if name is None:
            reader.words.append((match["quoted"] if match["quoted"] is not None else match["word"]).lower())
        elif name.lower() in NAMES:
            reader.take(name.lower(), value.strip('"'))
        else:
            near = difflib.get_close_matches(name.lower(), NAMES, 1)
            meant = f"; did you mean {near[0]}:?" if near else f". There are {', '.join(f'{each}:' for each in NAMES)}."
            reader.problems.append(f"There is no {name}:{meant}")
    return TransactionFilter(
        tuple(word for word in reader.words if word),
        frozenset(reader.values["status"]),
        tuple(reader.values["graph"]),
        frozenset(reader.values["is"]),
        tuple(reader.values["session"]),
        reader.times.get("since"),
        reader.times.get("before"),
        tuple(reader.problems),
    )


class _Reader:
    """Collects the parts of one filter."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self.words: list[str] = []
        self.values: dict[str, list[str]] = {name: [] for name in ("status", "graph", "is", "session")}
        self.times: dict[str, int] = {}
        self.problems: list[str] = []

    def take(self, name: str, value: str) -> None:
        if not value:
            return  # still being typed
        if name in ("since", "before"):
            moment = moment_of(value, self._now)
            if moment is None:
                self.problems.append(f"{name}:{value} is no time: write 2d, 3h, 30m, today, yesterday or 2026-11-30.")
            else:
                self.times[name] = round(moment.timestamp() * 1000)
            return
        known = {"status": STATUSES, "is": MARKS}.get(name, ())
        for each in filter(None, value.lower().split(",")):
            found = _fitting(each, known) if known else each
            if found is None:
                self.problems.append(f"{name}:{each} is none of {', '.join(known)}.")
            else:
                self.values[name].append(found)


def _fitting(word: str, known: Iterable[str]) -> str | None:
    """The known word that is meant: itself, with other signs between its parts, or by its beginning."""
    plain = word.replace("-", "_")
    return next((each for each in known if each == plain), None) or next(
        (each for each in known if each.startswith(plain)), None
    )


def moment_of(text: str, now: datetime) -> datetime | None:
    """The time that a text means: `2d` (ago), `today`, `yesterday`, an ISO date, or date and time; None: none."""
    ago = _AGO.fullmatch(text.lower())
    if ago is not None:
        return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    days = {"today": 0, "yesterday": 1}.get(text.lower())
    if days is not None:
        return midnight - timedelta(days=days)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=now.tzinfo)


def completions(text: str, graphs: Iterable[str]) -> list[str]:
    """How the last part of a filter could go on; nothing where it is a plain word that fits no name.

    Args:
        text: what is typed.
        graphs: names of graphs that there are.
    """
    head, _, last = text.rpartition(" ")
    begin = f"{head} " if head else ""
    name, colon, value = last.partition(":")
    if not colon:
        return [f"{begin}{each}:" for each in NAMES if last and each.startswith(last.lower())]
    values: dict[str, Iterable[str]] = {
        "status": STATUSES,
        "is": MARKS,
        "graph": graphs,
        "since": ("today", "yesterday", "1h", "2d", "1w"),
        "before": ("today", "yesterday", "1h", "2d", "1w"),
    }
    *others, typed = value.lower().split(",")
    kept = "".join(f"{each}," for each in others)
    return [
        f"{begin}{name}:{kept}{each}"
        for each in values.get(name.lower(), ())
        if each.startswith(typed) and each != typed
    ]


def check(found: TransactionFilter) -> TransactionFilter:
    """The filter, where all of it means something.

    Raises:
        EngineError: invalid_request, with what does not.
    """
    if found.problems:
        raise EngineError(
            ErrorClass.INVALID_REQUEST, "filter_invalid", found.problems[0],
            remedy="`tinyllm-tui tx list --help` says what there is.",
        )  # fmt: skip
    return found
