"""What the app offers for a run: to fork it, to say which route was right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.errors import EngineError
from engine.view import View
from tinyllm_tui.sanitize import one_line

if TYPE_CHECKING:
    from engine.events import Event
    from tinyllm_tui.app import CockpitApp


class Offers:
    """Dialogs about one run; what prevents one of them is said in its place."""

    def __init__(self, app: CockpitApp) -> None:
        self._app = app

    def fork(self, events: Sequence[Event], at: int) -> None:
        """Ask how to go on from a step of a past run, of which these are the events."""
        from tinyllm_tui.screens.fork import ForkScreen, fork_point

        try:
            point = fork_point(events, at)
        except EngineError as error:
            self._refuse(error)
        else:
            self._app.push_screen(ForkScreen(point, self._app.signs))

    async def fork_of(self, tx: str) -> None:
        """Ask how to begin a past run again."""
        try:
            events = await (await self._app.opened()).events(tx)
        except EngineError as error:
            self._refuse(error)
        else:
            self.fork(events, 1)

    def correction(self, view: View, node: str = "") -> None:
        """Ask which route was right: of the latest decision of a run, or of the latest one of a node."""
        from engine.graph.recorded import recorded_graph
        from engine.graph.routers import router_at
        from tinyllm_tui.screens.correct_route import CorrectRouteScreen
        from tinyllm_tui.widgets.routed import last_decision

        routed = last_decision(view, node)
        if routed is None:
            self._app.notify("No router has decided anything here.", severity="warning")
            return
        try:
            upcoming = self._app.upcoming
            now = upcoming.graph if upcoming is not None else None
            graph = now if now is not None and now.id == view.graph.get("id") else recorded_graph(view.graph, "the run")
            router = router_at(graph, routed.path)
        except EngineError as error:
            self._refuse(error)
        else:
            self._app.push_screen(CorrectRouteScreen(graph, router, routed, view.tx, self._app.signs))

    def _refuse(self, error: EngineError) -> None:
        self._app.notify(one_line(f"{error.message} {error.remedy}", 600), severity="error", markup=False)
