"""A list whose keys are in the table of keys, so that presets and the person can change them."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType
from textual.widgets import OptionList

from tinyllm_tui.keymap import bindings


class Rows(OptionList):
    """An option list; outside text in it is never markup."""

    BINDINGS: ClassVar[list[BindingType]] = list(bindings("list"))

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, markup=False, compact=True)

    def stand(self, there: bool) -> None:
        """Show the list, or hide it: then no field beside it gets the focus, so that keys stay keys."""
        if not there and self.has_focus:
            self.screen.set_focus(None)
        self.display = there
        if there and self.is_attached and self.screen.focused is None:
            self.focus()
