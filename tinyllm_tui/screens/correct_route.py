"""The dialog in which a person marks the right route for a question, and takes such a mark back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from engine.errors import EngineError, classify
from engine.graph.routers import Router
from tinyllm_tui.keymap import bindings
from tinyllm_tui.sanitize import one_line
from tinyllm_tui.screens.leaving import Dialog
from tinyllm_tui.widgets.footer import Footer
from tinyllm_tui.widgets.marked_list import MarkedList
from tinyllm_tui.widgets.routed import Routed
from tinyllm_tui.widgets.rows import Rows
from tinyllm_tui.words import Glyphs, cut

if TYPE_CHECKING:
    from engine.graph.spec import GraphSpec
    from engine.store.rows import CorrectionRow
    from tinyllm_tui.app import CockpitApp

_QUESTION = 400
"""Characters of the question that are shown."""
_LISTED = 50
"""Earlier corrections that are listed."""


class RouteChoices(MarkedList):
    """The routes, with a sign at those that are marked: space marks; where only one can be right, so do up and down."""

    def __init__(self, router: Router, marked: Sequence[str], signs: Glyphs) -> None:
        super().__init__(signs=signs, id="route-choices")
        self._router = router
        self._signs = signs
        self.marked = [name for name in marked if name in router.names][: router.most]
        self._began = router.names.index(self.marked[0]) if self.marked else 0
        self._touched = False

    def on_mount(self) -> None:
        self.add_options(Option(self._line(name)) for name in self._router.names)
        self.highlighted = self._began
        if not self.marked:
            self.marked = [self._router.names[self._began]]
            self._redraw()

    def watch_highlighted(self, highlighted: int | None) -> None:
        super().watch_highlighted(highlighted)
        if self._router.most == 1 and highlighted is not None:
            self.marked = [self._router.names[highlighted]]
            self._redraw()

    def mark(self) -> bool:
        """Mark the highlighted route, or take its mark off; false where no more can be marked."""
        self._touched = True
        name = self._router.names[self.highlighted or 0]
        if name in self.marked:
            if len(self.marked) > 1:
                self.marked.remove(name)
        elif self._router.most == 1:
            self.marked = [name]
        elif len(self.marked) < self._router.most:
            self.marked.append(name)
        else:
            return False
        self._redraw()
        return True

    @property
    def wanted(self) -> list[str]:
        """The routes that enter keeps: the marked ones; who marked nothing and went to another row means that row."""
        row = self.highlighted if self.highlighted is not None else self._began
        return self.marked if self._touched or row == self._began else [self._router.names[row]]

    def on_resize(self) -> None:
        self._redraw()

    def _redraw(self) -> None:
        for n in range(self.option_count):
            self.replace_option_prompt_at_index(n, self._line(self._router.names[n]))

    def _line(self, name: str) -> Content:
        sign = self._signs.breakers["closed" if name in self.marked else "open"]
        route = next(route for route in self._router.config.routes if route.name == name)
        about = f"  {one_line(route.description, 200)}" if route.description else ""
        width = max(self.scrollable_content_region.width - 2 - self.MARK, 10)
        return Content(cut(f"{sign} {one_line(name, 60)}{about}", width, self._signs.ellipsis))


class CorrectRouteScreen(Dialog[None]):
    """Enter keeps what is marked as the right route of the question; Esc leaves everything as it is.

    Args:
        graph: the graph with the router.
        router: the router.
        routed: its decision.
        tx: the run in which it decided.
        signs: how it is drawn.
    """

    CSS_PATH = "correct_route.tcss"
    BINDINGS: ClassVar[list[BindingType]] = list(bindings("route", "everywhere"))

    def __init__(self, graph: GraphSpec, router: Router, routed: Routed, tx: str, signs: Glyphs) -> None:
        super().__init__()
        self._graph, self._router, self._routed, self._tx = graph, router, routed, tx
        self._signs = signs
        self._rows: list[CorrectionRow] = []

    @property
    def cockpit(self) -> CockpitApp:
        return cast("CockpitApp", self.app)

    # -- what is shown -----------------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        decision, dot = self._routed.decision, self._signs.dot
        several = self._router.most > 1
        self._choices = RouteChoices(self._router, decision.labels or (decision.route,), self._signs)
        self._list = Rows(signs=self._signs, id="route-taught")
        with VerticalScroll(id="route", can_focus=False) as frame:
            frame.border_title = Content(" The right route ")
            mark = f"space marks, up to {self._router.most} {dot} " if several else ""
            frame.border_subtitle = Content(f" {mark}enter keeps it {dot} esc leaves ")
            yield Static(cut(one_line(self._routed.question), _QUESTION, self._signs.ellipsis), id="route-question",
                         markup=False)  # fmt: skip
            took = f"It went to {one_line(decision.route, 60)} by {one_line(decision.stage, 40)}"
            which = "Which routes are" if several else "Which route is"
            yield Static(f"{took}. {which} right?", markup=False, classes="route--words")
            yield self._choices
            words = "Counts from the next question on: for this question, and for what is like it."
            yield Static(words, markup=False, classes="route--words")
            yield Static("", id="route-known", markup=False, classes="route--words")
            yield self._list
        yield Footer()

    def on_mount(self) -> None:
        self.set_focus(self._choices)
        self.query_one("#route-known").display = self._list.display = False
        self.run_worker(self._read(), group="read", exclusive=True, exit_on_error=False)

    def on_resize(self) -> None:
        self.call_after_refresh(self._show)

    async def _read(self) -> None:
        """List what this router was taught so far."""
        try:
            rows = await (await self.cockpit.opened()).corrections(self._graph)
        except EngineError as error:
            self._tell(error)
            return
        here = (self._router.graph_id, self._router.node)
        self._rows = [row for row in rows if row.undone_ms is None and (row.graph_id, row.router) == here][:_LISTED]
        self._show()

    def _show(self) -> None:
        known = self.query_one("#route-known", Static)
        appears = bool(self._rows) and not self._list.display
        known.display = self._list.display = bool(self._rows)
        known.update(Content("Corrections that count (u takes back the one for this question, or the chosen one):"))
        at = self._list.highlighted
        self._list.clear_options()
        self._list.add_options(Option(self._row(row)) for row in self._rows)
        if self._rows:
            self._list.highlighted = min(at or 0, len(self._rows) - 1)
        if appears:  # only then does it have the width to which its rows are cut
            self.call_after_refresh(self._show)
        self.refresh_bindings()

    def _row(self, row: CorrectionRow) -> Content:
        here = self._signs.result if row.question == self._asked else " "
        number = f" (#{row.number})" if row.number else ""
        words = f"{here} {one_line('+'.join(row.labels), 40)}: {one_line(row.question, 300)}{number}"
        room = self._list.scrollable_content_region.width - 2 - self._list.MARK
        return Content(cut(words, max(room, 20), self._signs.ellipsis))

    @property
    def _asked(self) -> str:
        """The question as it is stored."""
        from engine.store.corrections import QUESTION_CHARACTERS

        return self._routed.question.strip()[:QUESTION_CHARACTERS]

    # -- what is done ------------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that mean nothing now do nothing and are not shown."""
        del parameters
        if action == "mark":
            return self._router.most > 1 and self._choices.has_focus
        return action != "undo" or self._undoable is not None

    @property
    def _undoable(self) -> CorrectionRow | None:
        if self._list.has_focus and self._list.highlighted is not None and self._rows:
            return self._rows[self._list.highlighted]
        return next((row for row in self._rows if row.question == self._asked), None)

    def on_descendant_focus(self) -> None:
        self.refresh_bindings()

    def action_mark(self) -> None:
        if not self._choices.mark():
            self.notify(f"At most {self._router.most} routes can be right.", severity="warning")

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        if event.option_list is self._choices and not self._working:
            self.run_worker(self._keep(), group="work", exit_on_error=False)

    def action_undo(self) -> None:
        row = self._undoable
        if row is not None and not self._working:
            self.run_worker(self._undo(row), group="work", exit_on_error=False)

    @property
    def _working(self) -> bool:
        return any(worker.group == "work" and worker.is_running for worker in self.workers)

    async def _keep(self) -> None:
        decision, wanted = self._routed.decision, self._choices.wanted
        taught = any(row.question == self._asked for row in self._rows)
        if not taught and set(wanted) == set(decision.labels or (decision.route,)):
            self.notify("Nothing was changed: the marked route is the one that was taken.")
            self.dismiss()
            return
        try:
            engine = await self.cockpit.opened()
            row = await engine.teach(
                self._graph, self._routed.question, wanted, router=self._routed.path, transaction=self._tx
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends here as a message and not as a traceback
            self._tell(error)
            return
        labels = one_line(" + ".join(row.labels), 80)
        self.notify(f'From the next question on, "{one_line(row.question, 60)}" goes to {labels}.', markup=False)
        self.dismiss()

    async def _undo(self, row: CorrectionRow) -> None:
        try:
            await (await self.cockpit.opened()).unteach(row.id)
        except Exception as error:  # noqa: BLE001 - as above
            self._tell(error)
            return
        self.notify(f'"{one_line(row.question, 60)}" is routed as before, from the next question on.', markup=False)
        await self._read()

    def _tell(self, error: BaseException) -> None:
        known = classify(error)
        self.notify(one_line(f"{known.message} {known.remedy}".strip(), 600), severity="error", markup=False)

    def action_leave(self) -> None:
        self.dismiss()
