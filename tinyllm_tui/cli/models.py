"""`tinyllm-tui models`: what is installed, and which model answers for which role."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tinyllm_tui.cli import output
from tinyllm_tui.cli.interrupt import run_async
from tinyllm_tui.cli.options import common_options, load, setting_options

if TYPE_CHECKING:
    from engine.config import EngineConfig
    from engine.models.protocol import ModelInfo


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
    config = load(ctx).settings.engine_config()

    async def main() -> int:
        kind, installed = await _installed(config)
        rows = [model_json(info, kind) for info in installed]
        if as_json:
            output.print_json(rows)
            return 0
        cells = [
            [
                str(row["name"]),
                str(row["tier"]),
                "-" if row["parameters_b"] is None else f"{row['parameters_b']:g}B",
                "-" if row["size_bytes"] is None else f"{row['size_bytes'] / 1e9:.1f} GB",
                str(row["window"] or "-"),
                str(row["quantization"] or "-"),
                ", ".join(row["capabilities"]) or "-",
            ]
            for row in rows
        ]
        headings = ("MODEL", "TIER", "PARAMETERS", "SIZE", "WINDOW", "QUANTIZED", "CAN")
        output.print_table(headings, cells, right=frozenset({2, 3, 4}))
        return 0

    return run_async(lambda _interrupt: main())


@models.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@setting_options("backend", "model")
@common_options
@click.pass_context
def tiers(ctx: click.Context, as_json: bool) -> int:
    """The tiers, their roles, and the model that answers for each."""
    config = load(ctx).settings.engine_config()

    async def main() -> int:
        kind, installed = await _installed(config)
        rows = roles_json(installed, config)
        if as_json:
            output.print_json({"backend": kind, "roles": rows})
            return 0
        cells = [[str(r["wanted_tier"]), f"@{r['role']}", str(r["model"] or "-"), str(r["why"])] for r in rows]
        output.print_table(("TIER", "ROLE", "MODEL", "WHY"), cells)
        return 0

    return run_async(lambda _interrupt: main())


def model_json(info: ModelInfo, backend: str) -> dict[str, Any]:
    """A model as `--json` prints it."""
    from engine.models.catalogue import parameters_b, tier_of

    return {
        "name": info.name,
        "backend": backend,
        "tier": str(tier_of(info)),
        "parameters_b": parameters_b(info),
        "size_bytes": info.size_bytes,
        "window": info.window,
        "quantization": info.quantization,
        "family": info.family,
        "digest": info.digest,
        "capabilities": sorted(info.capabilities),
        "loaded": info.loaded,
    }


def roles_json(installed: list[ModelInfo], config: EngineConfig) -> list[dict[str, Any]]:
    """The model for every role, as `--json` prints it; `model` is null where there is none, and `why` says why."""
    from engine.errors import EngineError
    from engine.models.catalogue import ROLES, resolve

    rows: list[dict[str, Any]] = []
    for role in ROLES.values():
        row = {"role": role.name, "wanted_tier": str(role.tier), "for": role.tier.title, "model": None, "tier": None}
        try:
            found = resolve(f"@{role.name}", installed, overrides=config.roles, only=config.model)
            rows.append(row | {"model": found.model, "tier": str(found.tier), "why": found.why})
        except EngineError as error:
            rows.append(row | {"why": str(error)})
    return rows


async def _installed(config: EngineConfig) -> tuple[str, list[ModelInfo]]:
    """(kind of the backend, its models); nothing is recorded, and no model is started."""
    from tinyllm_tui.cli.opening import telling

    async with telling(config) as eng:
        backend = await eng.backend()
        return backend.kind, await eng.models()
