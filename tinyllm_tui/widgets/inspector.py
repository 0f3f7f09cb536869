"""The inspector: what one node was asked, what it made, and where its time went; beside the panes or over them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from textual.binding import BindingType

from engine.view import View
from tinyllm_tui.keymap import bindings
from tinyllm_tui.widgets.lines import LineView
from tinyllm_tui.words import UNICODE, Glyphs, Line

if TYPE_CHECKING:
    from engine.events import BreakerSnapshot


class NodeInspector(LineView):
    """Shows one node; a function of what `show` was last given. Scrolls, and copies itself.

    Args:
        id: of the widget.
        signs: how it is drawn.
    """

    BINDINGS: ClassVar[list[BindingType]] = list(bindings("inspector"))

    def __init__(self, *, id: str | None = None, signs: Glyphs = UNICODE) -> None:  # noqa: A002
        super().__init__(id=id)
        self._signs = signs
        self._view: View | None = None
        self._path = ""
        self._now_ms = 0.0

    @property
    def path(self) -> str:
        """The node that is shown; empty where none is."""
        return self._path

    def show(
        self,
        view: View,
        path: str,
        now_ms: float | None = None,
        breakers: Mapping[str, BreakerSnapshot] | None = None,
    ) -> None:
        """Show a node.

        Args:
            view: of the run, live or at a playhead.
            path: the node's path, or its id in the graph; empty shows what the pane is for.
            now_ms: in the transaction's time; default: that of its latest event.
            breakers: by key; default: those of the view.
        """
        if path != self._path:
            self.scroll_home(animate=False)
        now = float(view.t_ms) if now_ms is None else now_ms
        self._view, self._path, self._now_ms = view, path, now
        signs = self._signs

        def lines(width: int) -> list[Line]:
            if not path:
                return [(("Select a node in the graph or the timeline.", "faint"),)]
            from tinyllm_tui.widgets.node_lines import node_lines

            return node_lines(view, path, now, width or 80, signs, breakers)

        self.make_lines(lines)

    def action_copy_node(self) -> None:
        """Put everything that is known of the node into the clipboard, uncut."""
        if self._view is None or not self._path:
            return
        from tinyllm_tui.widgets.node_lines import node_text

        self.app.copy_to_clipboard(node_text(self._view, self._path, self._now_ms, self._signs))
        self.notify("The node's details are in the clipboard.", markup=False)
