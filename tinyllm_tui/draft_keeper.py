"""Keeps the prompt's draft for each session, over a change of session and over a restart."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from tinyllm_tui.drafts import Draft, Drafts, read_drafts, write_drafts

if TYPE_CHECKING:
    from pathlib import Path

    from textual.timer import Timer

    from tinyllm_tui.app import CockpitApp
    from tinyllm_tui.engine_port import CockpitEngine

SAVE_S = 1.0
"""Seconds after the last change until drafts are written."""


class DraftKeeper:
    """The drafts of one cockpit. Where they cannot be written they are kept until the end of the program."""

    def __init__(self, app: CockpitApp) -> None:
        self._app = app
        self._drafts = Drafts()
        self._session = ""
        self._folder: Path | None = None
        self._timer: Timer | None = None
        self._writing = asyncio.Lock()

    async def open(self, engine: CockpitEngine) -> None:
        """Read the drafts of earlier starts; those of a database that another program writes are that program's."""
        if engine.read_only or engine.data_dir is None:
            return
        self._folder = engine.data_dir
        self._drafts.add(await asyncio.to_thread(read_drafts, self._folder))
        self._restore()

    def keep(self) -> None:
        """The prompt has changed."""
        self._drafts.keep(self._session, self._app.prompt.draft())
        if self._folder is not None and self._drafts.changed:
            if self._timer is not None:
                self._timer.stop()
            self._timer = self._app.set_timer(SAVE_S, self._save)

    def switch(self, session: str) -> None:
        """Another session is shown, with its own draft; empty for one that has not begun."""
        if session != self._session:
            self._drafts.keep(self._session, self._app.prompt.draft())
            self._session = session
            self._app.prompt.take_draft(self._drafts.of(session))

    def began(self, session: str) -> None:
        """The conversation got its session: what is typed goes on in it."""
        self._drafts.keep(self._session, Draft())
        self._session = session
        self.keep()

    def _restore(self) -> None:
        if not self._app.prompt.text:
            self._app.prompt.take_draft(self._drafts.of(self._session))

    def _save(self) -> None:
        self._app.run_worker(self.close(), group="drafts", exit_on_error=False)

    async def close(self) -> None:
        """Write what has changed."""
        if self._folder is None or not self._drafts.changed:
            return
        async with self._writing:
            snapshot = self._drafts.snapshot()
            with contextlib.suppress(OSError):  # a draft is not worth a message; the store says what is wrong there
                await asyncio.to_thread(write_drafts, self._folder, snapshot)
