"""What the command line prints, and how: results to stdout, everything else to stderr, hostile text made harmless."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TextIO

import click

if TYPE_CHECKING:
    from engine.errors import ErrorInfo


def prepare_streams() -> None:
    """A character that the output's encoding lacks is replaced, instead of ending the program."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")


def silence() -> None:
    """Send what is still buffered nowhere: the reader has gone, and the interpreter would complain on its way out."""
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
            continue
        with contextlib.suppress(OSError, ValueError):
            os.dup2(null, stream.fileno())


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person sees the stream."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed
        return False


def draws_unicode() -> bool:
    """Whether stdout's encoding has the characters that drawings are made of."""
    return "utf" in (getattr(sys.stdout, "encoding", None) or "utf-8").lower()


def clean(text: str) -> str:
    """Text of a model, a file or a person, without anything that a terminal would obey."""
    from tinyllm_tui.sanitize import sanitize

    return sanitize(text)


def put(text: str, *, newline: bool = False) -> None:
    """Write to stdout, unchanged: click would take out some escape sequences where stdout is no terminal."""
    click.echo(text, nl=newline, color=True)


def say(text: str = "") -> None:
    """Print a result: harmless on a terminal, unchanged anywhere else."""
    put(clean(text) if is_terminal(sys.stdout) else text, newline=True)


def note(text: str) -> None:
    """Print a remark to stderr."""
    click.echo(clean(text), err=True)


def print_json(value: Any) -> None:
    """Print one JSON value; on a terminal with every character outside ASCII escaped."""
    click.echo(json.dumps(value, ensure_ascii=is_terminal(sys.stdout), indent=2))


def error_info(error: BaseException) -> ErrorInfo:
    """Any exception as a value for the person."""
    from engine.errors import classify

    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return classify(error).info()


def print_error(info: ErrorInfo) -> None:
    """Print one failure and its remedy to stderr."""
    where = f" (node {info.node})" if info.node else ""
    note(f"Error: {info.message}{where}")
    if info.remedy:
        note(f"Remedy: {info.remedy}")


def error_json(info: ErrorInfo | None) -> dict[str, Any] | None:
    """One failure as `--json` prints it."""
    if info is None:
        return None
    return {
        "class": info.error_class.value,
        "code": info.code,
        "message": info.message,
        "remedy": info.remedy,
        "node": info.node or None,
    }


def one_line(text: str, width: int | None = None) -> str:
    """Text as one harmless line of at most `width` cells."""
    from rich.cells import cell_len, set_cell_size

    line = " ".join(clean(text[: 20 * width] if width else text).split())
    if width is None or cell_len(line) <= width:
        return line
    return set_cell_size(line, max(width - 3, 0)).rstrip() + "..."


def print_table(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: frozenset[int] = frozenset(),
    piped_width: int | None = None,
) -> None:
    """Print aligned columns. The last column takes the rest of the line; on a terminal it is cut there.

    Args:
        headings: one for each column.
        rows: cells; made harmless and one line each.
        right: numbers of the columns that are aligned to the right.
        piped_width: cells of a line where stdout is no terminal; None for lines of any length.
    """
    import shutil

    from rich.cells import cell_len

    line_width = shutil.get_terminal_size().columns if is_terminal(sys.stdout) else piped_width
    cells = [[one_line(cell, line_width) for cell in row] for row in (headings, *rows)]
    last = len(headings) - 1
    widths = [max(cell_len(row[column]) for row in cells) for column in range(last)]
    if line_width is not None:
        room = max(line_width - sum(widths) - 2 * last, 10)
        for row in cells:
            row[last] = one_line(row[last], room)
    for row in cells:
        padded = []
        for column, cell in enumerate(row[:last]):
            fill = " " * (widths[column] - cell_len(cell))
            padded.append(fill + cell if column in right else cell + fill)
        click.echo("  ".join((*padded, row[last])).rstrip())
