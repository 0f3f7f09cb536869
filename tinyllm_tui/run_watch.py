"""RunWatch: listens to the engine beside the panes, keeps the journal, and looks at the alerts when a run ends."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tinyllm_tui.alerts import Alerts
from tinyllm_tui.journal import Journal, Severity, Source

if TYPE_CHECKING:
    from tinyllm_tui.app import CockpitApp
    from tinyllm_tui.engine_port import CockpitEngine
    from tinyllm_tui.face_config import AlertRule

ALERT_S = 20
"""Seconds that the toast of an alert stays; its mark in the status line stays as long as it is true."""
EARLIER = 500
"""Events of the engine stream that are read from before this start."""
_BREATH = 0.05
"""Seconds between two drains."""
_BITE = 256


class RunWatch:
    """What the cockpit hears of every run, whichever it shows.

    Args:
        app: whom it tells.
        rules: the alerts of the configuration.
    """

    def __init__(self, app: CockpitApp, rules: Iterable[AlertRule]) -> None:
        self._app = app
        self.journal = Journal(app.wall_ms)
        self._read = False
        self.alerts = Alerts(rules, self._tell, app.withdraw, self._note)

    def _tell(self, title: str, words: str) -> None:
        self._app.notify(words, title=title, severity="warning", timeout=ALERT_S, markup=False)

    def _note(self, title: str, words: str) -> None:
        self.journal.say("alert", "information" if words.startswith("over") else "warning", f"{title}: {words}")

    def said(self, words: str, title: str, severity: Severity) -> None:
        """The program said something to the person."""
        source: Source = "alert" if title.startswith("Alert: ") else "app"
        self.journal.say(source, severity, f"{title}: {words}" if title else words)

    @property
    def mark(self) -> str:
        """How many alerts there are; empty where there are none."""
        raised = self.alerts.raised
        return "" if not raised else "1 alert" if raised == 1 else f"{raised} alerts"

    async def read_earlier(self, engine: CockpitEngine) -> None:
        """Take up, once, what the engine stream told before this start.

        Raises:
            EngineError: the store cannot be read.
        """
        if not self._read:
            self.journal.earlier(await engine.engine_events(EARLIER))
            self._read = True

    async def follow(self, engine: CockpitEngine) -> None:
        """Until it is cancelled, or the bus is closed."""
        from engine import events as ev  # comes after the first paint
        from engine.bus import Lagged

        subscription = engine.bus.subscribe()
        try:
            await self.alerts.look(engine, silently=True)
            while await subscription.wait():
                ended = False
                for item in subscription.drain(_BITE):
                    if isinstance(item, Lagged):
                        missed = f"{item.missed} events came too quickly to be listed here; the store has them."
                        self.journal.say("engine", "information", missed)
                        ended = True
                    else:
                        self.journal.take(item)
                        ended = ended or isinstance(item.body, ev.TERMINAL)
                if ended:
                    await self.alerts.look(engine)
                    self._app.draw()
                await asyncio.sleep(_BREATH)
        finally:
            subscription.close()
