"""The graph that the next run uses: read, followed while its files are edited, and told to the person."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from engine.errors import EngineError, ErrorClass
from tinyllm_tui.graph_watch import GraphWatch, Notice, Revision
from tinyllm_tui.sanitize import one_line

if TYPE_CHECKING:
    from tinyllm_tui.app import CockpitApp
    from tinyllm_tui.engine_port import LoadGraph

_BROKEN = "Broken graph"
"""Title of the warning that an edit is not taken."""


class GraphChoice:
    """One graph by name or file.

    Args:
        app: draws it and makes its models ready.
        name: a shipped graph or a file.
        load: reads it.
        pause: replaces `asyncio.sleep` between two looks at the files.
    """

    def __init__(self, app: CockpitApp, name: str, load: LoadGraph, pause: Callable[[float], Awaitable[None]]) -> None:
        self._app = app
        self._load = load
        self._watch = GraphWatch(name, load)
        self._pause = pause
        self.title = name
        """What the graph calls itself, once it was read."""

    @property
    def revision(self) -> Revision | None:
        """What the next run uses."""
        return self._watch.revision

    @revision.setter
    def revision(self, revision: Revision) -> None:
        self._watch.revision = revision

    @property
    def error(self) -> EngineError | None:
        """What is wrong with the files now."""
        return self._watch.error

    @property
    def broken(self) -> bool:
        """Whether the files were edited so that they are no graph, and an earlier revision is in use."""
        return self._watch.error is not None and self._watch.revision is not None

    async def read(self) -> None:
        """Read the files for the first time, and follow them from now on."""
        await self._watch.read()
        self._take()
        self._follow()

    def _follow(self) -> None:
        following = self._watch.follow(self._noticed, self._pause)
        self._app.run_worker(following, group="graph", exclusive=True, exit_on_error=False)

    async def choose(self, name: str) -> None:
        """Let another graph answer from the next run on.

        Raises:
            EngineError: there is no such graph, or it is none; the one before stays.
        """
        watch = GraphWatch(name, self._load)
        await watch.read()
        if watch.revision is None:
            raise watch.error or EngineError(ErrorClass.INTERNAL, "no_graph", "There is no graph.")
        self._watch = watch
        self._take()
        self._follow()

    async def now(self) -> Revision:
        """The graph as its files are now.

        Raises:
            EngineError: they are none, and never were.
        """
        for notice in await self._watch.look(at_once=True):
            self._noticed(notice)
        if self.revision is None:
            raise self.error or EngineError(ErrorClass.INTERNAL, "no_graph", "There is no graph.")
        return self.revision

    def _take(self) -> None:
        """Show the graph that the next run uses, and make its models ready."""
        if self.revision is not None:
            self.title = self.revision.graph.title
        self._app.meet_backend()
        self._app.run_worker(self._warn(), group="graph warnings", exclusive=True, exit_on_error=False)
        self._app.draw()

    async def _warn(self) -> None:
        """Say what is valid in the graph, but hardly meant."""
        warnings = await self._watch.warnings()
        if warnings:
            more = f" And {len(warnings) - 1} more: graph validate lists them." if len(warnings) > 1 else ""
            self._app.notify(one_line(f"{warnings[0]}{more}", 600), severity="warning", timeout=15, markup=False)

    def _noticed(self, notice: Notice) -> None:
        """The files were edited: well, or so that the revision before stays."""
        self._app.withdraw(_BROKEN)  # it is no longer true
        if notice.revision is not None:
            self._take()
            self._app.notify(one_line(notice.words, 200), markup=False)
        elif self.revision is not None:
            words = one_line(notice.words, 600)
            self._app.notify(words, title=_BROKEN, severity="warning", timeout=15, markup=False)
        self._app.draw()  # without any graph the banner says what is wrong
