"""The root command, the entry point, and the one place where errors become messages and exit statuses."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

import click

from tinyllm_tui.cli import output
from tinyllm_tui.cli.options import COCKPIT_OPTIONS, common_options, setting_options

PROGRAM = "tinyllm-tui"
_COMMANDS = (
    "run",
    "chat",
    "serve",
    "replay",
    "init",
    "doctor",
    "tx",
    "session",
    "memory",
    "health",
    "db",
    "graph",
    "route",
    "models",
    "keys",
)
"""Each is in a module of its name."""
FAILED, WRONG_USAGE, CANCELLED, BROKEN_PIPE = 1, 2, 130, 141
"""Exit statuses. The last two are 128 + the signal, as shells count."""


def _print_version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"{PROGRAM} {version(PROGRAM)}")
        ctx.exit()


class Root(click.Group):
    """All commands, each imported when it is wanted; where the reader of a pipe goes away, the rest is silence."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *_COMMANDS})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _COMMANDS and cmd_name not in self.commands:
            command: click.Command = getattr(import_module(f"tinyllm_tui.cli.{cmd_name}"), cmd_name)
            self.add_command(command)
        return super().get_command(ctx, cmd_name)

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            output.silence()
            ctx.exit(BROKEN_PIPE)


@click.group(
    cls=Root,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Every setting can also be given as a TINYLLM_* variable or in config.yaml; `init` writes one.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version and exit.",
)
@common_options
@setting_options(*COCKPIT_OPTIONS)
@click.option("--session", metavar="ID", help="Go on with this session; default: the one that was used last.")
@click.option("--new", is_flag=True, help="Begin a new session.")
@click.pass_context
def cli(ctx: click.Context, session: str | None, new: bool) -> int | None:
    """A cockpit for graphs of small local language models.

    Without a command it opens the cockpit.
    """
    if session is not None and new:
        raise click.UsageError("--session and --new exclude each other.")
    if ctx.invoked_subcommand is not None:
        if session is not None or new:
            raise click.UsageError(f"--session and --new go with the cockpit, not before {ctx.invoked_subcommand}.")
        return None
    from tinyllm_tui.cli.cockpit import open_cockpit

    return open_cockpit(ctx, session, new=new)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the program and exit: 0 done, 1 failed, 2 wrong usage, 130 cancelled, 141 the reader of a pipe went away."""
    output.prepare_streams()
    status = _status(arguments)
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        status = status or BROKEN_PIPE
        output.silence()
    sys.exit(status)


def _status(arguments: Sequence[str] | None) -> int:
    try:
        return int(cli.main(arguments, prog_name=PROGRAM, standalone_mode=False) or 0)
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    except (click.Abort, KeyboardInterrupt):
        return CANCELLED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - the last place: no traceback reaches a person
        output.print_error(output.error_info(error))
        return FAILED
