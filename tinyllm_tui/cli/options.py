"""Options that set a setting, and loading the settings with them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from tinyllm_tui.settings import Loaded

Command = TypeVar("Command", bound=Callable[..., Any])

_FILE = "config_file"


class PathName(click.Path):
    """A path that is not empty, which Python would take for the current folder; of a file, one that is no folder.

    Args:
        file: whether a folder is refused.
    """

    def __init__(self, *, file: bool = False) -> None:
        super().__init__(path_type=Path)
        self._file = file

    def convert(
        self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None
    ) -> str | bytes | os.PathLike[str]:
        if not os.fspath(value):
            self.fail("the name is empty.", param, ctx)
        if self._file and os.path.isdir(value):  # noqa: PTH112 - `Path.is_dir` raises where a folder may not be entered
            self.fail(f"{os.fspath(value)} is a folder: name a file in it.", param, ctx)
        return super().convert(value, param, ctx)


FILE = PathName(file=True)
"""Type of an argument that names a file, or stdin or stdout where a command says so."""


def _remember(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Keep what was given; an option of a command counts more than the same one before it."""
    if value is not None and param.name is not None:
        ctx.find_root().ensure_object(dict)[param.name] = value


def _option(*names: str, **attributes: Any) -> Callable[[Command], Command]:
    return click.option(*names, expose_value=False, callback=_remember, **attributes)


_SETTINGS: dict[str, Callable[[Any], Any]] = {
    "graph": _option(
        "--graph", metavar="NAME|FILE", help="Graph that answers: a name from `graph list`, or a YAML file."
    ),
    "backend": _option(
        "--backend",
        type=click.Choice(["auto", "ollama", "openai", "embedded"]),
        help="Where models run; auto: Ollama where it answers with a chat model, else embedded.",
    ),
    "model": _option("--model", metavar="NAME", help="One model for every role."),
    "theme": _option("--theme", metavar="NAME", help="Theme of the cockpit."),
    "ascii": _option("--ascii", is_flag=True, default=None, help="Draw with ASCII characters only."),
}

RUN_OPTIONS = ("graph", "backend", "model")
COCKPIT_OPTIONS = ("graph", "backend", "model", "theme", "ascii")


def setting_options(*names: str) -> Callable[[Command], Command]:
    """Options for some settings; `load` uses what they are given."""

    def decorate(command: Command) -> Command:
        for name in reversed(names):
            command = _SETTINGS[name](command)
        return command

    return decorate


def common_options(command: Command) -> Command:
    """The options that every command has."""
    command = _option(
        "--data-dir",
        type=PathName(),
        metavar="FOLDER",
        help="Folder of the database (TINYLLM_DATA_DIR).",
    )(command)
    return _option("--config", _FILE, type=PathName(), metavar="FILE", help="Configuration file (TINYLLM_CONFIG).")(
        command
    )


def given(ctx: click.Context) -> list[str]:
    """The options above that were given, as arguments of another call of this program."""
    arguments: list[str] = []
    for name, value in dict(ctx.find_root().ensure_object(dict)).items():
        option = "--config" if name == _FILE else f"--{name.replace('_', '-')}"
        arguments += [option] if value is True else [option, os.fspath(value)]
    return arguments


def load(ctx: click.Context, *, quiet: bool = False) -> Loaded:
    """The settings that count for this call; unless `quiet`, a variable that is no setting is noted on stderr.

    Raises:
        ConfigurationError: a file or a value is wrong.
    """
    from tinyllm_tui.cli.output import note
    from tinyllm_tui.settings import load as load_settings

    loaded = load_settings(setting_flags(ctx), config_file=config_file(ctx))
    for text in () if quiet else loaded.notes:
        note(f"Note: {text}")
    return loaded


def setting_flags(ctx: click.Context) -> dict[str, Any]:
    """The settings that were given as options."""
    given: dict[str, Any] = ctx.find_root().ensure_object(dict)
    return {name: value for name, value in given.items() if name != _FILE}


def config_file(ctx: click.Context) -> Path | None:
    """What `--config` was given."""
    found: Path | None = ctx.find_root().ensure_object(dict).get(_FILE)
    return found


def graph_reference(loaded: Loaded) -> str:
    """The graph that answers, as `engine.load_graph` finds it: the person's own ones hide shipped ones by name."""
    from engine.graph.shipped import graphs_in

    name = loaded.settings.graph
    own = graphs_in(loaded.graphs_folder).get(name)
    return name if own is None else str(own)
