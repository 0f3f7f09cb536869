"""`tinyllm-tui models use`: which model answers, written into the configuration file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from tinyllm_tui.cli import output
from tinyllm_tui.cli.interrupt import run_async
from tinyllm_tui.cli.model_facts import models_engine
from tinyllm_tui.cli.options import common_options, load, setting_options

if TYPE_CHECKING:
    from engine.config import EngineConfig
    from engine.models.protocol import ModelInfo
    from tinyllm_tui.config_edit import Setting
    from tinyllm_tui.settings import Loaded


@click.command()
@click.argument("names", nargs=-1, metavar="[ROLE] MODEL")
@click.option("--auto", is_flag=True, help="In the place of MODEL: the best installed model answers again.")
@setting_options("backend")
@common_options
@click.pass_context
def use(ctx: click.Context, names: tuple[str, ...], auto: bool) -> int:
    """Let a model answer for a role, or for every role.

    It is written into the configuration file, of which all other lines stay as they are.
    """
    role, model = _meant(names, auto)
    loaded = load(ctx)
    installed: list[ModelInfo] = []

    async def look() -> int:
        async with models_engine(loaded) as eng:
            installed.extend(await eng.models())
        return 0

    status = 0 if model is None else run_async(lambda _interrupt: look())
    if status == 0:
        _write(loaded, installed, model, role)
        _tell(load(ctx, quiet=True), loaded, model, role)
    return status


def _meant(names: tuple[str, ...], auto: bool) -> tuple[str | None, str | None]:
    """(role or None for every role, model or None for automatic).

    Raises:
        click.UsageError: it is not said what is meant.
    """
    from engine.models.catalogue import ROLES

    if not all(name.strip() for name in names):
        raise click.UsageError("A name is empty: give MODEL, or ROLE MODEL, or ROLE --auto.")
    role = names[0].removeprefix("@") if len(names) + auto == 2 else None
    if len(names) + auto not in (1, 2):
        raise click.UsageError("Give MODEL, or ROLE MODEL, or ROLE --auto.")
    if role is not None and role not in ROLES:
        raise click.UsageError(f"There is no role {names[0]!r}. The roles are {', '.join(ROLES)}.")
    model = None if auto else names[-1]
    if role is None and model is not None and model.removeprefix("@") in ROLES:
        raise click.UsageError(f"Which model shall answer for @{model.removeprefix('@')}? Name it, or add --auto.")
    return role, model


def _write(loaded: Loaded, installed: list[ModelInfo], model: str | None, role: str | None) -> None:
    """Change what the file says.

    Raises:
        EngineError: there is no such model, or the file cannot be changed.
    """
    from engine.run.model_library import chosen
    from tinyllm_tui.cli.init import commented_config
    from tinyllm_tui.config_edit import change_file

    before = _in_file(loaded)
    after = chosen(before, installed, model, role)
    changes: dict[Setting, str | None] = {}
    if after.model != before.model:
        changes["model",] = after.model
    for name in {**before.roles, **after.roles}:
        if after.roles.get(name) != before.roles.get(name):
            changes["roles", name] = after.roles.get(name)
    if changes:
        change_file(loaded.config_file, changes, new=commented_config())


def _in_file(loaded: Loaded) -> EngineConfig:
    """What the file alone says of models."""
    from engine.config import EngineConfig
    from engine.graph.source import read_yaml

    try:
        values: Any = read_yaml(loaded.config_file.read_text(encoding="utf-8"), str(loaded.config_file)).data
    except FileNotFoundError:
        values = None
    given: Mapping[str, Any] = values if isinstance(values, dict) else {}
    return EngineConfig(model=given.get("model"), roles=given.get("roles") or {})


def _tell(now: Loaded, before: Loaded, model: str | None, role: str | None) -> None:
    """Say what was written, and what goes before it."""
    settings, of_file = now.settings, _in_file(now)
    subject = "every role" if role is None else f"@{role}"
    written = of_file.model if role is None else of_file.model or of_file.roles.get(role)
    counts = settings.model if role is None else settings.model or settings.roles.get(role)
    what = "the best installed model" if model is None else written or model
    output.say(f"Written to {before.config_file}: {what} answers for {subject}.")
    if counts != written:
        first = counts or "the best installed model"
        output.note(f"Note: {first} answers all the same: a TINYLLM_* variable or an option goes before the file.")
    elif role is None and written and of_file.roles:
        output.note("Note: the `roles` in the file do not count as long as `model` is set.")
