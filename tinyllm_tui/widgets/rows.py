"""A list whose keys are in the table of keys, so that presets and the person can change them."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType
from textual.widgets import OptionList

from tinyllm_tui.keymap import bindings


class Rows(OptionList):
    """An option list; outside text in it is never markup.

    A screen names it in `AUTO_FOCUS`, and shows it empty too: it has the focus before any key comes, so that no field
    beside it takes the letters that are keys.
    """

    BINDINGS: ClassVar[list[BindingType]] = list(bindings("list"))

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, markup=False, compact=True)
