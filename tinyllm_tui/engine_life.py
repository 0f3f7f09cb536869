"""EngineLife: opens the engine after the first paint, keeps it open in one worker, and has the panes follow a run."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from engine.errors import EngineError, ErrorClass, classify
from tinyllm_tui.after_first_paint import import_the_rest, prepare_code
from tinyllm_tui.bookmarks import Bookmarks
from tinyllm_tui.live import Live
from tinyllm_tui.sanitize import one_line

if TYPE_CHECKING:
    from engine.graph.spec import GraphSpec
    from engine.view import View
    from tinyllm_tui.app import CockpitApp
    from tinyllm_tui.engine_port import CockpitEngine, CockpitRun, OpenEngine
    from tinyllm_tui.pump import Pump

_CLOSING_S = 15.0
"""Seconds that closing the engine may take when the app ends."""


class EngineLife:
    """The engine of the app, from its opening to its closing.

    Args:
        app: whose engine it is.
        open_engine: makes the context manager of the engine; left when the app ends.
        session: id or name of the session to go on with; None: the one that was used last.
        fresh: begin a new session instead.
        replay: a run to open first.
    """

    def __init__(
        self, app: CockpitApp, open_engine: OpenEngine, *, session: str | None, fresh: bool, replay: str
    ) -> None:
        self._app = app
        self.open_engine = open_engine
        self._wanted_session = session
        self._fresh = fresh
        self._replay = replay
        self.engine: CockpitEngine | None = None
        self.failure: EngineError | None = None
        """Why the engine could not be opened, or ended."""
        self.pump: Pump | None = None
        self._idle_live = Live()
        self._opening = False
        self._settled = asyncio.Event()
        self._leaving = asyncio.Event()
        self._closed = asyncio.Event()

    @property
    def live(self) -> Live:
        """What the live panes show."""
        return self.pump.live if self.pump is not None else self._idle_live

    @property
    def leaving(self) -> bool:
        """Whether the app is about to end, so that what still runs is rolled back."""
        return self._leaving.is_set()

    # -- opening and closing -----------------------------------------------------------------------------------------

    def begin(self) -> None:
        self._opening = True
        self._app.run_worker(self.run(), group="engine", exclusive=True, exit_on_error=False)

    def leave(self) -> None:
        """The app is about to end."""
        self._leaving.set()

    async def closed(self) -> None:
        """Wait for the engine: a run that goes on is rolled back, and the child process ended."""
        if self._opening:
            try:
                await asyncio.wait_for(self._closed.wait(), _CLOSING_S)
            except TimeoutError:
                self._app.log.warning("the engine did not close in time")

    async def run(self) -> None:
        """Open the engine, and keep it open until the app ends."""
        try:
            await asyncio.to_thread(import_the_rest)
            async with self.open_engine() as engine:
                await self._settle(engine)
                await asyncio.to_thread(prepare_code)
                await self._leaving.wait()
        except Exception as error:  # noqa: BLE001 - whatever opening raises, the app stays and says it
            self.failure = classify(error)
            self._settled.set()
            self._app.draw()
        finally:
            self._closed.set()

    async def _settle(self, engine: CockpitEngine) -> None:
        """Take up what the engine has, and listen to it."""
        from tinyllm_tui.pump import Pump

        app = self._app
        self.engine = engine
        app.bookmarks = Bookmarks(engine.data_dir)
        self.pump = Pump(engine, app.draw)
        adopted = next((run for run in engine.resumed[-1:] if app.conversation.adopt(run)), None)
        app.backend_watch.tell(engine)
        await app.drafts.open(engine)
        if adopted is None:
            await self._restore(engine)
        app.past.tell(engine, adopted)
        app.run_worker(self.pump.run(), group="pump", exclusive=True, exit_on_error=False)
        app.run_worker(app.run_watch.follow(engine), group="run watch", exclusive=True, exit_on_error=False)
        await app.graph_choice.read()
        self._settled.set()
        if self._replay:
            app.past.open_named(self._replay)
        watching = app.backend_watch.follow(
            engine, lambda: self.live.breakers.values(), lambda: self.live.view.error, app.draw
        )
        app.run_worker(watching, group="backend watch", exclusive=True, exit_on_error=False)

    async def _restore(self, engine: CockpitEngine) -> None:
        """Go on with an earlier session; where that cannot be read the conversation is a new one, and it is said."""
        talk = self._app.conversation
        try:
            await talk.recall(engine)
            if self._fresh and self._wanted_session is None:
                return
            await talk.restore(engine, self._wanted_session)
        except EngineError as error:
            self._app.notice(one_line(f"{error.message} {error.remedy}", 600))

    # -- what the conversation needs ---------------------------------------------------------------------------------

    async def ready(self) -> tuple[CockpitEngine, GraphSpec]:
        """The open engine and the graph as its files are now, once they are there.

        Raises:
            EngineError: one of them cannot be had.
        """
        await self._settled.wait()
        if self.failure is not None:
            raise self.failure
        revision = await self._app.graph_choice.now()
        assert self.engine is not None  # noqa: S101 - settled without a failure
        return self.engine, revision.graph

    async def opened(self) -> CockpitEngine:
        """The open engine, once it is there.

        Raises:
            EngineError: it cannot be opened.
        """
        await self._settled.wait()
        if self.engine is None:
            raise self.failure or EngineError(ErrorClass.INTERNAL, "engine_closed", "The engine is not open.")
        return self.engine

    def follow(self, run: CockpitRun) -> None:
        """Show `run` in the panes; called before it can have published anything."""
        if self.pump is not None:
            self.pump.follow(run.transaction)

    async def take_up(self, run: CockpitRun) -> View:
        """Show `run`, which an earlier process began, in the panes; the view of what it had done.

        Raises:
            EngineError: the store cannot be read.
        """
        assert self.pump is not None  # noqa: S101 - runs are taken up when the engine is open
        self.pump.follow(run.transaction, begun=True)
        await self.pump.catch_up()
        return self.pump.live.view

    def show_nothing(self) -> None:
        """The panes are idle again, as before the first question; breakers are the engine's and stay."""
        if self.pump is not None:
            self.pump.follow("")

    async def seen_to_end(self) -> View:
        """The view of a run that ended, with its last event."""
        assert self.pump is not None  # noqa: S101 - there was a run
        await self.pump.catch_up()
        return self.pump.live.view
