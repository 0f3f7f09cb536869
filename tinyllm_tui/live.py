"""What the live panes show; the pump keeps it true."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.view import View

if TYPE_CHECKING:
    from engine import events as ev

FRAME = 0.1
"""Seconds between two drawings while events arrive."""


@dataclass(slots=True)
class Live:
    """What the live panes show."""

    view: View = field(default_factory=View)
    tx: str = ""
    breakers: dict[str, ev.BreakerSnapshot] = field(default_factory=dict)
    """Of the whole engine, so that they are true between runs too."""
    backend: ev.BackendChanged | None = None
    stands: bool = False
    """The run was interrupted, and does not go on yet: its time stands still."""
