"""`tinyllm-tui tx prune`: removing old transactions."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from tinyllm_tui.cli import output
from tinyllm_tui.cli.opening import with_engine
from tinyllm_tui.cli.options import common_options, load

if TYPE_CHECKING:
    from engine import Engine
    from engine.store.retention import PruneReport

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_BYTES = {"b": 1, "kb": 2**10, "mb": 2**20, "gb": 2**30}
_QUANTITY = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)\s*([a-z]+)", re.IGNORECASE)


def _quantity(what: str, units: dict[str, int], example: str) -> Callable[..., float | None]:
    """Reads an option's value: a number with a unit, such as 30d or 200MB."""

    def read(_ctx: click.Context, _param: click.Parameter, value: str | None) -> float | None:
        if value is None:
            return None
        found = _QUANTITY.fullmatch(value.strip())
        unit = units.get(found[2].lower()) if found else None
        if found is None or unit is None:
            raise click.BadParameter(f"{value!r} is not a {what} such as {example}.")
        return float(found[1]) * unit

    return read


@click.command()
@click.option("--keep", type=click.IntRange(min=1), metavar="N", help="Keep the newest N.")
@click.option(
    "--older-than",
    metavar="TIME",
    callback=_quantity("time", _SECONDS, "30d, 12h or 90m"),
    help="Remove those that ended longer ago: 30d, 12h.",
)
@click.option(
    "--max-size",
    metavar="SIZE",
    callback=_quantity("size", _BYTES, "200MB or 1GB"),
    help="Remove the oldest until the store has this size: 200MB.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@common_options
@click.pass_context
def prune(
    ctx: click.Context, keep: int | None, older_than: float | None, max_size: float | None, dry_run: bool, as_json: bool
) -> int:
    """Remove old transactions with their events; without a limit, what keep_transactions and max_size_mb say.

    What goes on and the latest transaction always stay, and so do sessions with what was said in them.
    """
    if keep is None and older_than is None and max_size is None:
        settings = load(ctx, quiet=True).settings
        keep, max_size = settings.keep_transactions, settings.max_size_mb * _BYTES["mb"]

    async def work(eng: Engine) -> int:
        report = await eng.prune(
            keep=keep,
            older_than_s=older_than,
            max_bytes=None if max_size is None else int(max_size),
            dry_run=dry_run,
        )
        if as_json:
            output.print_json(dataclasses.asdict(report))
        else:
            _print(report, max_size)
        return 0

    return with_engine(ctx, work, keep_all=True)


def _print(report: PruneReport, max_size: float | None) -> None:
    from tinyllm_tui.words import size

    count = len(report.numbers)
    which = f"from #{report.numbers[0]} to #{report.numbers[-1]}" if count > 1 else f"#{next(iter(report.numbers), 0)}"
    what = f"{count} transaction{'' if count == 1 else 's'} ({which}) with {report.events} events"
    if not count:
        output.say("Nothing would be removed." if report.dry_run else "Nothing was removed.")
    elif report.dry_run:
        output.say(f"Would remove {what}: about {size(report.bytes_freed)} of {size(report.bytes_before)}.")
    else:
        output.say(
            f"Removed {what}: {size(report.bytes_freed)} of {size(report.bytes_before)}; "
            f"the file is {size(report.file_freed)} smaller."
        )
    left = report.bytes_before - report.bytes_freed
    if max_size is not None and left > max_size:
        output.note(f"Note: {size(left)} stay: sessions, graphs, the latest transaction and what still goes on.")
