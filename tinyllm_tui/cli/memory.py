"""`tinyllm-tui memory`: what is remembered for good, and told to models where it fits a question."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tinyllm_tui.cli import output
from tinyllm_tui.cli.opening import with_engine
from tinyllm_tui.cli.options import FILE, common_options
from tinyllm_tui.cli.transfer import print_lines, write_lines

if TYPE_CHECKING:
    from engine import Engine
    from engine.store.memories import MemoryKind
    from engine.store.rows import MemoryRow

PIPED_WIDTH = 120
"""Cells of a line of the list where stdout is no terminal."""

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_number = click.argument("number", metavar="ID", type=click.IntRange(min=1, max=2**63 - 1))


@click.group()
def memory() -> None:
    """Long-term memory: list, search, add, edit, pin, unpin, forget, export."""


@memory.command("list")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="At most so many.")
@_json
@common_options
@click.pass_context
def list_memories(ctx: click.Context, limit: int, as_json: bool) -> int:
    """What is remembered, the newest first."""

    async def work(eng: Engine) -> int:
        return _show(await eng.memories(limit), as_json, "Nothing is remembered.")

    return with_engine(ctx, work)


@memory.command()
@click.argument("text")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many.")
@_json
@common_options
@click.pass_context
def search(ctx: click.Context, text: str, limit: int, as_json: bool) -> int:
    """The memories that have every word of TEXT, the best first."""

    async def work(eng: Engine) -> int:
        return _show(await eng.search_memories(text, limit), as_json, "No memory has these words.")

    return with_engine(ctx, work)


@memory.command()
@click.argument("text")
@click.option("--kind", type=click.Choice(["note", "fact", "summary"]), default="note", show_default=True)
@click.option("--tx", "reference", metavar="TX", help="The committed run that it comes from, by number or id.")
@_json
@common_options
@click.pass_context
def add(ctx: click.Context, text: str, kind: MemoryKind, reference: str | None, as_json: bool) -> int:
    """Remember TEXT, for the runs that begin from now on."""

    async def work(eng: Engine) -> int:
        source = "" if reference is None else (await eng.transaction(reference)).tx
        return _say(await eng.remember(text, kind, transaction=source), as_json)

    return with_engine(ctx, work)


@memory.command()
@_number
@click.argument("text")
@_json
@common_options
@click.pass_context
def edit(ctx: click.Context, number: int, text: str, as_json: bool) -> int:
    """Give a memory another text."""

    async def work(eng: Engine) -> int:
        return _say(await eng.edit_memory(number, text), as_json)

    return with_engine(ctx, work)


@memory.command()
@_number
@common_options
@click.pass_context
def pin(ctx: click.Context, number: int) -> int:
    """Let a memory neither fade nor make room for others."""
    return _pin(ctx, number, pinned=True)


@memory.command()
@_number
@common_options
@click.pass_context
def unpin(ctx: click.Context, number: int) -> int:
    """Let a memory fade again where it is not used."""
    return _pin(ctx, number, pinned=False)


def _pin(ctx: click.Context, number: int, *, pinned: bool) -> int:
    async def work(eng: Engine) -> int:
        await eng.pin_memory(number, pinned=pinned)
        output.say(f"Memory {number} is {'pinned' if pinned else 'pinned no more'}.")
        return 0

    return with_engine(ctx, work)


@memory.command()
@_number
@common_options
@click.pass_context
def forget(ctx: click.Context, number: int) -> int:
    """Delete a memory. Runs that recalled it keep what they were told, until they are pruned."""

    async def work(eng: Engine) -> int:
        await eng.forget_memory(number)
        output.say(f"Memory {number} is forgotten.")
        return 0

    return with_engine(ctx, work)


@memory.command()
@click.argument("file", type=FILE, default=Path("-"))
@click.option("--force", is_flag=True, help="Overwrite the file.")
@common_options
@click.pass_context
def export(ctx: click.Context, file: Path, force: bool) -> int:
    """Write all memories to a file (or stdout), as lines of JSON."""

    async def work(eng: Engine) -> int:
        lines = _as_bytes(eng.export_memories())
        if str(file) == "-":
            await print_lines(lines)
            return 0
        await write_lines(lines, file, force=force)
        output.note(f"Wrote the memories to {file}.")
        return 0

    return with_engine(ctx, work)


async def _as_bytes(lines: AsyncIterator[str]) -> AsyncIterator[bytes]:
    async for line in lines:
        yield line.encode() + b"\n"


def _say(row: MemoryRow, as_json: bool) -> int:
    if as_json:
        output.print_json(dataclasses.asdict(row))
    else:
        output.say(f"Memory {row.id}: {output.one_line(row.text, 80)}")
        output.say(f"Forget it: tinyllm-tui memory forget {row.id}")
    return 0


def _show(rows: Sequence[MemoryRow], as_json: bool, nothing: str) -> int:
    from tinyllm_tui.cli.tx import when

    if as_json:
        output.print_json([dataclasses.asdict(row) for row in rows])
    elif not rows:
        output.note(nothing)
    else:
        cells = [
            [
                str(row.id),
                when(row.edited_ms),
                row.kind,
                "pinned" if row.pinned else "",
                str(row.uses),
                f"#{row.number}" if row.number else "-",
                row.text,
            ]
            for row in rows
        ]
        headings = ("ID", "WHEN", "KIND", "PINNED", "USES", "TX", "TEXT")
        output.print_table(headings, cells, right=frozenset({0, 4, 5}), piped_width=PIPED_WIDTH)
    return 0
