"""A line that stands for a long text, and the text below it once it is unfolded."""

from __future__ import annotations

from textual.events import Click
from textual.message import Message

from tinyllm_tui.sanitize import sanitize
from tinyllm_tui.widgets.lines import LineView
from tinyllm_tui.words import Glyphs, Line, count, cut, wrapped

SHOWN = 20_000
"""Characters of an unfolded text that are drawn."""


def thinking_words(text: str, *, going_on: bool) -> str:
    """How much a model thought, or has thought so far."""
    words = len(text.split())
    return f"{'thinking' if going_on else 'thought'}: {count(words)} word{'' if words == 1 else 's'}"


def head_lines(words: str, width: int, signs: Glyphs, *, whole: bool) -> list[Line]:
    """The line that stands for a text; where the text is unfolded it is as many as its words take."""
    if not whole:
        return [((f"{signs.folded} ", "accent"), (cut(words, width - 2, signs.ellipsis), "dim"))]
    return wrapped(((f"{signs.unfolded} ", "accent"), (words, "dim")), width, indent=2)


def text_lines(text: str, width: int) -> list[Line]:
    """A text on rows of a width, of which only as much is drawn as may be."""
    lines: list[Line] = []
    for line in sanitize(text[:SHOWN]).split("\n"):
        lines += wrapped(((line, "dim"),), max(width, 8))
    if len(text) > SHOWN:
        lines.append(((f"({len(text):,} characters in all)", "faint"),))
    return lines


class Folded(LineView, can_focus=False):
    """Says how much is folded; a click unfolds it.

    Args:
        signs: which of them stand before it.
        body: whether the text is drawn below the line; else whoever listens shows it elsewhere.
    """

    DEFAULT_CSS = "Folded { height: 1; margin: 0 0 1 2; overflow: hidden; }"

    class Toggled(Message):
        """It was folded or unfolded."""

        def __init__(self, folded: Folded) -> None:
            super().__init__()
            self.folded = folded

    def __init__(self, signs: Glyphs, *, body: bool = True) -> None:
        super().__init__()
        self._signs = signs
        self._body = body
        self._words = ""
        self._text = ""
        self.unfolded = False

    def show(self, words: str, text: str) -> None:
        """Stand for `text`; `words` say what it is."""
        if (words, text) != (self._words, self._text):
            self._words, self._text = words, text
            self._draw()

    def toggle(self) -> None:
        self.unfolded = not self.unfolded
        self._draw()
        self.post_message(self.Toggled(self))

    def on_click(self, event: Click) -> None:
        event.stop()
        self.toggle()

    def _draw(self) -> None:
        shown = self._text if self.unfolded and self._body else ""

        def lines(width: int) -> list[Line]:
            room = max(width or 80, 8)
            head = head_lines(self._words, room, self._signs, whole=self.unfolded)
            return [*head, *(text_lines(shown, room) if shown else ())]

        self.make_lines(lines)
        self.styles.height = max(self.count(), 1)

    def on_resize(self) -> None:
        super().on_resize()
        self.styles.height = max(self.count(), 1)
