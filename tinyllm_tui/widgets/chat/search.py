"""Searching a conversation: every place where some words stand, marked where it is mounted."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from tinyllm_tui.widgets.chat.history import PastTurn
from tinyllm_tui.widgets.chat.items import TurnItem

if TYPE_CHECKING:
    from tinyllm_tui.widgets.chat.exchange import Exchange

MOST = 120
"""Characters of what is searched."""
_FENCE = re.compile(r"^ *(?:```|~~~).*$", re.MULTILINE)
_MARKS = re.compile(r"\*\*|`|(?<!\w)[*_](?=\S)|(?<=\S)[*_](?!\w)|^#{1,6} +|^ *> ?", re.MULTILINE)
_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()\s]*\)")
_PLACE = "reverse"
_HERE = "reverse bold underline"


def searchable(turn: PastTurn) -> str:
    """A turn's text about as it stands on the screen: without the marks of Markdown, but for code."""
    parts = _FENCE.split(turn.answer)
    parts[::2] = [_MARKS.sub("", _LINK.sub(r"\1", part)) for part in parts[::2]]
    return f"{turn.question}\n{''.join(parts)}".replace("\n", " ")


class Search:
    """The places where words stand in some turns, without regard to case; one of them is the current one.

    Args:
        turns: the conversation, the oldest first.
        words: what is searched.
    """

    def __init__(self, turns: Sequence[TurnItem], words: str) -> None:
        self.words = words[:MOST]
        self._pattern = re.compile(re.escape(self.words), re.IGNORECASE)
        self._places = [
            (item, n) for item in turns for n, _ in enumerate(self._pattern.finditer(searchable(item.turn)))
        ]  # fmt: skip
        self._at = len(self._places) - 1
        self._marked: dict[Static, Content] = {}
        """What is marked, and how it is without that."""

    @property
    def found(self) -> str:
        """How much was found, and which of it is shown."""
        return f"{self._at + 1} of {len(self._places)}" if self._places else "nothing found"

    @property
    def item(self) -> TurnItem | None:
        """The turn of the current place."""
        return self._places[self._at][0] if self._places else None

    def move(self, step: int) -> None:
        """To the next place or the one before, around the ends."""
        if self._places:
            before, self._at = self.item, (self._at + step) % len(self._places)
            for item in {before, self.item}:
                if item is not None:
                    self.mark(item)

    def target(self) -> tuple[Widget, float] | None:
        """The widget in which the current place stands, and at which share of its height; None: it is not mounted."""
        item, number = self._places[self._at]
        if item.exchange is None:
            return None
        places = [(static, found.start() / len(text)) for static, text in _texts(item.exchange)
                  for found in self._pattern.finditer(text)]  # fmt: skip
        # Markdown may show less than was counted
        return places[min(number, len(places) - 1)] if places else (item.exchange, 0.0)

    def mark(self, item: TurnItem) -> None:
        """Mark every place of a turn, where it is mounted."""
        exchange = item.exchange
        if exchange is None or not self._places:
            return
        here = self._places[self._at][1] if item is self.item else -1
        number = 0
        for static, text in _texts(exchange):
            marked = plain = self._marked.get(static) or static.content
            assert isinstance(marked, Content) and isinstance(plain, Content)  # noqa: S101, PT018 - as in `_texts`
            for found in self._pattern.finditer(text):
                marked = marked.stylize(_HERE if number == here else _PLACE, found.start(), found.end())
                number += 1
            if marked is not plain:
                self._marked[static] = plain
                static.update(marked, layout=False)

    def unmark(self) -> None:
        """Everything as it was."""
        for static, plain in self._marked.items():
            if static.is_attached:
                static.update(plain, layout=False)
        self._marked.clear()


def _texts(exchange: Exchange) -> Iterator[tuple[Static, str]]:
    """The texts of an exchange that can be marked, in order, with spaces for line breaks."""
    for static in (exchange.question_words, *exchange.document.query(Static)):
        content = static.content
        if isinstance(content, Content) and content.plain:
            yield static, content.plain.replace("\n", " ")
