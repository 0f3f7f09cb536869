"""The message by which panes tell which node a person has selected: graph, timeline and inspector share it."""

from __future__ import annotations

from textual.message import Message
from textual.widget import Widget


class NodeSelected(Message):
    """A person selected a node.

    Attributes:
        path: the node's path as the view knows it (`View.nodes`), or its id in the graph.
        by: the pane in which that was; it shows its selection already, perhaps a later one.
    """

    def __init__(self, path: str, by: Widget | None = None) -> None:
        super().__init__()
        self.path = path
        self.by = by
