"""A frozen app, and how tests bring it into a state."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from tests.tui.scripted_engine import ScriptedEngine
from tests.tui.snapshots.frozen import FrozenClock
from tests.tui.test_cockpit import text_of, until
from tinyllm_tui.app import CockpitApp


@dataclass
class Stage:
    """What a state is made with."""

    pilot: Pilot[None]
    app: CockpitApp
    engine: ScriptedEngine
    clock: FrozenClock

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def until(self, condition: Callable[[], bool]) -> None:
        await until(self.pilot, condition)

    async def sees(self, words: str) -> None:
        """Wait until `words` stand on the screen."""
        await until(self.pilot, lambda: words in text_of(self.app))

    async def on(self, screen: type[Any], words: str = "") -> None:
        """Wait until a screen is in front, and says `words`."""
        await until(self.pilot, lambda: isinstance(self.app.screen, screen) and words in text_of(self.app))

    async def asks(self, question: str = "What is the capital of France?") -> None:
        """Ask, and wait for the end."""
        await self.begins(question)
        await self.until(lambda: self.app.live.view.finished and not self.app.conversation.busy)

    async def begins(self, question: str = "What is the capital of France?") -> None:
        """Ask, and wait for the beginning."""
        before = len(self.engine.rows)
        self.app.prompt.text = question
        await self.press("enter")
        await self.until(lambda: len(self.engine.rows) == before + 1)


Arrive = Callable[[Stage], Awaitable[None]]
Options = Callable[[Path], dict[str, Any]]
"""Arguments of the app, of which some need a folder."""


def no_options(_folder: Path) -> dict[str, Any]:
    return {}
