"""`tinyllm-tui health`: rates and times of the latest runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from tinyllm_tui.cli import output
from tinyllm_tui.cli.opening import with_engine
from tinyllm_tui.cli.options import common_options, load

if TYPE_CHECKING:
    from engine import Engine
    from engine.store.figures import Figures, PartFigures, Spread
    from tinyllm_tui.alerts import Reading

PIPED_WIDTH = 120
"""Cells of a line of a table where stdout is no terminal."""


@click.command()
@click.option(
    "--last", type=click.IntRange(1, 100_000), default=100, show_default=True, help="Of this many finished runs."
)
@click.option("--graph", metavar="NAME", help="Only runs of this graph.")
@click.option("--model", metavar="NAME", help="Only runs that called this model.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@common_options
@click.pass_context
def health(ctx: click.Context, last: int, graph: str | None, model: str | None, as_json: bool) -> int:
    """Rates and times of the latest finished runs, by node and by model, and the alerts of the configuration.

    Runs that were cancelled or interrupted count in no rate. Percentiles are by the nearest rank; of speeds, p95 is the
    speed that 95 % of the calls reached.
    """

    async def work(eng: Engine) -> int:
        from engine.store.figures import figures
        from tinyllm_tui.alerts import graph_id, readings

        found = figures(await eng.samples(last, graph_id(graph) if graph else None), model or "")
        alerts = await readings(eng, load(ctx, quiet=True).settings.alerts)
        if as_json:
            output.print_json(_json(found, alerts))
        elif not found.runs and not found.stopped:
            output.note('No run has finished here yet. Make one: tinyllm-tui run "Hello".')
        else:
            _print(found, alerts)
        return 0

    return with_engine(ctx, work)


def _json(found: Figures, alerts: Sequence[Reading]) -> dict[str, Any]:
    """The figures as `--json` prints them; durations in milliseconds, rates from 0 to 1."""
    counts = ("succeeded", "committed", "fallbacks", "failed", "tripped")
    parts = {"nodes": found.nodes, "models": found.models}
    return {
        "runs": found.runs,
        "stopped": found.stopped,
        **{name: getattr(found, name) for name in counts},
        "rates": {name: found.rate(getattr(found, name)) for name in counts},
        "calls": found.calls,
        "cached": found.cached,
        "duration_ms": _spread_json(found.duration),
        "tokens_per_s": _spread_json(found.speed),
        **{name: [_part_json(part) for part in each] for name, each in parts.items()},
        "alerts": [
            {"name": each.rule.name, "value": each.value, "runs": each.runs, "crossed": each.crossed} for each in alerts
        ],
    }


def _spread_json(spread: Spread | None) -> dict[str, Any] | None:
    return None if spread is None else dataclasses.asdict(spread)


def _part_json(part: PartFigures) -> dict[str, Any]:
    return {
        **({"graph": part.graph} if part.kind == "node" else {}),
        "name": part.name,
        "runs": part.runs,
        "count": part.count,
        "failed": part.failed,
        "cached": part.cached,
        "duration_ms": _spread_json(part.duration),
        "first_token_ms": _spread_json(part.first_token),
        "tokens_per_s": _spread_json(part.speed),
    }


def _print(found: Figures, alerts: Sequence[Reading]) -> None:
    from tinyllm_tui.words import short_duration

    stopped = f", and {found.stopped} that were stopped" if found.stopped else ""
    output.say(f"{found.runs} finished runs{stopped}\n")
    named = (
        ("success", found.succeeded), ("committed", found.committed), ("fallback", found.fallbacks),
        ("rolled back", found.failed), ("breaker opened", found.tripped),
    )  # fmt: skip
    for name, part in named:
        output.say(f"{name:<16} {(found.rate(part) or 0) * 100:>4.0f} %  {part} of {found.runs}")
    share = found.cached / found.calls if found.calls else 0
    output.say(f"{'cache hits':<16} {share * 100:>4.0f} %  {found.cached} of {found.calls} calls")
    if found.duration is not None:
        times = (f"{name} {short_duration(getattr(found.duration, name))}" for name in ("p50", "p95", "p99"))
        output.say(f"{'a whole run':<16} {'  '.join(times)}")
    for each in alerts:
        output.say(f"{'ALERT' if each.crossed else 'alert'} {output.one_line(each.rule.name)}: {each.words}")
    for title, parts in (("NODE", found.nodes), ("MODEL", found.models)):
        if parts:
            output.say("")
            _print_parts(title, parts)


def _print_parts(title: str, parts: Sequence[PartFigures]) -> None:
    from tinyllm_tui.words import short_duration

    def time(spread: Spread | None, name: str) -> str:
        return "-" if spread is None else short_duration(getattr(spread, name))

    rows = [
        [
            str(part.runs), str(part.failed), str(part.cached),
            *(time(part.duration, name) for name in ("p50", "p95", "p99")), time(part.first_token, "p95"),
            "-" if part.speed is None else f"{part.speed.p50:.1f}",
            f"{part.graph.removeprefix('graph.')}/{part.name}" if part.graph else part.name,
        ]
        for part in parts
    ]  # fmt: skip
    headings = ("RUNS", "FAILED", "CACHED", "P50", "P95", "P99", "TTFT P95", "TOK/S", title)
    output.print_table(headings, rows, right=frozenset(range(8)), piped_width=PIPED_WIDTH)
