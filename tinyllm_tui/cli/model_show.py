"""`tinyllm-tui models show`: all that is known of one model."""

from __future__ import annotations

import asyncio
from typing import Any

import click

from tinyllm_tui.cli import output
from tinyllm_tui.cli.interrupt import run_async
from tinyllm_tui.cli.model_facts import given_name, model_json, models_engine, roles_json
from tinyllm_tui.cli.options import common_options, load, setting_options


@click.command()
@click.argument("name", callback=given_name)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@setting_options("backend")
@common_options
@click.pass_context
def show(ctx: click.Context, name: str, as_json: bool) -> int:
    """All that is known of a model; it is not started."""
    loaded = load(ctx)

    async def main() -> int:
        from engine.models.catalogue import find
        from tinyllm_tui.model_words import memory_when_loaded

        async with models_engine(loaded) as eng:
            installed = await eng.models()
            info = find(name, installed)
            row = model_json(info, (await eng.backend()).kind, await eng.library.endpoints_of(info.name))
            row["memory_bytes"] = await asyncio.to_thread(memory_when_loaded, info, eng.config.embedded)
            row["roles"] = {r["role"]: r["why"] for r in roles_json(installed, eng.config) if r["model"] == info.name}
        if as_json:
            output.print_json(row)
        else:
            _print(row)
        return 0

    return run_async(lambda _interrupt: main())


def _print(row: dict[str, Any]) -> None:
    from engine.models.catalogue import Tier
    from tinyllm_tui.model_words import file_size
    from tinyllm_tui.words import parameters

    billions, memory = row["parameters_b"], row["memory_bytes"]
    tier = Tier(int(row["tier"][1:]))
    lines = {
        "name": row["name"],
        "backend": row["backend"],
        "endpoint": ", ".join(name for name in row["endpoints"] if name != row["backend"]),
        "file": row["path"] or "",
        "size": file_size(row["size_bytes"]),
        "parameters": "" if billions is None else parameters(billions),
        "tier": f"{tier} ({tier.title})",
        "quantization": row["quantization"],
        "family": row["family"],
        "window": f"{row['window']} tokens" if row["window"] else "",
        "can": ", ".join(row["capabilities"]),
        "digest": row["digest"],
        "loaded": "yes" if row["loaded"] else "no",
        "memory": "" if memory is None else f"about {file_size(memory)} when it is loaded",
        "answers for": "" if row["roles"] else "no role",
    }
    for name, value in lines.items():
        if value:
            output.say(f"{name:<12}  {output.one_line(value)}")
    for number, (role, why) in enumerate(row["roles"].items()):
        output.say(f"{'' if number else 'answers for':<12}  {'@' + role:<9} {why}")
