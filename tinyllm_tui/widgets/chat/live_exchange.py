"""An exchange that knows whether it is recorded: an answer that is kept nowhere is not called committed."""

from __future__ import annotations

from engine.view import View
from tinyllm_tui.widgets.chat.exchange import Exchange, footer_lines
from tinyllm_tui.words import Glyphs, Line

UNRECORDED = "answered (not recorded)"


def unrecorded(lines: list[Line]) -> list[Line]:
    """The footer of a committed run, as it reads where nothing is written to the database."""
    (*facts, (words, tone)), *rest = lines
    return [(*facts, (f"{words.removesuffix('committed')}{UNRECORDED}", tone)), *rest]


class LiveExchange(Exchange):
    """A question that this process answers."""

    def __init__(self, question: str, signs: Glyphs) -> None:
        super().__init__(question, signs)
        self.recorded = True
        """False once it is known that the database belongs to another process."""

    def show(self, view: View, number: int | None, now_ms: float) -> None:
        super().show(view, number, now_ms)
        if view.status == "committed" and not self.recorded:
            self._footer.show(unrecorded(footer_lines(view, number, now_ms, self._signs)))
