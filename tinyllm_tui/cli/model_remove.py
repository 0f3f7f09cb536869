"""`tinyllm-tui models rm`: removing a model, after a question."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from tinyllm_tui.cli import output
from tinyllm_tui.cli.interrupt import run_async
from tinyllm_tui.cli.model_facts import given_name, models_engine, roles_json
from tinyllm_tui.cli.options import common_options, load, setting_options

if TYPE_CHECKING:
    from engine.config import EngineConfig
    from tinyllm_tui.settings import Loaded


@click.command()
@click.argument("name", callback=given_name)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@setting_options("backend")
@common_options
@click.pass_context
def rm(ctx: click.Context, name: str, yes: bool, as_json: bool) -> int:
    """Remove a model from the disk. It asks first; Enter means no, and without a terminal --yes is needed."""
    loaded = load(ctx)
    found: list[str] = []

    async def look() -> int:
        found.extend(await _described(loaded, name))
        return 0

    status = run_async(lambda _interrupt: look())
    if status != 0:
        return status
    model, words = found
    if not yes and not _agreed(model, words):
        output.note("Nothing was removed.")
        return 1

    async def remove() -> int:
        async with models_engine(loaded) as eng:
            await eng.library.delete(model)
            _tell(model, eng.config, as_json)
        return 0

    return run_async(lambda _interrupt: remove())


def _tell(model: str, config: EngineConfig, as_json: bool) -> None:
    """Say that it is gone, and which settings still name it: with those no question would be answered."""
    from engine.run.model_library import still_set

    roles = still_set(config, model)
    if as_json:
        output.print_json({"status": "removed", "model": model, "still_set": ["*" if r is None else r for r in roles]})
    else:
        output.say(f"Removed {model}.")
    for role in roles:
        who, undo = ("Every role", "") if role is None else (f"@{role}", f" {role}")
        output.note(f"Note: {who} is still set to {output.one_line(model)}: `tinyllm-tui models use{undo} --auto`.")


async def _described(loaded: Loaded, name: str) -> tuple[str, str]:
    """(name of the model, what a person should know before it goes)."""
    from engine.models.catalogue import find
    from tinyllm_tui.model_words import file_size

    async with models_engine(loaded) as eng:
        installed = await eng.models()
        info = find(name, installed)
        endpoints = await eng.library.endpoints_of(info.name)
        roles = [f"@{row['role']}" for row in roles_json(installed, eng.config) if row["model"] == info.name]
    where = str(info.path or endpoints[0])
    answers = f" It answers for {', '.join(roles)}." if roles else ""
    return info.name, f"{info.name} ({file_size(info.size_bytes)}) would be removed from {where}.{answers}"


def _agreed(model: str, words: str) -> bool:
    """Whether the person says yes.

    Raises:
        ConfigurationError: nobody can be asked.
    """
    from engine.errors import ConfigurationError

    if not output.is_terminal(sys.stdin):
        raise ConfigurationError(
            "confirmation_needed", f"{words} There is no terminal on which to ask.", remedy="Add --yes to remove it."
        )
    output.note(words)
    return click.confirm(f"Remove {output.one_line(model)}?", default=False, err=True)
