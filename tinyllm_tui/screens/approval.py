"""The dialog in which a person answers a request for approval. Enter is never yes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.events import Key, ScreenResume
from textual.screen import ModalScreen
from textual.widgets import TextArea

from engine.tools.policy import Approval, ApprovalRequest, Scope
from tinyllm_tui.approval_text import arguments_of, effect_of, question_of, text_of, title_of
from tinyllm_tui.keymap import KEYS, bindings
from tinyllm_tui.widgets.footer import Footer
from tinyllm_tui.widgets.lines import LineView
from tinyllm_tui.words import Glyphs, Line, wrapped

_KEYS = frozenset(key for binding in KEYS["approval"] for key in binding.keys.split(",")) | {
    "up", "down", "pageup", "pagedown", "home", "end",
}  # fmt: skip
"""Keys that answer, and those that scroll."""
_EDITOR = 10
"""Rows of the editor of a short text; it scrolls."""
_AROUND, _AROUND_LOW = 7, 3
"""Rows of the dialog and the footer that are not its text; in a low terminal."""
_LOW = 16
"""Rows below which a terminal is low: what is to be allowed comes first, and nothing is spaced."""


class ApprovalScreen(ModalScreen[None]):
    """Asks one request.

    It comes up while the person may be typing, so keys are taken only when none has come for `QUIET_S` seconds.

    Args:
        request: what is asked.
        signs: how it is drawn.
        answered: called once, with the request and the answer.
        now: a monotonic clock, in seconds.
    """

    CSS_PATH = "approval.tcss"
    BINDINGS: ClassVar[list[BindingType]] = list(bindings("approval"))
    QUIET_S: ClassVar[float] = 0.5

    def __init__(
        self,
        request: ApprovalRequest,
        signs: Glyphs,
        answered: Callable[[ApprovalRequest, Approval], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self.request = request
        self._signs = signs
        self._answered = answered
        self._now = now
        self._last_key = now()
        self._pending = 1
        self._withdrawn = False
        self._original = text_of(request)
        self._text = self._original
        """What goes on with a yes."""
        self._editing = False

    # -- what is shown -----------------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        self._frame = Vertical(id="approval")
        self._body = LineView(id="approval-body")
        self._editor = TextArea(self._text, id="approval-editor", soft_wrap=True)
        with self._frame:
            yield self._body
            yield self._editor
        yield Footer()

    def on_mount(self) -> None:
        self._last_key = self._now()
        self._editor.display = False
        self.set_focus(self._body)
        self.call_after_refresh(self._draw)

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw)

    def count(self, pending: int) -> None:
        """Say how many requests wait, this one included."""
        self._pending = pending
        if self.is_mounted:
            self._draw()

    def _draw(self) -> None:
        self._frame.set_class(self._low, "-low")
        room = max(self.size.height - (_AROUND_LOW if self._low else _AROUND), 3)
        lines = self._lines(self._frame.content_size.width - 1)  # a column is for the scroll bar
        height = min(len(lines), room // 3 if self._editing else room)
        self._body.styles.height = height
        self._editor.styles.height = min(room - height, max(self._text.count("\n") + 4, _EDITOR))
        self._body.set_lines(lines)
        more = f"{self._pending - 1} more after this {self._signs.dot} " if self._pending > 1 else ""
        how = "esc ends editing, y then sends it on" if self._editing else "y allows it, n does not, Enter does nothing"
        if not self._editing and self._too_wide(f"{more}{how}"):
            how = f"y yes {self._signs.dot} n no {self._signs.dot} Enter nothing"
        self._frame.border_subtitle = Content(f" {more}{how} ")
        title = f"? {title_of(self.request)}"
        if self._too_wide(title):
            title = f"? {title_of(self.request, short=True)}"
        self._frame.border_title = Content(f" {title} ")

    @property
    def _low(self) -> bool:
        return self.size.height < _LOW

    def _too_wide(self, words: str) -> bool:
        """Whether they would be cut in the border."""
        return cell_len(words) + 6 > self._frame.outer_size.width

    def _lines(self, width: int) -> list[Line]:
        request = self.request
        lines: list[Line] = []
        effect = effect_of(request)
        parts = [(question_of(request), "strong"), (effect, "error" if request.effect == "irreversible" else "text")]
        if request.tool and self._low:
            parts = [(arguments_of(request, dense=True), "code"), *reversed(parts)]
        elif request.tool:
            parts += [("With exactly these arguments:", "dim"), (arguments_of(request), "code")]
        elif self._text:
            changed = " (changed by you)" if self._text != self._original else ""
            parts.append((f"The text that goes on{changed}:", "dim"))
            parts.append(("" if self._editing else self._text, "text"))
        for text, tone in parts:
            for row in text.split("\n") if text else ():
                lines += wrapped(((row, tone),), max(width, 10))  # type: ignore[arg-type]
            if text and tone != "dim" and not self._low:
                lines.append((("", "text"),))
        return lines if self._editing or self._low else lines[:-1]

    # -- answering ---------------------------------------------------------------------------------------------------

    def withdraw(self) -> None:
        """The request is void, or answered: close the dialog, as soon as no other screen covers it."""
        self._withdrawn = True
        if self.is_active:
            self.dismiss()

    def on_screen_resume(self, _event: ScreenResume) -> None:
        if self._withdrawn:
            self.dismiss()

    def on_key(self, event: Key) -> None:
        """A key that means nothing here belongs to what the person was typing, and so may the next one."""
        if event.key not in _KEYS:
            self._last_key = self._now()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that mean nothing now do nothing and are not shown."""
        del parameters
        if action == "edited":
            return self._editing
        if action == "edit":
            return self.request.editable and not self._editing
        if action == "yes_for_host":
            return bool(self.request.host) and not self._editing
        return not self._editing or action not in ("yes", "no")

    def action_yes(self) -> None:
        self._answer(True)

    def action_yes_for_host(self) -> None:
        self._answer(True, "host")

    def action_no(self) -> None:
        self._answer(False)

    def action_edit(self) -> None:
        if self._quiet():
            self._edit(True)

    def action_edited(self) -> None:
        """Back from the text: a yes now sends it on as it stands there."""
        self._text = self._editor.text
        self._edit(False)

    def _edit(self, editing: bool) -> None:
        self._editing = self._editor.display = editing
        self.set_focus(self._editor if editing else self._body)
        self._last_key = self._now()
        self.refresh_bindings()
        self._draw()

    def _quiet(self) -> bool:
        """Whether the key that comes now was meant for the dialog, and not for what was there before."""
        now = self._now()
        quiet = now - self._last_key >= self.QUIET_S
        if not quiet:
            self._last_key = now
        return quiet

    def _answer(self, allowed: bool, scope: Scope = "call") -> None:
        if not self._quiet() or self._withdrawn:
            return
        text = self._text if allowed and self._text != self._original else None
        self._answered(self.request, Approval(allowed, self.request.arguments_hash, scope, text=text))
