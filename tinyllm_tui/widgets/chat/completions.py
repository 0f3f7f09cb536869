"""The list above the prompt while a command is typed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from textual.content import Content
from textual.widget import Widget
from textual.widgets.option_list import Option

from tinyllm_tui.sanitize import one_line
from tinyllm_tui.widgets.marked_list import MarkedList
from tinyllm_tui.words import UNICODE, Glyphs, cut


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One way in which a text could go on."""

    text: str
    """The whole text of the prompt with it."""
    label: str
    words: str = ""
    """What it does or is."""
    whole: bool = True
    """Whether the text can be sent as it is; else more is to follow."""


class Completions(MarkedList, can_focus=False):
    """Suggestions, of which one is marked. Keys come from the prompt, which keeps the focus."""

    DEFAULT_CSS = """
    Completions {
        display: none; height: auto; max-height: 8; border: none; padding: 0; scrollbar-size: 1 1;
        background: transparent; background-tint: $background 0%; margin: 0;
    }
    Completions.-open { display: block; }
    .-short Completions { max-height: 4; }
    """

    def __init__(self, signs: Glyphs = UNICODE) -> None:
        super().__init__(signs=signs, id="completions")
        self._shown: Sequence[Suggestion] = ()

    @property
    def is_open(self) -> bool:
        return self.has_class("-open")

    @property
    def chosen(self) -> Suggestion | None:
        """The marked one."""
        at = self.highlighted
        return self._shown[at] if self.is_open and at is not None and at < len(self._shown) else None

    def show(self, suggestions: Sequence[Suggestion]) -> None:
        """Show `suggestions`, of which the first is marked; none closes the list."""
        if suggestions == self._shown and self.is_open == bool(suggestions):
            return
        self._shown = suggestions
        self.set_class(bool(suggestions), "-open")
        self.highlighted = None
        self._draw()

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        at = self.highlighted or 0
        around = self.parent.content_size.width if isinstance(self.parent, Widget) else 0
        width = max(self.size.width or around, 20) - 1 - self.MARK
        names = min(max((cell_len(one_line(each.label, 200)) for each in self._shown), default=0), width * 3 // 5)
        self.clear_options()
        self.add_options(Option(self._row(each, names, width)) for each in self._shown)
        if self._shown:
            self.highlighted = min(at, len(self._shown) - 1)

    def _row(self, each: Suggestion, names: int, width: int) -> Content:
        label = cut(one_line(each.label, 200), names, self._signs.ellipsis)
        label += " " * (names - cell_len(label))
        words = cut(one_line(each.words, 200), max(width - names - 2, 0), self._signs.ellipsis)
        return Content.assemble((label, ""), (f"  {words}", "dim"))

    def move(self, step: int) -> None:
        """Mark another one; after the last comes the first."""
        if self._shown:
            self.highlighted = ((self.highlighted or 0) + step) % len(self._shown)
