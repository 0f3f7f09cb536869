"""A small dialog that asks for a run to open: the file of an exported one, or the number of one that is here."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Static

from tinyllm_tui.keymap import bindings
from tinyllm_tui.screens.leaving import Dialog
from tinyllm_tui.widgets.footer import Footer


class OpenRunScreen(Dialog[str | None]):
    """Gives what was written, or None where the person leaves."""

    CSS_PATH = "choice.tcss"
    BINDINGS: ClassVar[list[BindingType]] = list(bindings("choice"))

    def compose(self) -> ComposeResult:
        with Vertical(id="choice") as frame:
            frame.border_title = Content(" Replay an exported run ")
            yield Static(
                "A file that was written by an export. It is only looked at: nothing is imported.", id="choice-words",
                markup=False,
            )  # fmt: skip
            yield Input(id="open-run", placeholder="run-42.jsonl", compact=True)
        yield Footer()

    def on_mount(self) -> None:
        self.query_one(Input).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.dismiss(event.value.strip() or None)

    def action_leave(self) -> None:
        self.dismiss(None)
