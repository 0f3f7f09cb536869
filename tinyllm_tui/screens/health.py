"""Health: rates and times of the latest runs, alerts, and the runs behind each figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import Static

from engine.errors import EngineError
from engine.store.figures import Figures, PartFigures, PartRun, figures, runs_of
from engine.store.samples import Samples
from tinyllm_tui.alerts import graph_id
from tinyllm_tui.health_lines import HealthRow, health_rows, run_line
from tinyllm_tui.keymap import bindings
from tinyllm_tui.sanitize import one_line
from tinyllm_tui.screens.hit_test import SafeScreen
from tinyllm_tui.widgets.footer import Footer
from tinyllm_tui.widgets.row_list import RowList
from tinyllm_tui.words import cut

if TYPE_CHECKING:
    from tinyllm_tui.app import CockpitApp

LASTS = (100, 500, 2_000, 20)
"""How many runs the figures can be of; the first is where it begins."""
EMPTY = "No run has finished here yet. Ask something (Esc goes back to the prompt), and its figures are here."


class HealthScreen(SafeScreen):
    """Figures; Enter on a node or model lists its runs, and on one of those opens the replay."""

    CSS_PATH = "health.tcss"
    BINDINGS: ClassVar[list[BindingType]] = list(bindings("health", "everywhere", without=("health.open",)))

    def __init__(self) -> None:
        super().__init__()
        self._last = LASTS[0]
        self._graph = ""
        """Name of the chosen graph; empty: all."""
        self._model = ""
        self._graphs: list[str] = []
        self._samples = Samples()
        self._figures: Figures = figures(self._samples)
        self._rows: list[HealthRow] = []
        self._part: PartFigures | None = None
        """The node or model whose runs are listed."""
        self._runs: list[PartRun] = []
        self._left = 0
        """The row that was selected when its runs were opened."""
        self._message = "Reading the latest runs."

    @property
    def cockpit(self) -> CockpitApp:
        return cast("CockpitApp", self.app)

    def compose(self) -> ComposeResult:
        self._title = Static("", id="health-title", markup=False)
        self._facts = Static("", id="health-facts", markup=False)
        self._list = RowList(self.cockpit.signs, id="health-list")
        self._empty = Static("", id="health-empty", markup=False)
        yield from (self._title, self._facts, self._list, self._empty)
        yield Footer()

    def on_mount(self) -> None:
        self._list.focus()
        self.action_look()

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw)

    def on_screen_resume(self) -> None:
        self.action_look()

    def action_look(self) -> None:
        """Read the latest runs, and see what the alerts make of them."""
        self.run_worker(self._read(), group="read", exclusive=True, exit_on_error=False)

    async def _read(self) -> None:
        try:
            engine = await self.cockpit.opened()
            await self.cockpit.alerts.look(engine)
            self._samples = await engine.samples(self._last, graph_id(self._graph) if self._graph else None)
            self._graphs = sorted({*self._graphs, *(run.graph.removeprefix("graph.") for run in self._samples.runs)})
            self._message = EMPTY
        except EngineError as error:
            self._samples = Samples()
            self._message = f"{error.message} {error.remedy}".strip()
        self._figures = figures(self._samples, self._model)
        self._draw()

    # -- drawing -----------------------------------------------------------------------------------------------------

    def _draw(self) -> None:
        if not self.is_mounted:
            return
        signs = self.cockpit.signs
        something = bool(self._samples.runs)
        self._empty.update(Content(one_line(self._message, 600)))
        self._empty.display, self._list.display = not something, something
        if something and self.focused is None:  # it could not keep the focus while it was hidden
            self.call_after_refresh(self._list.focus)
        if self._part is not None:
            self._draw_runs(self._part)
            return
        self._rows = health_rows(self._figures, self.cockpit.alerts.readings, signs, self._graph)
        choices = [place for place, row in enumerate(self._rows) if row.leads]
        self._list.show(len(self._rows), lambda row, width: self._rows[row].draw(width), choices=choices)
        self._say(f"Health {signs.dot} last {self._last} runs", self._summary())

    def _draw_runs(self, part: PartFigures) -> None:
        signs, runs = self.cockpit.signs, self._runs
        self._list.show(len(runs), lambda row, width: run_line(runs[row], width, signs))
        name = one_line(part.name, 80)
        self._say(f"Health {signs.dot} {part.kind} {name}", "failed first, then the slowest; enter replays a run")

    def _say(self, title: str, facts: str) -> None:
        width, ellipsis = self.size.width - 2, self.cockpit.signs.ellipsis
        self._title.update(Content(cut(f" {title}", width, ellipsis)))
        self._facts.update(Content(cut(facts, width, ellipsis)))

    def _summary(self) -> str:
        """What is chosen, and how much there is."""
        signs, found = self.cockpit.signs, self._figures
        stopped = f", {found.stopped} stopped by hand or by the end of the program" if found.stopped else ""
        raised = self.cockpit.alerts.raised
        parts = [
            f"{signs.marks['warn']} {raised} {'alert' if raised == 1 else 'alerts'}" if raised else "",
            f"{found.runs} {'run' if found.runs == 1 else 'runs'}{stopped}",
            f"w graph {one_line(self._graph, 40) or 'all'}",
            f"m model {one_line(self._model, 60) or 'all'}",
        ]
        return f" {signs.dot} ".join(part for part in parts if part)

    # -- what the keys do --------------------------------------------------------------------------------------------

    def on_row_list_opened(self, event: RowList.Opened) -> None:
        event.stop()
        if self._part is not None:
            self.cockpit.past.open(self._runs[event.row].run.tx)
            return
        row = self._rows[event.row]
        if row.part is not None:
            self._part, self._left = row.part, event.row
            self._runs = runs_of(self._samples, row.part)
            self._draw()
            self._list.select(0)
        elif row.words:
            from tinyllm_tui.screens.transactions import TransactionsScreen

            self.app.push_screen(TransactionsScreen(self.cockpit.opened, words=row.words))

    def action_last(self) -> None:
        """Another number of runs."""
        self._last = LASTS[(LASTS.index(self._last) + 1) % len(LASTS)]
        self._close_runs()
        self.action_look()

    def action_graph(self) -> None:
        """The next graph that has run, or all."""
        self._graph = _next(self._graph, self._graphs)
        self._close_runs()
        self.action_look()

    def action_model(self) -> None:
        """The next model that was called, or all."""
        models = sorted(part.name for part in figures(self._samples).models)
        self._model = _next(self._model, models)
        self._close_runs()
        self._figures = figures(self._samples, self._model)
        self._draw()

    def _close_runs(self) -> None:
        self._part = None

    def action_leave(self) -> None:
        if self._part is None:
            self.dismiss()
            return
        self._close_runs()
        self._draw()
        self._list.select(self._left)


def _next(chosen: str, names: list[str]) -> str:
    """The name after the chosen one; after the last none, which means all."""
    every = ["", *names]
    return every[(every.index(chosen) + 1) % len(every)] if chosen in every else ""
