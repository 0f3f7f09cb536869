"""Check of the dotted paths by which a node takes values from the message and the run."""

from __future__ import annotations

from collections.abc import Iterator

from engine.graph.problems import Location, Problem, shorten
from engine.graph.spec import NodeSpec

_TEXTS = ("content", "question")
_VALUES = ("data", "vars")


def check_path(path: str, at: Location, node: NodeSpec) -> Iterator[Problem]:
    """The problems of one path: it begins with a name that is known, and nothing is looked for inside a text.

    Args:
        path: the path.
        at: its location.
        node: the node that has it.
    """
    first, dot, _ = path.partition(".")
    if first not in _TEXTS + _VALUES:
        message = f"The path `{shorten(path)}` of node `{node.id}` does not begin with a name that is known."
        remedy = (
            "Begin with `content`, `question`, `data.` or `vars.`. A fixed value is written into a template, and"
            " `json_parse` makes data of it."
        )
        yield Problem("", 0, 0, message, remedy, at)
    elif dot and first in _TEXTS:
        message = f"The path `{shorten(path)}` of node `{node.id}` leads into `{first}`, which is a text."
        yield Problem("", 0, 0, message, f"Write `{first}` alone, or a path in the data, such as `data.json.name`.", at)
