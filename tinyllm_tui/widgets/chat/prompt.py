"""The prompt: several lines, a history, and pastes of any size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.binding import BindingType
from textual.events import Key, Paste
from textual.message import Message
from textual.widgets import TextArea

from tinyllm_tui.drafts import Draft
from tinyllm_tui.keymap import KEYS, bindings
from tinyllm_tui.sanitize import sanitize
from tinyllm_tui.widgets.chat.completions import Completions, Suggestion
from tinyllm_tui.words import Glyphs

PASTE_LIMIT = 8_000
"""Characters of a paste that are shown; for a larger one stands a token, because wrapping a megabyte takes seconds."""

UNFOLDED_LIMIT = 50_000
"""Characters of a prompt in which pastes can be unfolded."""

PASTE_LINES = 20
"""Lines from which on a paste is folded too: the prompt shows six."""


class Prompt(TextArea):
    """Where questions are typed. Enter sends; ctrl+j begins a new line."""

    BINDINGS: ClassVar[list[BindingType]] = list(bindings("prompt"))

    class Begun(Message):
        """The person begins to type a question."""

    class Paged(Message):
        """A key that is of no use in the text: `step` is a page up or down (-1, 1), or 0 for the end."""

        def __init__(self, step: int) -> None:
            super().__init__()
            self.step = step

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
        self._typed = ""
        """Characters that are not inserted yet, because more of them are on their way."""
        self._pastes: dict[str, str] = {}
        self._kept_draft: str | None = None
        """What was typed before a question is edited."""
        self._completer: Callable[[str], Sequence[Suggestion]] | None = None
        self._completions = Completions()
        self._dismissed = False
        """Whether the person closed the list; typing a slash anew opens it."""

    # -- completion --------------------------------------------------------------------------------------------------

    def complete_with(self, completer: Callable[[str], Sequence[Suggestion]], signs: Glyphs) -> None:
        """Show above the prompt what `completer` makes of the text, while it makes something of it."""
        self._completer = completer
        self._completions = Completions(signs)
        assert self.parent is not None  # noqa: S101 - called when it is mounted
        self.screen.mount(self._completions, before=self)

    def suggest(self) -> None:
        """Look for suggestions again: other names are known now."""
        if self._completer is None:
            return
        self._dismissed = self._dismissed and self.text.startswith("/")
        self._completions.show(() if self._dismissed else self._completer(self.text))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys of the list are others' while it is closed."""
        if action in ("complete", "close_completions"):
            return self._completions.is_open
        return super().check_action(action, parameters)

    def action_complete(self) -> None:
        """Write the marked suggestion."""
        self._write(self._completions.chosen)

    def action_close_completions(self) -> None:
        self._dismissed = True
        self.suggest()

    def take(self, suggestion: Suggestion) -> None:
        """Write a suggestion, and send it where nothing is to follow."""
        self._write(suggestion)
        if suggestion.whole:
            self.send()

    def _write(self, suggestion: Suggestion | None) -> None:
        if suggestion is not None:
            self.write(suggestion.text if suggestion.whole else f"{suggestion.text} ")

    def write(self, text: str) -> None:
        """Replace what is typed."""
        self.text = text
        self.move_cursor(self.document.end)

    # -- sending -----------------------------------------------------------------------------------------------------

    def on_text_area_changed(self) -> None:
        self.suggest()
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
        """Obey our own keys here, in the order of typing; characters that came together are inserted together.

        As bindings they would overtake text that is still queued, or be overtaken by it: a question typed fast, with
        Enter, would be sent by half. And each insertion wraps the whole text anew and has the screen arranged: a long
        text that comes as keys, as pastes do in some terminals, would stop everything for seconds.
        """
        if event.is_printable and event.character is not None and not self._is_own(event.key):
            event.stop()
            event.prevent_default()
            if not self._typed and self.message_queue_size:
                self.call_later(self._insert_typed)
            self._typed += event.character
            if not self.message_queue_size:
                self._insert_typed()
            return
        self._insert_typed()
        active = self.screen.active_bindings.get(event.key)
        if active is not None and active.node is self and (active.binding.id or "").startswith("prompt."):
            event.stop()
            event.prevent_default()
            await self.run_action(active.binding.action)
            return
        await super()._on_key(event)

    def _is_own(self, key: str) -> bool:
        """Whether the person gave a key that writes a character to one of our actions."""
        keys = self.app._keymap  # noqa: SLF001 - Textual has no other way to ask
        return any(key in keys.get(each.id, each.keys).split(",") for each in KEYS["prompt"])

    def _insert_typed(self) -> None:
        typed, self._typed = self._typed, ""
        if typed:
            self._restart_blink()
            self._replace_via_keyboard(typed, *self.selection)

    def action_submit(self) -> None:
        """Send; where a list is open, what is marked in it, unless that is what is typed already."""
        chosen = self._completions.chosen
        if chosen is not None and (chosen.text != self.text.rstrip() or not chosen.whole):
            self.take(chosen)
        else:
            self.send()

    def send(self) -> None:
        """Send what is typed."""
        shown = self.text
        if not shown.strip():
            return
        self.post_message(self.Submitted(self.question(), shown))
        # cleared at once, because what is typed next may arrive before the question is looked at
        self.clear()
        if shown not in self._earlier[-1:]:
            self._earlier.append(shown)
        self._position = len(self._earlier)

    def accept(self) -> None:
        """Take the marked suggestion: it was clicked."""
        chosen = self._completions.chosen
        if chosen is not None:
            self.take(chosen)

    def begin_edit(self, question: str) -> None:
        """Put a question in the place of what is typed, which comes back when that is sent or left."""
        self._kept_draft = self.text if self._kept_draft is None else self._kept_draft
        self.write(self._folded(sanitize(question)))

    def leave_edit(self) -> None:
        """What was typed before is back."""
        self.write(self._kept_draft or "")
        self._kept_draft = None

    def draft(self) -> Draft:
        """What is typed and not sent; while a question is edited, what was typed before that."""
        text = self.text if self._kept_draft is None else self._kept_draft
        return Draft(text, {token: pasted for token, pasted in self._pastes.items() if token in text})

    def take_draft(self, draft: Draft) -> None:
        """Put a draft in the place of what is typed."""
        self._kept_draft = None
        self._pastes |= {token: sanitize(pasted) for token, pasted in draft.pastes.items()}
        self.write(sanitize(draft.text))

    def recall_first(self, questions: Sequence[str]) -> None:
        """Questions of earlier sessions, the oldest first: they come before those asked here."""
        folded = [self._folded(sanitize(each)) for each in questions]
        self._earlier = [*folded, *self._earlier]
        self._position += len(folded)

    def unfold_pastes(self) -> bool:
        """Write out the large pastes that are folded; false where there are none, or they are too large to be drawn."""
        text = self.question()
        if text == self.text or len(text) > UNFOLDED_LIMIT:
            return False
        self.write(text)
        return True

    def action_unfold_pastes(self) -> None:
        folded = self.question()
        if not self.unfold_pastes():
            large = folded != self.text
            self.notify(
                f"It is too large to be edited here: {len(folded):,} characters." if large else
                "No paste is folded in the prompt.", severity="warning",
            )  # fmt: skip

    def remember(self, questions: Sequence[str]) -> None:
        """Questions of a session that was opened, the oldest first: they can be recalled like those asked here."""
        self._earlier = [self._folded(sanitize(each)) for each in questions]
        self._position = len(self._earlier)

    def _folded(self, text: str) -> str:
        """A text, or what stands for it where it is too large to be drawn."""
        if len(text) <= PASTE_LIMIT and text.count("\n") < PASTE_LINES:
            return text
        token = next((each for each, pasted in self._pastes.items() if pasted == text), "")
        if not token:
            token = f"[pasted {len(self._pastes) + 1}: {text.count(chr(10)) + 1:,} lines, {len(text):,} characters]"
        self._pastes[token] = text
        return token

    def give_back(self, shown: str) -> None:
        """The question was not taken: it stands in the prompt again, before what was typed since."""
        self.text = shown + self.text
        self.move_cursor(self.document.end)

    def action_newline(self) -> None:
        self.insert("\n")

    def action_cursor_up(self, select: bool = False) -> None:
        if self._completions.is_open and not select:
            self._completions.move(-1)
        elif not select and self.cursor_at_first_line:
            self.action_earlier()
        else:
            super().action_cursor_up(select)

    def action_cursor_down(self, select: bool = False) -> None:
        if self._completions.is_open and not select:
            self._completions.move(1)
        elif not select and self.cursor_at_last_line:
            self.action_later()
        else:
            super().action_cursor_down(select)

    def action_cursor_page_up(self) -> None:
        if self._overflows:
            super().action_cursor_page_up()
        else:
            self.post_message(self.Paged(-1))

    def action_cursor_page_down(self) -> None:
        if self._overflows:
            super().action_cursor_page_down()
        else:
            self.post_message(self.Paged(1))

    def action_cursor_line_end(self, select: bool = False) -> None:
        if self.text:
            super().action_cursor_line_end(select)
        else:
            self.post_message(self.Paged(0))

    @property
    def _overflows(self) -> bool:
        """Whether there is more text than is shown."""
        return self.wrapped_document.height > self.size.height

    def action_earlier(self) -> None:
        if self._position == len(self._earlier):
            self._draft = self.text
        self._recall(self._position - 1)

    def action_later(self) -> None:
        self._recall(self._position + 1)

    def _recall(self, position: int) -> None:
        if 0 <= position <= len(self._earlier):
            self._position = position
            self._dismissed = True  # else the list would take the arrows that lead through the history
            self.text = self._draft if position == len(self._earlier) else self._earlier[position]
            self.move_cursor(self.document.end)

    async def _on_paste(self, event: Paste) -> None:
        event.stop()
        event.prevent_default()
        self._insert_typed()
        text = sanitize(event.text)
        self.insert(self._folded(text))
