"""The help screen, made from the table of keys."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from tinyllm_tui.commands import COMMANDS
from tinyllm_tui.keymap import KEYS, TITLES
from tinyllm_tui.keymap_choice import DEFAULT_KEYS, Keymap
from tinyllm_tui.words import UNICODE, Glyphs


def help_content(signs: Glyphs = UNICODE, keymap: Keymap = DEFAULT_KEYS) -> Content:
    """Every key with what it does, by place."""
    parts: list[Content | tuple[str, str] | str] = []
    for scope, keys in KEYS.items():
        parts.append((f"{TITLES[scope]}\n", "bold $accent"))
        for key in keys:
            parts += [(f"  {keymap.written(key):<11} ", "$primary"), f"{key.words}\n"]
        parts.append("\n")
    parts.append(("Words in the prompt\n", "bold $accent"))
    for command in COMMANDS:
        if command.slash:
            parts += [(f"  {command.slash:<11}", "$primary"), f"{command.title.lower()}\n"]
    parts.append(("\nSigns\n", "bold $accent"))
    nodes = "   ".join(f"{sign} {state}" for state, sign in signs.nodes.items())
    breakers = "   ".join(
        f"{signs.breakers[state]} {state.replace('_', '-')}" for state in ("closed", "open", "half_open")
    )
    marks = "   ".join(
        f"{signs.marks[mark]} {words}" for mark, words in (("checkpoint", "checkpoint"), ("prune", "pruned"))
    )
    parts.append(f"  {nodes}\n  {breakers} (breakers)   {marks}\n")
    return Content.assemble(*parts)


class HelpScreen(ModalScreen[None]):
    """Closes with Esc, F1 or q."""

    CSS_PATH = "help.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,f1,q", "dismiss", "close", id="help.close", key_display="esc"),
    ]

    def __init__(self, signs: Glyphs, keymap: Keymap = DEFAULT_KEYS) -> None:
        super().__init__()
        self._signs = signs
        self._keymap = keymap

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="help") as scroll:
            scroll.border_title = " Help "
            scroll.border_subtitle = " esc closes "
            yield Static(help_content(self._signs, self._keymap))

    def on_mount(self) -> None:
        self.query_one("#help").focus()
