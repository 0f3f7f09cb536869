"""Mutations of the text: what is no YAML any more, or YAML that a graph must not be written in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.unit.graph.corpus.bases import Base, write

_KEYS = ("id", "name", "mode", "operation", "from_node", "to_node", "target", "protected", "allow_cycles", "stream")
"""Fields of the specification itself: inside of a JSON Schema other keys are fine."""
_EVERY = 5
"""One line in so many is broken, in each way."""


@dataclass(frozen=True)
class BrokenText:
    """One mutation of the text of one graph."""

    base: Base
    kind: str
    text: str
    line: int
    """Where the mutation is, counted from 1."""
    words: tuple[str, ...]
    remedy: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.base.name}-{self.kind}-line_{self.line}".replace(" ", "_")


Change = Callable[[str], str]
"""A line -> what stands in its place."""

_CHANGES: dict[str, tuple[Change, tuple[str, ...], tuple[str, ...]]] = {
    "key twice": (
        lambda line: f"{line}\n{_bare(line)}",
        ("is there twice", "the first is on line"),
        ("Remove or rename",),
    ),
    "tag of Python": (
        lambda line: _valued(line, "!!python/object/apply:os.system [ls]"),
        ("The tag", "has no meaning"),
        ("Remove the tag",),
    ),
    "unknown tag": (
        lambda line: _valued(line, "!include other.yaml"),
        ("The tag `!include`",),
        ("Remove the tag",),
    ),
    "wrong tag": (
        lambda line: _valued(line, "!!int five"),
        ("`five` is not of type int",),
        ("Remove the tag",),
    ),
    "unknown alias": (
        lambda line: _valued(line, "*nobody"),
        ("undefined alias",),
        ("&name",),
    ),
    "alias of itself": (
        lambda line: _valued(line, "&self [*self]"),
        ("contains itself",),
        ("Write it out",),
    ),
    "merge key": (
        lambda line: f"{line}\n{_indent(line)}<<: {{}}",
        ("no field `<<`",),
        ("Remove it",),
    ),
    "unclosed quote": (
        lambda line: _valued(line, '"and so on'),
        ("It is not YAML",),
        ("quotes",),
    ),
    "unclosed bracket": (
        lambda line: _valued(line, "[and, so, on"),
        ("It is not YAML",),
        ("brackets",),
    ),
    "stray bracket": (
        lambda line: _valued(line, "]"),
        ("It is not YAML",),
        ("brackets",),
    ),
    "two colons": (
        lambda line: _valued(line, "a: b: c"),
        ("It is not YAML",),
        ("quotes",),
    ),
    "reserved character": (
        lambda line: _valued(line, "@nobody"),
        ("It is not YAML",),
        ("quotes",),
    ),
    "tab": (
        lambda line: f"\t{line}",
        ("It is not YAML", "'\\t'"),
        ("spaces instead of tabs",),
    ),
    "less indented": (
        lambda line: f"{line}\n stray: 1",
        ("It is not YAML",),
        ("indentation",),
    ),
    "NUL": (
        lambda line: f"{line} # \0",
        ("U+0000 is not allowed",),
        ("Remove it",),
    ),
    "escape character": (
        lambda line: f"{line} # \x1b[2J",
        ("U+001B is not allowed",),
        ("Remove it",),
    ),
    "second document": (
        lambda line: f"{line}\n--- again",
        ("second document",),
        ("Keep one graph",),
    ),
}
"""Kind -> (change of a line, words of the message, words of the remedy)."""


def _bare(line: str) -> str:
    """A line without the dash that begins an item, as deeply indented."""
    return line.replace("- ", "  ", 1) if line.lstrip().startswith("- ") else line


def _indent(line: str) -> str:
    bare = _bare(line)
    return bare[: len(bare) - len(bare.lstrip())]


def _valued(line: str, value: str) -> str:
    return f"{line.split(': ')[0]}: {value}"


def mutations(base: Base) -> Iterator[BrokenText]:
    """The mutations of a graph's text."""
    lines = write(base.data).splitlines()
    with_value = [number for number, line in enumerate(lines) if _simple(line)]
    most = 2 if base.own else 1
    for count, (kind, (change, words, remedy)) in enumerate(_CHANGES.items()):
        for number in with_value[count % _EVERY :: _EVERY][:most]:
            text = "\n".join((*lines[:number], change(lines[number]), *lines[number + 1 :])) + "\n"
            yield BrokenText(base, kind, text, number + 1, words, remedy)


def _simple(line: str) -> bool:
    """A line of a field with a plain value of its own."""
    key, colon, value = line.strip().removeprefix("- ").partition(": ")
    return bool(colon) and key in _KEYS and value.isidentifier()
