"""ContextItem: one message of a context selection."""

from __future__ import annotations

from typing import NamedTuple

from engine.message import MessageKind, Role


class ContextItem(NamedTuple):
    """One message of a selection. A tuple: to make a frozen dataclass would take half of `add`'s time budget."""

    id: int
    """Ordinal in the selection, counted from 1."""
    kind: MessageKind
    role: Role
    text: str
    tokens: int
    """Estimated tokens, the template's share included, before the selection's correction."""
    pinned: bool
    source: str = ""
    """Where the events have the text: `history <index>`, `question`, `output <path> <visit>`; empty: nowhere."""
