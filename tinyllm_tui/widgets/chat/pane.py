"""The chat pane: the conversation, a message of it that is selected, and words that are searched in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import BindingType
from textual.events import Key, Paste
from textual.message import Message

from tinyllm_tui.keymap import KEYS, bindings
from tinyllm_tui.keymap_choice import DEFAULT_KEYS
from tinyllm_tui.sanitize import one_line
from tinyllm_tui.widgets.chat.bar import ChatBar
from tinyllm_tui.widgets.chat.history import PastTurn
from tinyllm_tui.widgets.chat.items import Remark, TurnItem
from tinyllm_tui.widgets.chat.search import MOST, Search
from tinyllm_tui.widgets.chat.transcript import Transcript
from tinyllm_tui.words import UNICODE, Glyphs

if TYPE_CHECKING:
    from tinyllm_tui.widgets.chat.exchange import Exchange

__all__ = ["ChatPane", "Remark"]

_KEYS = {key.id: key for scope in ("chat", "panes", "cockpit") for key in KEYS[scope]}


class ChatPane(Transcript):
    """The conversation, and what a person does in it.

    Args:
        id: of the widget.
        signs: which of them are drawn.
        welcomes: whether it says how to begin while it is empty; a replay's does not.
    """

    BINDINGS: ClassVar[list[BindingType]] = list(bindings("chat"))

    class Opened(Message):
        """The selected message is to be replayed."""

        def __init__(self, turn: PastTurn) -> None:
            super().__init__()
            self.turn = turn

    def __init__(self, *, id: str | None = None, signs: Glyphs = UNICODE, welcomes: bool = True) -> None:  # noqa: A002
        super().__init__(id=id, signs=signs, welcomes=welcomes)
        self.bar = ChatBar(signs)
        self.keys = DEFAULT_KEYS
        """How keys are written."""
        self._talks = welcomes
        self._selected: TurnItem | None = None
        self._search: Search | None = None
        self._typed: str | None = None
        """What is searched, while it is typed."""
        self._unseen = False
        """Whether something was written below while the person had scrolled up."""

    # -- a selected message ------------------------------------------------------------------------------------------

    @property
    def selected(self) -> PastTurn | None:
        """The selected message."""
        return None if self._selected is None else self._selected.turn

    @property
    def message(self) -> PastTurn | None:
        """What keys act on: the selected message, else the latest."""
        item = self._selected or self._latest_turn
        return None if item is None else item.turn

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that mean nothing here now are left to the screen."""
        if action == "leave_message":
            return self._selected is not None or self._search is not None or self._typed is not None
        if action == "unfold_selected":
            return self._foldable(self._selected)
        if action == "unfold":
            return self._foldable(self._selected or self._latest_turn)
        if action == "replay_message":
            return self._selected is not None
        if action == "match":
            return self._search is not None
        if action == "bottom":
            return self._talks  # the end of a replay is another one
        if action == "select_message":
            return self._talks and bool(self.items)
        return super().check_action(action, parameters)

    def begin(self, shown: str, question: str | None = None) -> Exchange:
        self._select(None)
        return super().begin(shown, question)

    def action_select_message(self, step: int) -> None:
        turns = self.turns
        if not turns:
            return
        at = len(turns) + min(step, 0) if self._selected is None else turns.index(self._selected) + step
        self._select(turns[max(at, 0)] if at < len(turns) else None)
        if self._selected is not None:
            self.reveal(self._selected)
        else:
            self.action_bottom()

    def on_exchange_selected(self, event: Exchange.Selected) -> None:
        """A click selects a message, and a second one leaves it."""
        event.stop()
        if self._talks:
            item = next((each for each in self.turns if each.exchange is event.exchange), None)
            self._select(None if item is self._selected else item)

    def _select(self, item: TurnItem | None) -> None:
        for each, on in ((self._selected, False), (item, True)):
            if each is not None and each.exchange is not None:
                each.exchange.set_class(on, "-selected")
        self._selected = item
        self._changed()

    def drawn(self, item: TurnItem) -> None:
        if item.exchange is not None:
            item.exchange.set_class(item is self._selected, "-selected")
        if self._search is not None:
            self._search.mark(item)

    def action_leave_message(self) -> None:
        """End the search, and select no message."""
        self._end_search()
        self._select(None)

    def _foldable(self, item: TurnItem | None) -> bool:
        return item is not None and item.exchange is not None and item.exchange.foldable

    def action_unfold(self) -> None:
        """Unfold what is folded in the selected message, else the latest; or fold it again."""
        item = self._selected or self._latest_turn
        if item is not None and item.exchange is not None:
            item.exchange.unfold()

    def action_unfold_selected(self) -> None:
        self.action_unfold()

    def action_replay_message(self) -> None:
        if self._selected is not None:
            self.post_message(self.Opened(self._selected.turn))

    # -- searching ---------------------------------------------------------------------------------------------------

    def action_search(self) -> None:
        """Begin to type what is searched."""
        self._typed = ""
        self._changed()

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """While something is typed, characters are its own."""
        del key
        return self._typed is not None and character is not None and character.isprintable()

    def on_key(self, event: Key) -> None:
        if self._typed is None:
            self._begin_at_once(event)
            return
        if event.is_printable and event.character is not None:
            self._typed = (self._typed + event.character)[:MOST]
        elif event.key == "backspace":
            self._typed = self._typed[:-1]
        elif event.key == "ctrl+u":
            self._typed = ""
        elif event.key == "enter":
            self.search(self._typed)
        elif event.key == "escape":
            self._typed = None
        else:
            return
        event.stop()
        event.prevent_default()
        self._changed()

    def _begin_at_once(self, event: Key) -> None:
        """Begin a search before the next key is looked at: an action runs later, and quick typing would go astray."""
        active = self.screen.active_bindings.get(event.key)
        if active is not None and active.node is self and active.binding.action == "search":
            self.action_search()
            event.stop()
            event.prevent_default()

    def on_paste(self, event: Paste) -> None:
        if self._typed is not None:
            event.stop()
            self._typed = one_line(self._typed + event.text, MOST)
            self._changed()

    def on_blur(self) -> None:
        if self._typed is not None:
            self._typed = None
            self._changed()

    def search(self, words: str) -> None:
        """Find words in the whole conversation, from the end; nothing where they are empty."""
        self._typed = None
        self._end_search()
        if words.strip():
            self._search = Search(self.turns, words)
            for item in self.turns:
                self._search.mark(item)
            self._go_to_match()
        self._changed()

    def action_match(self, step: int) -> None:
        """The next place, or the one before."""
        if self._search is not None:
            self._search.move(step)
            self._go_to_match()
            self._changed()

    def _go_to_match(self) -> None:
        item = None if self._search is None else self._search.item
        if item is not None and self._search is not None:
            self.reveal(item, self._search.target)

    def _end_search(self) -> None:
        search, self._search = self._search, None
        if search is not None:
            search.unmark()

    # -- the end -----------------------------------------------------------------------------------------------------

    def on_exchange_grown(self, event: Exchange.Grown) -> None:
        event.stop()
        if self._anchor_released and not self._unseen and self.scroll_y < self.max_scroll_y - 1:
            self._unseen = True
            self._changed()

    def action_bottom(self) -> None:
        """Go to the end, and follow it."""
        self.let_go()
        self.anchor()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if self._unseen and (not self._anchor_released or new_value >= self.max_scroll_y):
            self._unseen = False
            self._changed()

    def take_away(self, tx: str) -> None:
        if self._selected is not None and self._selected.turn.tx == tx:
            self._select(None)
        self._end_search()
        super().take_away(tx)
        self._changed()

    def forget(self) -> None:
        self._end_search()
        self._selected, self._typed, self._unseen = None, None, False
        super().forget()
        self._changed()

    def _written(self, key: str) -> str:
        return self.keys.written(_KEYS[key])

    def _changed(self) -> None:
        """Say on the bar what holds now."""
        turns = self.turns if self._selected is not None else ()
        at = 0 if self._selected is None else turns.index(self._selected) + 1
        self.bar.show(at, len(turns), self._search, self._typed, unseen=self._unseen, written=self._written)
        self.refresh_bindings()
