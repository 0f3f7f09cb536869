"""`tinyllm-tui init`: a configuration file with every setting, and a graph to begin with."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tinyllm_tui.cli import output
from tinyllm_tui.cli.options import common_options, config_file

if TYPE_CHECKING:
    from pydantic import BaseModel

STARTER = "quick"
EXAMPLE_MODEL = "qwen2.5:3b"


@click.command()
@click.option("--force", is_flag=True, help="Overwrite files that are there.")
@common_options
@click.pass_context
def init(ctx: click.Context, force: bool) -> int:
    """Write config.yaml with every setting explained, and copy a starter graph beside it."""
    from engine.graph.shipped import shipped_graphs
    from tinyllm_tui.settings import config_path

    path = config_path(config_file(ctx))
    starter = shipped_graphs().get(STARTER)
    files = {path: commented_config()}
    if starter is not None:
        files[path.parent / "graphs" / starter.name] = starter.read_text(encoding="utf-8")
    kept = [file for file in files if not _write(file, files[file], force=force)]
    for file in files:
        output.say(f"{'kept ' if file in kept else 'wrote'}  {file}")
    if kept:
        output.note("Files that were there are kept as they were; --force overwrites them.")
    return 0


def _write(file: Path, text: str, *, force: bool) -> bool:
    """Write a private file; False where one is there that must be kept."""
    file.parent.mkdir(parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if force else os.O_EXCL)
    try:
        descriptor = os.open(file, flags, 0o600)  # it may come to hold keys of model servers
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    return True


def commented_config() -> str:
    """A configuration file that says every setting, its meaning and its default, and changes none.

    The names of sections stand there uncommented, so that dropping the # of any one line sets
    that setting, and no other.
    """
    from tinyllm_tui.settings import Settings

    head = [
        "# Settings of tinyllm-tui. Every setting below shows its default: remove the # before one to change it.",
        "# Each can also be given as the environment variable in brackets, and some as options on the command line;",
        "# options count most, then variables, then this file.",
    ]
    return "\n".join((*head, *_settings(Settings, "", "TINYLLM_"))) + "\n"


def _settings(model: type[BaseModel], indent: str, prefix: str) -> Iterator[str]:
    """Lines for the fields of a model: `# words` and `#name: default`; a section's name is not commented out."""
    from tinyllm_tui.settings import section

    for name, info in model.model_fields.items():
        variable = f"{prefix}{name.upper()}"
        group = section(info)
        words = info.description or (group and group.__doc__) or name.replace("_", " ")
        parts = name == "roles" or group is not None
        yield ""
        yield f"{indent}# {words.strip().rstrip('.')} ({variable}{'__...' if parts else ''})"
        if group is not None:
            yield f"{indent}{name}:"
            yield from _settings(group, indent + "  ", variable + "__")
        elif parts:
            yield f"{indent}{name}:"
            yield from _roles(indent + "  ")
        else:
            yield f"{indent}#{name}: {_yaml(info.get_default(call_default_factory=True))}"


def _roles(indent: str) -> Iterator[str]:
    """Lines for the roles; they have no default to show, so they show an example."""
    from engine.models.catalogue import ROLES

    yield f"{indent}# these are examples; without them the best installed model answers for each role"
    for name in ROLES:
        yield f"{indent}#{name}: {_yaml(EXAMPLE_MODEL)}"


def _yaml(value: Any) -> str:
    import json

    return json.dumps(None if value is None else str(value) if isinstance(value, Path) else value)
