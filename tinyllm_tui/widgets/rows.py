"""A list whose keys are in the table of keys, so that presets and the person can change them."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType

from tinyllm_tui.keymap import bindings
from tinyllm_tui.widgets.marked_list import MarkedList


class Rows(MarkedList):
    """An option list whose selected row has a sign.

    A screen names it in `AUTO_FOCUS`, and shows it empty too: it has the focus before any key comes, so that no field
    beside it takes the letters that are keys.
    """

    BINDINGS: ClassVar[list[BindingType]] = list(bindings("list"))
