"""BackendWatch: what is known of the backend, from its events and, while calls to it fail, by asking it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from engine.errors import EngineError, ErrorClass, ErrorInfo
from tinyllm_tui.engine_port import CockpitEngine
from tinyllm_tui.sanitize import one_line
from tinyllm_tui.widgets.status import BackendState
from tinyllm_tui.words import model_note

if TYPE_CHECKING:
    from engine.events import BackendChanged, BreakerSnapshot
    from engine.graph.spec import GraphSpec

LOOK_EVERY_S = 2.0
"""Seconds between two looks at a server whose calls fail."""


class BackendWatch:
    """Keeps a `BackendState` true.

    Args:
        state: what the status line and the banner show.
        tell: shows the person a sentence, once.
    """

    def __init__(self, state: BackendState, tell: Callable[[str], None]) -> None:
        self._state = state
        self._tell = tell
        self._told = 0
        """Notices of the engine that the person has seen."""
        self._taken: BackendChanged | None = None
        self._unknown = False
        """Whether the models could not be asked for, so that this is left to be done when it answers."""

    def take(self, event: BackendChanged | None) -> bool:
        """Take over what an event says, once; whether the models are to be asked for anew."""
        if event is None or event is self._taken:
            return False
        self._taken = event
        state = self._state
        recovered = event.status == "ready" and self._unknown and state.status != "ready"
        state.status, state.detail, state.remedy = event.status, event.detail, event.remedy
        return recovered

    def tell(self, engine: CockpitEngine) -> None:
        """Tell what the engine has noticed since the last time: at its opening, and when it looked for a backend."""
        news, self._told = engine.notices[self._told :], len(engine.notices)
        for words in news:
            self._tell(one_line(words, 600))

    async def meet(self, engine: CockpitEngine, graph: GraphSpec | None) -> None:
        """Make the graph's models ready, so that the first question does not wait, and say which they are."""
        state = self._state
        try:
            answering = {} if graph is None else await engine.prepare(graph)
            backend = await engine.backend()
            installed = {model.name: model for model in await engine.models()}
        except EngineError as error:
            self._unknown = True
            state.status, state.detail, state.remedy = "offline", error.message, error.remedy
        else:
            self._unknown = False
            names = list(dict.fromkeys(answering.values()))
            sizes = [model.parameters_b for name, model in installed.items() if name in names]
            state.status, state.name = "ready", backend.kind
            state.model = names[0] if len(names) == 1 else f"{len(names)} models" if names else ""
            state.note = model_note(max((size for size in sizes if size is not None), default=None))
            state.short_note = "toy" if state.note else ""

    async def follow(
        self,
        engine: CockpitEngine,
        breakers: Callable[[], Iterable[BreakerSnapshot]],
        error: Callable[[], ErrorInfo | None],
        changed: Callable[[], None],
    ) -> None:
        """Until it is cancelled: ask a server whose last call failed whether it answers, and say what it is.

        Args:
            engine: knows the server.
            breakers: gives those of the live state.
            error: gives what the latest run failed with; a server that was gone when it began was not even called.
            changed: is called where there is news.
        """
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if self._state.name in ("", "embedded"):
                continue  # none was found yet; or its supervisor tells
            doubtful = self._state.status == "offline" or _unreachable(error()) or any(map(_fails, breakers()))
            if doubtful and await self._look(engine):
                changed()

    async def _look(self, engine: CockpitEngine) -> bool:
        """Ask the server how it is; whether that is news."""
        state = self._state
        before = state.status, state.detail
        try:
            health = await (await engine.backend()).health()
        except EngineError as error:
            state.status, state.detail, state.remedy = "offline", error.message, error.remedy
        else:
            status = "ready" if health.ok else "offline"
            state.status, state.detail, state.remedy = status, health.detail, health.remedy
        return (state.status, state.detail) != before


def _fails(breaker: BreakerSnapshot) -> bool:
    """Whether the last call of a model at an endpoint failed."""
    return breaker.scope == "endpoint" and breaker.recent.endswith("x")


def _unreachable(error: ErrorInfo | None) -> bool:
    """Whether it says that there was no connection to the server."""
    return error is not None and error.error_class is ErrorClass.CONNECTION
