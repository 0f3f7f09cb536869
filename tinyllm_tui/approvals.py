"""The cockpit's approver: puts requests of the live run to the person, one dialog after the other."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textual.app import App
    from textual.screen import Screen

    from engine.tools.policy import Approval, ApprovalRequest
    from tinyllm_tui.screens.approval import ApprovalScreen
    from tinyllm_tui.words import Glyphs


@dataclass(eq=False, slots=True)
class _Waiting:
    request: ApprovalRequest
    answer: asyncio.Future[Approval]


class Approvals:
    """Fulfils `engine.tools.policy.Approver`. The dialog comes up over whatever screen is shown.

    Args:
        app: where dialogs are shown.
        signs: how they are drawn.
    """

    def __init__(self, app: App[None], signs: Glyphs) -> None:
        self._app = app
        self._signs = signs
        self._waiting: list[_Waiting] = []
        self._shown: tuple[_Waiting, ApprovalScreen] | None = None

    @property
    def pending(self) -> int:
        """Requests that wait for an answer."""
        return len(self._waiting)

    def over(self, screen: Screen[Any]) -> bool:
        """Whether a dialog is what is shown, with `screen` right behind it."""
        stack = self._app.screen_stack
        return self._shown is not None and stack[-2:] == [screen, self._shown[1]]

    async def ask(self, request: ApprovalRequest) -> Approval:
        """The person's answer; the dialog goes when this is cancelled."""
        waiting = _Waiting(request, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._show()
        try:
            return await waiting.answer
        finally:
            self._waiting.remove(waiting)
            if self._shown is not None and self._shown[0] is waiting:
                self._shown[1].withdraw()
                self._shown = None
            self._show()

    def _show(self) -> None:
        """Bring the oldest request up where no dialog is open; else say in that how many wait."""
        if self._shown is not None:
            self._shown[1].count(self.pending)
        elif self._waiting:
            from tinyllm_tui.screens.approval import ApprovalScreen

            oldest = self._waiting[0]
            screen = ApprovalScreen(oldest.request, self._signs, self._answered)
            screen.count(self.pending)
            self._shown = (oldest, screen)
            self._app.call_next(self._app.push_screen, screen)

    def _answered(self, request: ApprovalRequest, approval: Approval) -> None:
        if self._shown is not None and self._shown[0].request is request and not self._shown[0].answer.done():
            self._shown[0].answer.set_result(approval)
