"""The sessions beside the panes: which one this is, and a way to the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len
from textual.binding import BindingType
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from tinyllm_tui.keymap import bindings
from tinyllm_tui.sanitize import one_line
from tinyllm_tui.widgets.chat.history import local_time
from tinyllm_tui.widgets.rows import Rows
from tinyllm_tui.words import Glyphs, cut

if TYPE_CHECKING:
    from engine.store.rows import SessionHit, SessionRow

_NEW = "new"
"""Id of the row that begins a conversation; those of sessions are hexadecimal."""


def session_row(row: SessionRow, hit: SessionHit | None, width: int, signs: Glyphs, *, current: bool) -> Content:
    """One session on one line: whether it is this one, its name, what was found in it, and its facts."""
    facts = (
        f"{row.messages:>5} {'message ' if row.messages == 1 else 'messages'}" if width >= 60 else f"{row.messages:>5}"
    )
    if width >= 90:
        facts += "  memory off" if not row.memory else "            "
    if width >= 46:
        facts += f"  {local_time(row.updated_ms)}"
    sign = signs.play if current else " "
    room = max(width - cell_len(facts) - 3, 8)
    words = one_line(row.name, 200) + (f"  {signs.dot} {one_line(hit.snippet, 200)}" if hit is not None else "")
    name = cut(words, room, signs.ellipsis)
    return Content.assemble((f"{sign} ", "$accent"), name + " " * (room - cell_len(name)), (f" {facts}", "$text-dim"))


class SessionsPane(Rows):
    """Sessions, latest use first, below a row that begins a new one; posts what was chosen."""

    BINDINGS: ClassVar[list[BindingType]] = list(bindings("sidebar", without=("sidebar.open",)))

    class Chosen(Message):
        """Go on with a session."""

        def __init__(self, session: str) -> None:
            super().__init__()
            self.session = session

    class New(Message):
        """Begin a conversation."""

    class Left(Message):
        """Back to where questions are typed."""

    def __init__(self, signs: Glyphs, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(signs=signs, id=id)
        self._rows: Sequence[SessionRow] = ()
        self._current = ""

    def show(self, rows: Sequence[SessionRow], current: str) -> None:
        """List `rows`; `current` is the id of the session that goes on, empty where the next question begins one."""
        if (rows, current) != (self._rows, self._current):
            self._rows, self._current = rows, current
            self._draw()

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        width = max(self.scrollable_content_region.width - 1 - self.MARK, 12)
        place = self.highlighted
        sign = " " if self._current else self._signs.play
        begin = Content.assemble((f"{sign} ", "$accent"), (cut("+ new session", width - 2), "$text-dim"))
        self.clear_options()
        self.add_option(Option(begin, id=_NEW))
        self.add_options(
            Option(session_row(row, None, width, self._signs, current=row.id == self._current), id=row.id)
            for row in self._rows
        )
        ids = [_NEW, *(row.id for row in self._rows)]
        here = ids.index(self._current) if self._current in ids else 0
        self.highlighted = place if self.has_focus and place is not None and place < len(ids) else here

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        if event.option_id == _NEW:
            self.post_message(self.New())
        elif event.option_id is not None:
            self.post_message(self.Chosen(event.option_id))

    def action_new(self) -> None:
        self.post_message(self.New())

    def action_leave_sidebar(self) -> None:
        self.post_message(self.Left())
