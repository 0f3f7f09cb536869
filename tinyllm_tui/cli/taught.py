"""`tinyllm-tui route teach` and `route taught`: the right routes of questions, as a person says them."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tinyllm_tui.cli import output
from tinyllm_tui.cli.opening import with_engine
from tinyllm_tui.cli.options import FILE, common_options, graph_reference, load, setting_options
from tinyllm_tui.cli.text_file import read_text_lines
from tinyllm_tui.cli.transfer import print_lines, write_lines

if TYPE_CHECKING:
    from engine import Engine, GraphSpec
    from engine.store.rows import CorrectionRow

PIPED_WIDTH = 120
"""Cells of a line of the list where stdout is no terminal."""


@click.command()
@click.argument("question")
@click.option("--route", "routes", multiple=True, required=True, metavar="LABEL", help="A right route; several times.")
@click.option("--router", metavar="NODE", help="Which router, where the graph has several.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@setting_options("graph")
@common_options
@click.pass_context
def teach(ctx: click.Context, question: str, routes: tuple[str, ...], router: str | None, as_json: bool) -> int:
    """Say which routes are the right ones for QUESTION; it counts from the next question on.

    The router learns from it for questions that are alike, and takes exactly these routes for this one.
    """
    graph = chosen_graph(ctx)

    async def work(eng: Engine) -> int:
        row = await eng.teach(graph, question, routes, router=router)
        if as_json:
            output.print_json(correction_json(row))
        else:
            labels = output.one_line(" + ".join(row.labels))
            output.say(
                f"Correction {row.id}: {output.one_line(row.question, 60)} -> {labels}, from the next question on. "
                f"Undo it: tinyllm-tui route taught undo {row.id}"
            )
        return 0

    return with_engine(ctx, work)


@click.group(invoke_without_command=True)
@click.pass_context
def taught(ctx: click.Context) -> int | None:
    """What routers were taught: list it (also without a command), undo, export or import it."""
    return None if ctx.invoked_subcommand is not None else int(ctx.invoke(list_taught) or 0)


@taught.command("list")
@click.option("--all", "undone", is_flag=True, help="Also what was undone or replaced.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; with what was undone.")
@common_options
@click.pass_context
def list_taught(ctx: click.Context, undone: bool = False, as_json: bool = False) -> int:
    """The corrections of every graph, the newest first."""

    async def work(eng: Engine) -> int:
        rows = await eng.corrections()
        if as_json:
            output.print_json([correction_json(row) for row in rows])
            return 0
        shown = [row for row in rows if undone or row.undone_ms is None]
        if not shown:
            output.note("No route has been corrected.")
            return 0
        _print_rows(shown)
        return 0

    return with_engine(ctx, work)


def _print_rows(rows: Sequence[CorrectionRow]) -> None:
    from tinyllm_tui.cli.tx import when

    cells = [
        [
            str(row.id),
            when(row.created_ms),
            "counts" if row.undone_ms is None else "undone",
            f"#{row.number}" if row.number else "-",
            output.one_line(f"{row.graph_id} {row.router}", 40),
            output.one_line("+".join(row.labels), 40),
            row.question,
        ]
        for row in rows
    ]
    headings = ("ID", "WHEN", "STATE", "TX", "ROUTER", "ROUTES", "QUESTION")
    output.print_table(headings, cells, right=frozenset({0, 3}), piped_width=PIPED_WIDTH)


@taught.command()
@click.argument("correction", metavar="ID", type=click.IntRange(min=1, max=2**63 - 1))
@common_options
@click.pass_context
def undo(ctx: click.Context, correction: int) -> int:
    """Let a correction count no more."""

    async def work(eng: Engine) -> int:
        await eng.unteach(correction)
        output.say(f"Correction {correction} is undone, from the next question on.")
        return 0

    return with_engine(ctx, work)


@taught.command("export")
@click.argument("file", type=FILE, default=Path("-"))
@click.option("--force", is_flag=True, help="Overwrite the file.")
@common_options
@click.pass_context
def export_taught(ctx: click.Context, file: Path, force: bool) -> int:
    """Write the corrections that count to a file (or stdout), as lines of JSON."""

    async def work(eng: Engine) -> int:
        lines = await eng.export_corrections()
        if str(file) == "-":
            await print_lines(_as_bytes(lines))
            return 0
        await write_lines(_as_bytes(lines), file, force=force)
        output.note(f"Wrote {len(lines)} corrections to {file}.")
        return 0

    return with_engine(ctx, work)


async def _as_bytes(lines: Sequence[str]) -> AsyncIterator[bytes]:
    for line in lines:
        yield line.encode() + b"\n"


@taught.command("import")
@click.argument("file", type=FILE)
@common_options
@click.pass_context
def import_taught(ctx: click.Context, file: Path) -> int:
    """Add corrections from a file (or stdin: -) that `route taught export` wrote: all of them, or none."""
    lines = read_text_lines(file, "Name a file that `tinyllm-tui route taught export` wrote.")

    async def work(eng: Engine) -> int:
        count = await eng.import_corrections(lines)
        output.say(f"{count} corrections were added; what was here already stays as it is.")
        return 0

    return with_engine(ctx, work)


def correction_json(row: CorrectionRow) -> dict[str, Any]:
    """A correction as `--json` prints it."""
    return dataclasses.asdict(row)


def chosen_graph(ctx: click.Context) -> GraphSpec:
    """The graph that `--graph`, or the settings, name.

    Raises:
        EngineError: there is no such graph, or it is wrong.
    """
    import engine

    return engine.load_graph(graph_reference(load(ctx)))
