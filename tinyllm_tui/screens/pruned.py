"""What was pruned: the messages that went from a model's context, when, why, and the whole text of each."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Vertical
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from engine.view import PruneView, View, pruned_text
from tinyllm_tui.keymap import bindings
from tinyllm_tui.screens.leaving import Dialog
from tinyllm_tui.widgets.footer import Footer
from tinyllm_tui.widgets.lines import LineView
from tinyllm_tui.widgets.memory import prunes_of
from tinyllm_tui.widgets.pruned_lines import message_lines, prune_head, rows_of
from tinyllm_tui.widgets.rows import Rows
from tinyllm_tui.words import Glyphs

_PERIOD_S = 0.5
"""Seconds between two looks at how many prunings there are: a run may go on."""


class PrunedScreen(Dialog[None]):
    """Shows the prunings of one run, one at a time.

    Args:
        view: of the run; it may still grow.
        prune: the pruning that is shown first, one of the view's.
        signs: how it is drawn.
    """

    CSS_PATH = "pruned.tcss"
    BINDINGS: ClassVar[list[BindingType]] = list(bindings("pruned", "everywhere"))
    # not annotated as class variables, because Textual's base class does not declare them so
    HORIZONTAL_BREAKPOINTS = [(0, "-stacked"), (100, "-side")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-low"), (20, "-high")]  # noqa: RUF012

    def __init__(self, view: View, prune: PruneView, signs: Glyphs) -> None:
        super().__init__()
        self._view = view
        self._prune = prune
        self._signs = signs

    def compose(self) -> ComposeResult:
        with Vertical(id="pruned") as frame:
            frame.border_title = Content(" What was pruned ")
            yield Static("", id="pruned-head", markup=False)
            with Container(id="pruned-body"):
                yield Rows(signs=self._signs, id="pruned-list")
                yield LineView(id="pruned-text")
        yield Footer()

    def on_mount(self) -> None:
        self.query_one(OptionList).focus()
        self.set_interval(_PERIOD_S, self._head)
        self.call_after_refresh(self._show)

    def on_resize(self) -> None:
        self.call_after_refresh(self._show)

    def _all(self) -> list[PruneView]:
        """The prunings of all contexts, the oldest first."""
        return prunes_of(self._view.memory)

    def _at(self) -> int:
        return next((index for index, prune in enumerate(self._all()) if prune is self._prune), 0)

    def _head(self) -> None:
        words = prune_head(self._prune, self._at() + 1, max(len(self._all()), 1), self._signs)
        self.query_one("#pruned-head", Static).update(Content(words))
        self.refresh_bindings()

    def _show(self) -> None:
        """List what this pruning took out; the same row stays chosen."""
        self._head()
        options = self.query_one(OptionList)
        chosen = options.highlighted or 0
        width = max(options.scrollable_content_region.width - 4, 16)
        options.clear_options()
        rows = rows_of(self._view, self._prune, width, self._signs)
        options.add_options(Option(Content(row)) for row in rows)
        options.highlighted = min(chosen, len(rows) - 1) if rows else None
        self._draw_text()

    def _draw_text(self) -> None:
        at = self.query_one(OptionList).highlighted or 0
        text = self.query_one("#pruned-text", LineView)
        view, prune, signs = self._view, self._prune, self._signs
        text.make_lines(lambda width: message_lines(view, prune, at, width or 38, signs))

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        self.query_one("#pruned-text", LineView).scroll_home(animate=False)
        self._draw_text()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.action_read()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """There is no pruning before the first one, nor after the last."""
        if action == "turn":
            step = parameters[0]
            return 0 <= self._at() + (step if isinstance(step, int) else 0) < len(self._all())
        return super().check_action(action, parameters)

    def action_turn(self, step: int) -> None:
        self._prune = self._all()[self._at() + step]
        self.query_one(OptionList).highlighted = None
        self._show()

    def action_read(self) -> None:
        text, options = self.query_one("#pruned-text", LineView), self.query_one(OptionList)
        (options if text.has_focus else text).focus()

    def action_copy_text(self) -> None:
        at = self.query_one(OptionList).highlighted
        if at is None or at >= len(self._prune.messages):
            self.notify("There is no text to copy.", severity="warning")
            return
        found = pruned_text(self._view, self._prune, self._prune.messages[at])
        if found.problem:
            self.notify(found.problem, severity="warning", markup=False)
            return
        self.app.copy_to_clipboard(found.text)
        self.notify("The text is in the clipboard.")

    def action_leave(self) -> None:
        self.dismiss()
