"""The line below the conversation: the selected message and its keys, what a search found, what is new below."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from textual.events import Click
from textual.message import Message

from tinyllm_tui.sanitize import one_line
from tinyllm_tui.widgets.lines import LineView
from tinyllm_tui.words import Glyphs, Line, Span

if TYPE_CHECKING:
    from tinyllm_tui.widgets.chat.search import Search

_ACTS = (
    ("chat.fork", "fork"), ("chat.edit", "edit"), ("chat.again", "again"), ("chat.copy", "copy"), ("chat.code", "code"),
    ("chat.open", "replay"), ("chat.unselect", "back"),
)  # fmt: skip


class ChatBar(LineView, can_focus=False):
    """Hidden while there is nothing to say."""

    DEFAULT_CSS = """
    ChatBar { display: none; height: 1; padding: 0 1; background: $panel; overflow: hidden; }
    ChatBar.-shown { display: block; }
    """

    class Pressed(Message):
        """A click on it."""

    def __init__(self, signs: Glyphs) -> None:
        super().__init__(id="chat-bar")
        self._signs = signs

    def on_click(self, event: Click) -> None:
        event.stop()
        self.post_message(self.Pressed())

    def show(
        self,
        selected: int,
        count: int,
        search: Search | None,
        typed: str | None,
        *,
        unseen: bool,
        written: Callable[[str], str],
    ) -> None:
        """Say what holds now.

        Args:
            selected: number of the selected message; 0 for none.
            count: how many there are.
            search: what is searched.
            typed: what is to be searched, while it is typed.
            unseen: whether something new stands below what is seen.
            written: how the keys of a binding are written.
        """
        parts: list[Line] = []
        if typed is not None:
            parts.append(((f"/{one_line(typed, 60)}_", "strong"), ("  enter searches", "dim")))
        elif search is not None:
            keys = f"{written('chat.next_match')} {written('chat.last_match')} {written('chat.unselect')}"
            parts.append(((f"/{one_line(search.words, 30)} ", "strong"), (search.found, "text"), (f"  {keys}", "dim")))
        if selected:
            spans: list[Span] = [(f"{self._signs.play} message {selected} of {count}", "title")]
            for key, words in _ACTS:
                spans += [("  ", "text"), (written(key), "accent"), (f" {words}", "dim")]
            parts.append(tuple(spans))
        if unseen:
            parts.append(((f"{self._signs.below} new below", "warn"), (f"  {written('chat.end')}", "dim")))
        self.set_class(bool(parts), "-shown")
        gap: Span = (f"  {self._signs.bar}  ", "faint")
        self.set_lines([tuple(span for n, part in enumerate(parts) for span in ((gap, *part) if n else part))])
