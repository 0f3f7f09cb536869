"""The details of one node, over the board; they follow the run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content

from tinyllm_tui.keymap import bindings
from tinyllm_tui.sanitize import one_line
from tinyllm_tui.screens.leaving import Dialog
from tinyllm_tui.widgets.board import Moment
from tinyllm_tui.widgets.footer import Footer
from tinyllm_tui.widgets.graph_view import drawn
from tinyllm_tui.widgets.inspector import NodeInspector
from tinyllm_tui.widgets.routed import last_decision
from tinyllm_tui.words import Glyphs

if TYPE_CHECKING:
    from tinyllm_tui.app import CockpitApp

_PERIOD_S = 0.5
"""Seconds between two drawings: what a node did changes seldom."""


class NodeScreen(Dialog[None]):
    """Shows one node until it is closed.

    Args:
        node: its id.
        moment: gives what the board below shows.
        signs: how it is drawn.
    """

    CSS_PATH = "node_details.tcss"
    BINDINGS: ClassVar[list[BindingType]] = list(bindings("node", "everywhere"))

    def __init__(self, node: str, moment: Callable[[], Moment], signs: Glyphs) -> None:
        super().__init__()
        self._node = node
        self._moment = moment
        self._signs = signs
        self._routed = False
        """Whether it is a router that has decided."""

    def compose(self) -> ComposeResult:
        with Vertical(id="node") as frame:
            frame.border_title = Content(f" {one_line(self._node, 60)} ")
            yield NodeInspector(id="node-lines", signs=self._signs)
        yield Footer()

    def on_mount(self) -> None:
        self.query_one(NodeInspector).focus()
        self.set_interval(_PERIOD_S, self._draw)
        self.call_after_refresh(self._draw)

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw)

    def _draw(self) -> None:
        moment = self._moment()
        view = drawn(moment.view, moment.upcoming)
        routed = last_decision(view, self._node) is not None
        if routed != self._routed:
            self._routed = routed
            self.refresh_bindings()
        breakers = moment.breakers if view is moment.view else view.breakers
        self.query_one(NodeInspector).show(view, self._node, moment.elapsed_ms, breakers)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The key for the right route is there where a router decided."""
        del parameters
        return action != "correct_route" or self._routed

    def action_correct_route(self) -> None:
        cast("CockpitApp", self.app).offers.correction(self._moment().view, self._node)

    def action_leave(self) -> None:
        self.dismiss()
