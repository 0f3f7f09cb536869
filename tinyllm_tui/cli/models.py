"""`tinyllm-tui models`: what is installed, which model answers for which role, and what a person does about it."""

from __future__ import annotations

from typing import Any

import click

from tinyllm_tui.cli import output
from tinyllm_tui.cli.interrupt import run_async
from tinyllm_tui.cli.model_facts import model_json, models_engine, roles_json
from tinyllm_tui.cli.model_pull import pull
from tinyllm_tui.cli.model_remove import rm
from tinyllm_tui.cli.model_show import show
from tinyllm_tui.cli.model_use import use
from tinyllm_tui.cli.options import common_options, load, setting_options


@click.group()
def models() -> None:
    """The installed models, and which of them answers for which role."""


@models.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@setting_options("backend")
@common_options
@click.pass_context
def list_models(ctx: click.Context, as_json: bool) -> int:
    """The models of the backend that is used."""
    loaded = load(ctx)

    async def main() -> int:
        async with models_engine(loaded) as eng:
            kind = (await eng.backend()).kind
            rows = [model_json(info, kind, await eng.library.endpoints_of(info.name)) for info in await eng.models()]
        if as_json:
            output.print_json(rows)
        else:
            _print_models(rows)
        return 0

    return run_async(lambda _interrupt: main())


def _print_models(rows: list[dict[str, Any]]) -> None:
    from tinyllm_tui.model_words import file_size
    from tinyllm_tui.words import parameters

    several = len({name for row in rows for name in row["endpoints"]}) > 1
    headings = ["MODEL", "TIER", "PARAMETERS", "SIZE", "WINDOW", "QUANTIZED", "LOADED"]
    headings += ["ENDPOINT", "CAN"] if several else ["CAN"]
    cells = []
    for row in rows:
        cell = [
            str(row["name"]),
            str(row["tier"]),
            "-" if row["parameters_b"] is None else parameters(row["parameters_b"]),
            file_size(row["size_bytes"]),
            str(row["window"] or "-"),
            str(row["quantization"] or "-"),
            "yes" if row["loaded"] else "-",
        ]
        cells.append(
            [*cell, *([", ".join(row["endpoints"])] if several else []), ", ".join(row["capabilities"]) or "-"]
        )
    output.print_table(headings, cells, right=frozenset({2, 3, 4}))


@models.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@setting_options("backend", "model")
@common_options
@click.pass_context
def tiers(ctx: click.Context, as_json: bool) -> int:
    """The tiers, their roles, and the model that answers for each."""
    loaded = load(ctx)

    async def main() -> int:
        async with models_engine(loaded) as eng:
            kind, rows = (await eng.backend()).kind, roles_json(await eng.models(), eng.config)
        if as_json:
            output.print_json({"backend": kind, "roles": rows})
            return 0
        cells = [[str(r["wanted_tier"]), f"@{r['role']}", str(r["model"] or "-"), str(r["why"])] for r in rows]
        output.print_table(("TIER", "ROLE", "MODEL", "WHY"), cells)
        return 0

    return run_async(lambda _interrupt: main())


for _command in (pull, rm, show, use):
    models.add_command(_command)
