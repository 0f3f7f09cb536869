"""What stands behind a slash in the prompt: a command, a route's word, or plain text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from tinyllm_tui.commands import COMMANDS

if TYPE_CHECKING:
    from engine.graph.spec import GraphSpec

_COMMAND = re.compile(r"/([\w-]*)(?:\s+(.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class SlashText:
    """A word behind a slash, and what follows it."""

    word: str
    """With its slash, in lower case."""
    rest: str


def slash_text(text: str) -> SlashText | None:
    """How `text` is read; None where it is no command: `/etc/passwd`, `// text`, `/ text`."""
    match = _COMMAND.fullmatch(text.strip())
    if match is None or (not match[1] and match[2]):
        return None
    return SlashText(f"/{match[1].lower()}", (match[2] or "").strip())


def without_escape(text: str) -> str:
    """What is sent: a question that begins with two slashes begins with one."""
    return text.replace("//", "/", 1) if text.lstrip().startswith("//") else text


def route_words(graph: GraphSpec | None) -> list[str]:
    """The words behind a slash that name a route of a graph's routers: names and domains, as the router reads them."""
    found: dict[str, None] = {}
    for node in () if graph is None else graph.nodes:
        for route in getattr(node.config, "routes", ()):
            found |= {f"/{word.lower()}": None for word in (route.name, *route.domains)}
    return list(found)


def nearest(word: str, others: Iterable[str] = ()) -> str:
    """The command, or one of `others`, that is written most like `word`; empty where none is."""
    names = [name for command in COMMANDS for name in command.names]
    return next(iter(get_close_matches(word, [*names, *others], n=1, cutoff=0.5)), "")


def fitting(typed: str, names: Iterable[str]) -> list[str]:
    """Those that begin with what was typed, then those that have it inside, without regard to case."""
    wanted, each = typed.casefold(), list(dict.fromkeys(names))
    first = [name for name in each if name.casefold().startswith(wanted)]
    return first + [name for name in each if wanted in name.casefold() and name not in first]


def unknown(word: str, others: Sequence[str] = (), *, listed: bool = True) -> str:
    """What is said of a slash word that names nothing; `listed`: whether /help lists those that do."""
    near = nearest(word, others)
    meant = f" Did you mean {near}?" if near else " /help lists them." if listed else ""
    return f"There is no command {word}.{meant} Write /{word} to send it as text."
