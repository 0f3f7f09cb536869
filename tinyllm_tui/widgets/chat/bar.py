"""The line below the conversation: the selected message and its keys, what a search found, what is new below."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual.events import Click
from textual.message import Message

from tinyllm_tui.sanitize import one_line
from tinyllm_tui.widgets.lines import LineView
from tinyllm_tui.words import Glyphs, Line, Span, plain

if TYPE_CHECKING:
    from tinyllm_tui.widgets.chat.search import Search

_ACTS = (
    ("chat.fork", "fork"), ("chat.edit", "edit"), ("chat.again", "again"), ("chat.copy", "copy"), ("chat.code", "code"),
    ("chat.open", "replay"), ("chat.unselect", "back"),
)  # fmt: skip


def acts_line(acts: Sequence[tuple[str, str]], width: int) -> Line:
    """Keys and what they do, as many as there is room for, and always the last one, which leads back."""
    spans: list[Span] = []
    room = width - sum(len(word) for word in acts[-1]) - 3 if acts else 0
    for keys, words in acts:
        if (keys, words) == acts[-1] or len(keys) + len(words) + 3 <= room:
            room -= len(keys) + len(words) + 3
            spans += [("  ", "text"), (keys, "accent"), (f" {words}", "dim")]
    return tuple(spans)


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
        acts: list[tuple[str, str]] = []
        if typed is not None:
            parts.append(((f"/{one_line(typed, 60)}_", "strong"), ("  enter searches", "dim")))
        elif search is not None:
            keys = f"{written('chat.next_match')} {written('chat.last_match')} {written('chat.unselect')}"
            parts.append(((f"/{one_line(search.words, 30)} ", "strong"), (search.found, "text"), (f"  {keys}", "dim")))
        if selected:
            parts.append(((f"{self._signs.play} message {selected} of {count}", "title"),))
            acts = [(written(key), words) for key, words in _ACTS]
        if unseen:
            parts.append(((f"{self._signs.below} new below", "warn"), (f"  {written('chat.end')}", "dim")))
        self.set_class(bool(parts), "-shown")
        gap: Span = (f"  {self._signs.bar}  ", "faint")
        said: Line = tuple(span for n, part in enumerate(parts) for span in ((gap, *part) if n else part))
        self.make_lines(lambda width: [(*said, *acts_line(acts, width - cell_len(plain(said))))] if said else [])
