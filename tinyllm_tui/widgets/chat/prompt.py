"""The prompt: several lines, a history, and pastes of any size."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType
from textual.events import Key, Paste
from textual.message import Message
from textual.widgets import TextArea

from tinyllm_tui.keymap import bindings
from tinyllm_tui.sanitize import sanitize

PASTE_LIMIT = 8_000
"""Characters of a paste that are shown; for a larger one stands a token, because wrapping a megabyte takes seconds."""


class Prompt(TextArea):
    """Where questions are typed. Enter sends; ctrl+j begins a new line."""

    BINDINGS: ClassVar[list[BindingType]] = list(bindings("prompt"))

    class Begun(Message):
        """The person begins to type a question."""

    class Submitted(Message):
        """A question was sent; `shown` has tokens in the place of large pastes."""

        def __init__(self, question: str, shown: str) -> None:
            super().__init__()
            self.question = question
            self.shown = shown

    def __init__(self, *, id: str | None = None, placeholder: str = "") -> None:  # noqa: A002
        super().__init__(id=id, soft_wrap=True, show_line_numbers=False, compact=True, placeholder=placeholder)
        self.highlight_cursor_line = False
        self._earlier: list[str] = []
        self._position = 0
        self._draft = ""
        self._begun = False
        self._pastes: dict[str, str] = {}

    def on_text_area_changed(self) -> None:
        if bool(self.text) and not self._begun:
            self.post_message(self.Begun())
        self._begun = bool(self.text)

    def question(self) -> str:
        """What is typed, with pastes in full."""
        text = self.text
        for token, pasted in self._pastes.items():
            text = text.replace(token, pasted)
        return text

    async def _on_key(self, event: Key) -> None:
        """Obey our own keys here, in the order of typing.

        As bindings they would overtake text that is still queued, or be overtaken by it: a question typed fast, with
        Enter, would be sent by half.
        """
        active = self.screen.active_bindings.get(event.key)
        if active is not None and active.node is self and (active.binding.id or "").startswith("prompt."):
            event.stop()
            event.prevent_default()
            await self.run_action(active.binding.action)
            return
        await super()._on_key(event)

    def action_submit(self) -> None:
        shown = self.text
        if not shown.strip():
            return
        self.post_message(self.Submitted(self.question(), shown))
        # cleared at once, because what is typed next may arrive before the question is looked at
        self.clear()
        if shown not in self._earlier[-1:]:
            self._earlier.append(shown)
        self._position = len(self._earlier)

    def give_back(self, shown: str) -> None:
        """The question was not taken: it stands in the prompt again, before what was typed since."""
        self.text = shown + self.text
        self.move_cursor(self.document.end)

    def action_newline(self) -> None:
        self.insert("\n")

    def action_cursor_up(self, select: bool = False) -> None:
        if not select and self.cursor_at_first_line:
            self.action_earlier()
        else:
            super().action_cursor_up(select)

    def action_cursor_down(self, select: bool = False) -> None:
        if not select and self.cursor_at_last_line:
            self.action_later()
        else:
            super().action_cursor_down(select)

    def action_earlier(self) -> None:
        if self._position == len(self._earlier):
            self._draft = self.text
        self._recall(self._position - 1)

    def action_later(self) -> None:
        self._recall(self._position + 1)

    def _recall(self, position: int) -> None:
        if 0 <= position <= len(self._earlier):
            self._position = position
            self.text = self._draft if position == len(self._earlier) else self._earlier[position]
            self.move_cursor(self.document.end)

    async def _on_paste(self, event: Paste) -> None:
        event.stop()
        event.prevent_default()
        text = sanitize(event.text)
        if len(text) > PASTE_LIMIT:
            token = f"[pasted {len(self._pastes) + 1}: {len(text):,} characters]"
            self._pastes[token] = text
            text = token
        self.insert(text)
