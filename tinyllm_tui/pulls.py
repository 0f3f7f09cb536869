"""The model that is being fetched in the cockpit: one at a time, and whichever screen is shown."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from textual.worker import Worker

from engine.errors import EngineError
from engine.models.model_source import is_source
from tinyllm_tui.model_words import PullMeter
from tinyllm_tui.sanitize import one_line

if TYPE_CHECKING:
    from tinyllm_tui.app import CockpitApp


class Pulls:
    """Begins and cancels; how far it is stands in `meter`, how it ended in a toast."""

    def __init__(self, app: CockpitApp) -> None:
        self._app = app
        self._worker: Worker[None] | None = None
        self.name = ""
        """What is being fetched, or was last."""
        self.meter = PullMeter()

    @property
    def busy(self) -> bool:
        """Whether something is being fetched."""
        return self._worker is not None and not self._worker.is_finished

    @property
    def mark(self) -> str:
        """How far it is, in a word for the status line; empty where nothing is being fetched."""
        if not self.busy:
            return ""
        share = self.meter.share
        return "fetching" if share is None else f"fetching {int(share * 100)} %"

    def begin(self, name: str) -> bool:
        """Begin to fetch a model; false (and a message) while another one is being fetched."""
        if self.busy:
            self._app.notify(f"{one_line(self.name, 80)} is being fetched; c cancels it.", severity="warning")
            return False
        self.name, self.meter = name, PullMeter()
        self._worker = self._app.run_worker(self._fetch(name), group="pull", exit_on_error=False)
        return True

    def cancel(self) -> bool:
        """Stop; what was fetched is kept for the next time. False where nothing is being fetched."""
        if self._worker is None or not self.busy:
            return False
        self._worker.cancel()
        self._app.notify(f"Cancelled. Fetched again, {one_line(self.name, 80)} goes on where it stopped.", markup=False)
        return True

    async def _fetch(self, name: str) -> None:
        app = self._app
        try:
            engine = await app.opened()
            async with aclosing(engine.library.pull(name)) as steps:
                async for step in steps:
                    self.meter.take(step)
        except EngineError as error:
            app.notify(one_line(f"{error.message} {error.remedy}", 600), severity="error", timeout=15, markup=False)
        else:
            where = " for the embedded backend" if is_source(name) else ""
            app.notify(f"Fetched {one_line(name, 200)}{where}.", markup=False)
            app.models_changed()
        finally:
            app.call_later(app.draw)  # once this has ended
