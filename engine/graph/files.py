"""Reading the files that a person writes, with one clear message for everything that can be wrong with a file."""

from __future__ import annotations

from pathlib import Path

from engine.graph.problems import GraphError, Problem, shorten

_MAX_FILE_BYTES = 1_000_000


def read_file(path: Path) -> str:
    """The text of a graph's or prompt's file.

    Raises:
        GraphError: it cannot be read, or is larger than 1 MB.
    """
    name = str(path)
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise _unreadable(
            name, "There is no such file.", "Check the path; `graph list` shows the graphs by name."
        ) from None
    except IsADirectoryError:
        raise _unreadable(name, "It is a folder.", "Name a file in it.") from None
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
        raise _unreadable(
            name, f"It cannot be read ({shorten(reason)}).", "Check the path and its permissions."
        ) from None
    if len(raw) > _MAX_FILE_BYTES:
        raise _unreadable(name, "It is larger than 1 MB.", "Shorten it, or split the graph.")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = raw[: exc.start].count(b"\n") + 1
        column = exc.start - (raw.rfind(b"\n", 0, exc.start) + 1) + 1
        problem = Problem(name, line, column, "It is not UTF-8 text.", "Save the file as UTF-8.")
        raise GraphError([problem], code="graph_unreadable") from None


def _unreadable(name: str, message: str, remedy: str) -> GraphError:
    return GraphError([Problem(name, 0, 0, message, remedy)], code="graph_unreadable")
