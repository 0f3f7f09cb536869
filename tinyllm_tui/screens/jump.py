"""Jump mode: a letter stands over everything that one can go to; pressing it goes there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from textual.app import ComposeResult
from textual.content import Content
from textual.events import Click, Key
from textual.geometry import Offset
from textual.screen import Screen
from textual.widgets import Static

from tinyllm_tui.jump_targets import Jumpable, Target, focusable, labelled
from tinyllm_tui.screens.leaving import Dialog


class JumpLabel(Static):
    """The letter over one target; a click does the same as the key."""

    def __init__(self, key: str, place: Offset) -> None:
        super().__init__(Content(f" {key} "), classes="jump--label")
        self.key = key
        self.styles.offset = place.x, place.y


class JumpScreen(Dialog[Target | None]):
    """Ends with what was chosen; every key that is no label leaves."""

    CSS_PATH = "jump.tcss"

    def __init__(self, targets: Iterable[Target], width: int, height: int) -> None:
        super().__init__()
        self._drawn_for = (width, height)
        self._labels = labelled(list(targets), width, height)

    def compose(self) -> ComposeResult:
        yield Static(Content(" A letter goes there, other keys leave "), id="jump-how")
        for key, (place, _target) in self._labels.items():
            yield JumpLabel(key, place)

    def on_key(self, event: Key) -> None:
        event.stop()
        event.prevent_default()
        found = self._labels.get(event.character or "")
        self.dismiss(None if found is None else found[1])

    def on_click(self, event: Click) -> None:
        event.stop()
        key = event.widget.key if isinstance(event.widget, JumpLabel) else ""
        found = self._labels.get(key)
        self.dismiss(None if found is None else found[1])

    def on_resize(self) -> None:
        """Labels would stand in the wrong places."""
        if self.is_current and (self.size.width, self.size.height) != self._drawn_for:
            self.dismiss(None)


def jump(screen: Screen[Any]) -> None:
    """Put labels over what one can go to on `screen`, and go where the person wants."""
    targets = list(screen.jump_targets() if isinstance(screen, Jumpable) else focusable(screen))

    def chosen(target: Target | None) -> None:
        if target is not None:
            target.go()

    if targets:
        screen.app.push_screen(JumpScreen(targets, screen.size.width, screen.size.height), chosen)
