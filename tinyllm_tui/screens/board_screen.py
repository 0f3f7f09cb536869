"""What the live cockpit and a replay have in common: a board of panes, and the keys that move between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual.events import DescendantFocus

from tinyllm_tui.screens.hit_test import SafeScreen
from tinyllm_tui.widgets.board import Board, Frame, Moment, Tabs
from tinyllm_tui.widgets.graph_view import GraphPane
from tinyllm_tui.widgets.memory import MemoryPane
from tinyllm_tui.widgets.selection import NodeSelected
from tinyllm_tui.widgets.timeline import TimelinePane

if TYPE_CHECKING:
    from tinyllm_tui.app import CockpitApp


class BoardScreen(SafeScreen):
    """A screen with a board. Widths: narrow below 100 columns, wide from 160; short below 30 rows."""

    CSS_PATH = "board_screen.tcss"
    # not annotated as class variables, because Textual's base class does not declare them so
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-medium"), (160, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-tall")]  # noqa: RUF012
    AUTO_FOCUS = "#prompt"

    board: Board

    def moment(self) -> Moment:
        """What the board shows now."""
        raise NotImplementedError

    @property
    def cockpit(self) -> CockpitApp:
        """The app, by its own type."""
        return cast("CockpitApp", self.app)

    def action_pane(self, number: int) -> None:
        self.board.choose(number)
        self.query_one(Tabs).choose(number)
        # a pane that was hidden until now takes the focus only once it is displayed
        self.call_after_refresh(self.set_focus, self.board.pane(number))

    def action_next_pane(self, step: int) -> None:
        """The next stop: the prompt, then the panes by number."""
        stops = [0, 1, 2, 3, 4, 5] if self.board.prompt is not None else [1, 2, 3, 4, 5]
        here = 0 if self.board.prompt is not None and self.board.prompt.has_focus else self.board.current
        following = stops[(stops.index(here) + step) % len(stops)]
        if following == 0:
            self.action_prompt()
        else:
            self.action_pane(following)

    def action_prompt(self) -> None:
        if self.board.prompt is not None:
            self.board.choose(1)
            self.query_one(Tabs).choose(1)
            self.call_after_refresh(self.set_focus, self.board.prompt)

    def action_open(self, name: str) -> None:
        """A screen beside the panes."""
        self.cockpit.opener.open(name)

    def action_compare(self) -> None:
        """Choose two runs to compare."""
        self.cockpit.comparing.choose()

    def action_export_run(self) -> None:
        """Write the run that is shown to a file."""
        tx = self.moment().view.tx
        if tx:
            self.cockpit.exports.offer(tx)
        else:
            self.notify("No run is shown yet.", severity="warning")

    def action_zoom(self) -> None:
        self.toggle_class("-zoomed")

    def action_copy_answer(self) -> None:
        latest = self.board.chat.latest
        if latest is None or not latest.answer_text:
            self.notify("There is no answer to copy yet.", severity="warning")
            return
        self.app.copy_to_clipboard(latest.answer_text)
        self.notify("The answer is in the clipboard.")

    def action_correct_route(self) -> None:
        """Say which route was right for the question that is shown."""
        self.cockpit.offers.correction(self.moment().view)

    def on_tabs_chosen(self, event: Tabs.Chosen) -> None:
        self.action_pane(event.number)

    def on_node_selected(self, event: NodeSelected) -> None:
        """Graph and timeline show the same selection."""
        for pane in (self.board.graph, self.board.timeline):
            if pane is not event.by:
                pane.select_node(event.path)

    def on_graph_pane_node_opened(self, event: GraphPane.NodeOpened) -> None:
        """What a node of the graph did."""
        self.inspect(event.path)

    def on_timeline_pane_node_opened(self, event: TimelinePane.NodeOpened) -> None:
        """What a node of the timeline did."""
        self.inspect(event.path)

    def inspect(self, path: str) -> None:
        """Show what a node did."""
        from tinyllm_tui.screens.node_details import NodeScreen

        self.app.push_screen(NodeScreen(path, self.moment, self.cockpit.signs))

    def on_memory_pane_prune_opened(self, event: MemoryPane.PruneOpened) -> None:
        """What a pruning took out of a context."""
        from tinyllm_tui.screens.pruned import PrunedScreen

        self.app.push_screen(PrunedScreen(self.moment().view, event.prune, self.cockpit.signs))

    def action_pruned(self) -> None:
        """What the latest pruning took out."""
        if self.board.memory.prunes:
            self.board.memory.action_open_pruned()
        else:
            self.notify("Nothing was pruned.", severity="warning")

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        """The pane that has the focus is the current one, however it came to it (a click, for one)."""
        for node in event.widget.ancestors:
            if isinstance(node, Frame) and node.number != self.board.current:
                self.board.choose(node.number)
                self.query_one(Tabs).choose(node.number)
