"""A small dialog with a few answers, of which the first is the safe one that Enter gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from tinyllm_tui.keymap import bindings
from tinyllm_tui.screens.leaving import Dialog
from tinyllm_tui.widgets.footer import Footer
from tinyllm_tui.widgets.marked_list import MarkedList

if TYPE_CHECKING:
    from tinyllm_tui.app import CockpitApp


class ChoiceScreen(Dialog[str | None]):
    """Gives the id of the answer, or None where the person leaves.

    Args:
        title: of the dialog; harmless text.
        words: what is asked; harmless text.
        answers: (id, words) of each; the first is selected.
    """

    CSS_PATH = "choice.tcss"
    BINDINGS: ClassVar[list[BindingType]] = list(bindings("choice"))

    def __init__(self, title: str, words: str, answers: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self._title, self._words, self._answers = title, words, answers

    def compose(self) -> ComposeResult:
        with Vertical(id="choice") as frame:
            frame.border_title = Content(f" {self._title} ")
            yield Static(self._words, id="choice-words", markup=False)
            options = (Option(Content(words), id=name) for name, words in self._answers)
            yield MarkedList(*options, signs=cast("CockpitApp", self.app).signs, id="choice-list")
        yield Footer()

    def on_mount(self) -> None:
        self._list = self.query_one(OptionList)
        self._list.highlighted = 0
        self._list.focus()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.dismiss(event.option_id)

    def action_leave(self) -> None:
        self.dismiss(None)
