"""Where jump mode leads: what one can go to on a screen, and the letter over each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from textual.geometry import Offset, Region
from textual.screen import Screen

LETTERS = "asdfghjklqwertyuiopzxcvbnm"
WIDTH = 3
"""Columns of a label."""
_STEP = 4
"""Columns between two labels that would stand on each other."""


@dataclass(frozen=True, slots=True)
class Target:
    """Something that one can go to."""

    region: Region
    """Where it is on the screen."""
    go: Callable[[], object]
    key: str = ""
    """The key that a person would expect; empty: any letter."""


@runtime_checkable
class Jumpable(Protocol):
    """A screen that knows where one can go on it."""

    def jump_targets(self) -> Iterable[Target]: ...


def focusable(screen: Screen[Any]) -> list[Target]:
    """Everything in sight that takes the focus, in the order of tab."""
    return [Target(widget.region, widget.focus) for widget in screen.focus_chain if widget.region]


def labelled(targets: Iterable[Target], width: int, height: int) -> dict[str, tuple[Offset, Target]]:
    """Key -> where its label stands, and what it goes to; no label stands on another one.

    Targets come in the order of their importance: an expected key is the first one's that wants it, and when the
    letters run out the last targets have none.
    """
    found: dict[str, tuple[Offset, Target]] = {}
    taken: set[Offset] = set()
    wanted = {target.key for target in targets}
    spare = iter([letter for letter in LETTERS if letter not in wanted])
    for target in targets:
        key = target.key if target.key and target.key not in found else next(spare, "")
        if not key:
            continue
        x = max(min(target.region.x, width - WIDTH), 0)
        place = Offset(x, max(min(target.region.y, height - 1), 0))
        while place in taken and place.x + _STEP <= width - WIDTH:
            place += Offset(_STEP, 0)
        taken.add(place)
        found[key] = place, target
    return found
