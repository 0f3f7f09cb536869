"""The keys that count: those of a preset, changed by the person, with every mistake and every conflict named."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations

from textual.keys import Keys, _character_to_key, key_to_character

from tinyllm_tui.face_config import Preset
from tinyllm_tui.keymap import KEYS, Key, Scope
from tinyllm_tui.sanitize import one_line

PRESETS: dict[Preset, dict[str, str]] = {
    "default": {},
    "vim": {
        "graph.up": "up,k",
        "graph.down": "down,j",
        "graph.left": "left,h",
        "graph.right": "right,l",
        "breakers.up": "up,k",
        "breakers.down": "down,j",
        "chat.up": "shift+up,K",
        "chat.down": "shift+down,J",
        "timeline.up": "up,k",
        "timeline.down": "down,j",
        "timeline.left": "left,h",
        "timeline.right": "right,l",
        "timeline.lane_up": "shift+up,K",
        "timeline.lane_down": "shift+down,J",
        "replay.back": "left_square_bracket,h",
        "replay.forward": "right_square_bracket,l",
        "replay.node_back": "left_curly_bracket,b",
        "replay.node_forward": "right_curly_bracket,w",
        "replay.go": "g,colon",
        "replay.mark": "m",
        "compare.back": "left_square_bracket,h",
        "compare.forward": "right_square_bracket,l",
        "compare.go": "g,colon",
        "pane.up": "up,k",
        "pane.down": "down,j",
        "inspector.up": "up,k",
        "inspector.down": "down,j",
        "help.up": "up,k",
        "help.down": "down,j",
        "list.up": "up,k",
        "list.down": "down,j",
        "list.first": "home,g",
        "list.last": "end,G",
        "list.page_up": "pageup,ctrl+u",
        "list.page_down": "pagedown,ctrl+d",
        "pruned.earlier": "left_square_bracket,left,h",
        "pruned.later": "right_square_bracket,right,l",
    },
}
"""What a preset changes of the table of keys: the id of a binding, and its keys."""

TOGETHER: tuple[tuple[Scope, ...], ...] = (
    ("app", "cockpit", "panes", "everywhere"),
    ("app", "replay", "panes", "everywhere"),
    ("transactions", "everywhere"),
    ("compare", "everywhere"),
    ("health", "everywhere"),
    ("tools", "everywhere"),
    ("logs", "everywhere"),
    ("models", "everywhere"),
    ("node", "everywhere"),
    ("fork", "everywhere"),
    ("route", "everywhere"),
)
"""Scopes that count at one place at once; every other is inside of them and goes first there."""

_MODIFIERS = frozenset({"ctrl", "alt", "shift", "super", "hyper", "meta"})
_NAMED = frozenset(key.value for key in Keys)


@dataclass(frozen=True, slots=True)
class Keymap:
    """Changed keys as Textual takes them, and what was wrong with the wishes."""

    keys: Mapping[str, str]
    """Id of a binding to its keys, separated by commas; bindings that are not in it keep theirs."""
    problems: tuple[str, ...] = ()
    """One sentence each, with the remedy; outside text in it is sanitised."""

    def written(self, key: Key) -> str:
        """How the keys of a binding are written in the help."""
        changed = self.keys.get(key.id)
        if changed is None:
            return key.shown or key.keys.split(",")[0]
        return " ".join(_shown(each) for each in changed.split(","))


DEFAULT_KEYS = Keymap({})
"""The keys of the table."""


def keymap(preset: Preset, own: Mapping[str, str]) -> Keymap:
    """The keys of `preset`, changed by `own` (id to keys, separated by commas).

    A line that cannot count is left out and named in `problems`; a key that two bindings share now is named.
    """
    known = {key.id: key for key in _all_keys()}
    keys, problems = dict(PRESETS[preset]), list[str]()
    for name, wish in own.items():
        problem = _problem(name, wish, known)
        if problem:
            problems.append(problem)
        else:
            keys[name] = ",".join(_normal(each) for each in _parts(wish))
    problems += _conflicts(keys, known)
    return Keymap(keys, tuple(problems))


def _all_keys() -> Iterator[Key]:
    for keys in KEYS.values():
        yield from keys


def _parts(wish: str) -> list[str]:
    if wish.strip() == ",":
        return [","]
    return [part.strip() for part in wish.split(",") if part.strip()]


def _normal(key: str) -> str:
    """A key as Textual names it: `?` is `question_mark`."""
    *modifiers, base = key.split("+") if key != "+" else ["+"]
    return "+".join([*modifiers, _character_to_key(base) if len(base) == 1 else base])


def _is_key(key: str) -> bool:
    *modifiers, base = key.split("+") if key != "+" else ["+"]
    if not set(modifiers) <= _MODIFIERS or not base:
        return False
    return len(base) == 1 or base in _NAMED or key_to_character(base) is not None


def _types_text(key: str) -> bool:
    """Whether the key would be missing where somebody writes."""
    return len(key) == 1 or key == "space" or ("+" not in key and key_to_character(key) is not None)


def _problem(name: str, wish: str, known: Mapping[str, Key]) -> str:
    """What is wrong with one wish; empty: nothing."""
    called = f"keys.map: {one_line(name, 60)}"
    if name not in known:
        close = next(iter(difflib.get_close_matches(name, known, 1)), "")
        meant = f"; did you mean {close}?" if close else "."
        return f"{called} is no binding{meant} `tinyllm-tui keys` lists them."
    parts = _parts(wish)
    if not parts:
        return f"{called} has no key. Name one, or remove the line."
    wrong = next((part for part in parts if not _is_key(part)), None)
    if wrong is not None:
        return f"{called}: {one_line(wrong, 40)!r} is no key. Write it as ctrl+k, f5, shift+up or a character."
    key = known[name]
    if key.id.startswith("prompt.") or key.priority:
        typed = next((part for part in parts if _types_text(_normal(part))), None)
        if typed is not None:
            return f"{called}: {typed!r} could not be typed in the prompt any more. Take it with ctrl or alt."
    return ""


def _conflicts(keys: Mapping[str, str], known: Mapping[str, Key]) -> Iterator[str]:
    """Keys that two bindings of one place have now, and had not in the table."""
    if not keys:
        return
    told: set[tuple[str, str]] = set()
    alone: list[tuple[Scope, ...]] = [(scope,) for scope in KEYS if not any(scope in group for group in TOGETHER)]
    for group in [*TOGETHER, *alone]:
        here = [key for scope in group for key in KEYS[scope]]
        for one, other in combinations(here, 2):
            pair = (one.id, other.id)
            now = _shared(keys.get(one.id, one.keys), keys.get(other.id, other.keys))
            if not now or _shared(one.keys, other.keys) or pair in told:
                continue
            told.add(pair)
            loser = one if one.id not in keys else other
            yield (
                f"keys.map: {_shown(now[0])} is both {one.id} and {other.id}. Give {loser.id} another key; "
                f"{'it has none now' if known[loser.id].id not in keys else 'the first of them gets it'}."
            )


def _shared(one: str, other: str) -> list[str]:
    there = set(_normalised(other))
    return [key for key in _normalised(one) if key in there]


@cache
def _normalised(keys: str) -> Sequence[str]:
    return [_normal(part) for part in _parts(keys)]


def _shown(key: str) -> str:
    """`ctrl+k` as `^k`, `left_square_bracket` as `[`."""
    *modifiers, base = key.split("+")
    character = key_to_character(base) if len(base) > 1 and base not in ("space", "tab", "enter", "escape") else None
    base = character if character is not None and character.isprintable() else base
    base = {"escape": "esc"}.get(base, base)
    if modifiers == ["ctrl"]:
        return f"^{base}"
    return "+".join([*modifiers, base])
