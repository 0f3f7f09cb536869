"""A screen that is left once: a key that came twice before it was drawn does not leave what is below it too."""

from __future__ import annotations

from textual.await_complete import AwaitComplete
from textual.screen import ModalScreen, ScreenResultType

from tinyllm_tui.screens.paced import PacedScreen


class LeftOnce(PacedScreen[ScreenResultType]):
    """Keys that were typed fast are all delivered to the screen of the first; only that one leaves it."""

    def dismiss(self, result: ScreenResultType | None = None) -> AwaitComplete:
        """Leave it, where it is the one on top."""
        return super().dismiss(result) if self.is_active else AwaitComplete()


class Dialog(LeftOnce[ScreenResultType], ModalScreen[ScreenResultType]):
    """Base of what stands over a screen."""
