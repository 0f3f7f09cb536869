"""Problem and GraphError: what is wrong with a graph file, where, and what to do about it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from engine.errors import ConfigurationError

Location = tuple[str | int, ...]
"""Path of a value inside a graph, such as `("nodes", 2, "config", "model")`."""


_LISTED = 30
"""Problems that the message of an error lists."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a graph. Every field is plain JSON (`dataclasses.asdict`)."""

    file: str
    """The file, or what the text was called; empty where the graph was not read from a text."""
    line: int
    """Counted from 1; 0 where unknown."""
    column: int
    """Counted from 1; 0 where unknown."""
    message: str
    remedy: str
    location: Location = ()

    @property
    def place(self) -> str:
        """`file, line 3, column 5`, as far as known."""
        parts = [self.file] if self.file else []
        if self.line:
            parts += [f"line {self.line}", f"column {self.column}"]
        return ", ".join(parts)

    def __str__(self) -> str:
        text = f"{self.place}: {self.message}" if self.place else self.message
        return f"{text} {self.remedy}".strip()


class GraphError(ConfigurationError):
    """A graph cannot be used. `problems` lists everything that was found, in the order of the file."""

    def __init__(self, problems: Sequence[Problem], *, code: str = "graph_invalid") -> None:
        self.problems = tuple(problems)
        first = self.problems[0]
        if len(self.problems) == 1:
            message, remedy = str(Problem(first.file, first.line, first.column, first.message, "")), first.remedy
        else:
            listed = "\n".join(f"  {problem}" for problem in self.problems[:_LISTED])
            if len(self.problems) > _LISTED:
                listed += f"\n  and {len(self.problems) - _LISTED} more"
            message = f"{first.file or 'The graph'} has {len(self.problems)} problems:\n{listed}"
            remedy = ""
        super().__init__(code, message, remedy=remedy)


def nearest(name: object, known: Iterable[str]) -> str:
    """The known name that `name` is most likely meant to be; empty where none is near."""
    wanted = str(name)[:200]
    by_lower = {each.lower(): each for each in known}
    found = difflib.get_close_matches(wanted.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else ""


def choose_from(name: object, known: Iterable[str], *, limit: int = 12) -> str:
    """A remedy for an unknown name: the nearest valid one, or all of them."""
    names = sorted(set(known))
    near = nearest(name, names)
    if near:
        return f"Did you mean `{near}`?"
    if not names:
        return "There is none to choose from."
    shown = ", ".join(f"`{each}`" for each in names[:limit])
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return f"Choose from {shown}{more}."


def shorten(value: object, limit: int = 60) -> str:
    """A value as it is quoted in a message: one line of printable characters, at most `limit` of them."""
    text = " ".join(str(value)[: limit * 2].split())
    text = "".join(each if each.isprintable() else "\ufffd" for each in text)
    return text if len(text) <= limit else text[: limit - 1] + "…"
