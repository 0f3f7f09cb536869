"""Paths of nodes as people read them: `revise`, or `loop#1/revise` for what ran inside the first visit of `loop`."""

from __future__ import annotations

from collections.abc import Collection

from tinyllm_tui.sanitize import one_line
from tinyllm_tui.words import cut


def outer_node(path: str) -> str:
    """The node of the graph in whose visit `path` ran; `path` itself where it is no inner node."""
    return path.split("#", 1)[0] if "/" in path else path


def leaf(path: str) -> str:
    """The id of the node itself."""
    return path.rsplit("/", 1)[-1]


def innermost(paths: Collection[str]) -> list[str]:
    """`paths` without those in whose visits others of them are."""
    return [path for path in paths if not any(other.startswith(f"{path}#") for other in paths)]


def short_path(path: str, width: int, ellipsis: str = "…") -> str:
    """`path` in at most `width` columns; of an inner node's the beginning is left out first, since its end names it."""
    path = one_line(path, 400)
    parts = path.split("/")
    for first in range(len(parts)):
        shown = "/".join(parts[first:]) if not first else f"{ellipsis}/{'/'.join(parts[first:])}"
        if len(shown) <= width:
            return shown
    return cut(parts[-1], width, ellipsis)
