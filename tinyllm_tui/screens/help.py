"""The help screen, made from the table of keys: what counts here first, and a filter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widgets import Input

from tinyllm_tui.commands import COMMANDS
from tinyllm_tui.keymap import KEYS, TITLES, Scope, bindings
from tinyllm_tui.keymap_choice import DEFAULT_KEYS, Keymap
from tinyllm_tui.screens.leaving import Dialog
from tinyllm_tui.widgets.footer import Footer
from tinyllm_tui.widgets.lines import LineView
from tinyllm_tui.words import UNICODE, Glyphs, Line, wrapped

_KEYS = 13
"""Columns of the keys."""
_Section = tuple[str, list[tuple[str, str]]]
"""A title, and what is below it: keys or words, and what they do."""


def help_lines(
    width: int,
    signs: Glyphs = UNICODE,
    keymap: Keymap = DEFAULT_KEYS,
    here: Sequence[Scope] = (),
    words: str = "",
) -> list[Line]:
    """Every key with what it does, by place.

    Args:
        width: columns.
        signs: how states are drawn; they are explained at the end.
        keymap: the keys that count.
        here: the scopes that count where the help was asked for; they come first.
        words: only lines that have all of these, in the key, in what it does or in the name of the place.
    """
    lines: list[Line] = []
    wanted = words.casefold().split()
    for title, rows in _sections(signs, keymap, here):
        found = [row for row in rows if all(word in f"{title} {row[0]} {row[1]}".casefold() for word in wanted)]
        if found:
            lines += [(), *wrapped(((title, "title"),), width, 2)] if lines else wrapped(((title, "title"),), width, 2)
        for keys, does in found:
            room = max(len(keys), _KEYS - 2)
            lines += wrapped(((f"  {keys:<{room}} ", "primary"), (does, "text")), width, _KEYS if width >= 52 else 4)
    return lines or [(("No key does that.", "dim"),)]


def _sections(signs: Glyphs, keymap: Keymap, here: Sequence[Scope]) -> Iterator[_Section]:
    for scope in (*here, *(scope for scope in KEYS if scope not in here)):
        title = f"{TITLES[scope]}, here" if scope in here and scope not in ("everywhere", "app") else TITLES[scope]
        yield title, [(keymap.written(key), key.words) for key in KEYS[scope]]
    yield "Words in the prompt", [(each.slash, each.title.lower()) for each in COMMANDS if each.slash]
    marks = (("checkpoint", "checkpoint"), ("prune", "pruned"))
    yield (
        "Signs",
        [(sign, f"a node is {state}") for state, sign in signs.nodes.items()]
        + [(sign, f"a breaker is {state.replace('_', '-')}") for state, sign in signs.breakers.items()]
        + [(signs.marks[mark], said) for mark, said in marks],
    )


class HelpScreen(Dialog[None]):
    """Closes with Esc, F1 or q.

    Args:
        signs: how states are drawn.
        keymap: the keys that count.
        here: the scopes that count where it was asked for.
    """

    CSS_PATH = "help.tcss"
    BINDINGS: ClassVar[list[BindingType]] = list(bindings("help"))

    def __init__(self, signs: Glyphs, keymap: Keymap = DEFAULT_KEYS, here: Sequence[Scope] = ()) -> None:
        super().__init__()
        self._signs, self._keymap, self._here = signs, keymap, here
        self._words = ""

    def compose(self) -> ComposeResult:
        self._lines = LineView(id="help-lines")
        self._filter = Input(id="help-filter", placeholder="/ filters", compact=True)
        with Vertical(id="help") as frame:
            frame.border_title = " Help "
            yield self._filter
            yield self._lines
        yield Footer()

    def on_mount(self) -> None:
        self._lines.focus()
        self.call_after_refresh(self._draw)

    def _draw(self) -> None:
        signs, keymap, here, words = self._signs, self._keymap, self._here, self._words
        self._lines.make_lines(lambda width: help_lines(width or 36, signs, keymap, here, words))

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._words = event.value
        self._lines.scroll_home(animate=False)
        self._draw()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._lines.focus()

    def action_scroll(self, step: int) -> None:
        self._lines.scroll_relative(y=step, animate=False)

    def action_filter(self) -> None:
        self._filter.focus()

    def action_leave(self) -> None:
        """Leave the filter, or the help."""
        if self._filter.has_focus or self._filter.value:
            self._filter.value = ""
            self._lines.focus()
        else:
            self.dismiss()
