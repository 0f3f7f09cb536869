"""`tinyllm-tui chat`: a conversation."""

from __future__ import annotations

import click

from tinyllm_tui.cli.interrupt import run_async
from tinyllm_tui.cli.options import RUN_OPTIONS, common_options, load, setting_options


@click.command()
@click.option("--plain", is_flag=True, help="Line by line, for pipes, dumb terminals and screen readers.")
@click.option("--session", metavar="ID", help="Go on with this session.")
@click.option("--new", is_flag=True, help="Begin a new session in the cockpit, which else goes on with the latest.")
@setting_options(*RUN_OPTIONS)
@common_options
@click.pass_context
def chat(ctx: click.Context, plain: bool, session: str | None, new: bool) -> int:
    """Talk. Without --plain this is the cockpit.

    With --plain every line of stdin is a question, and its answer goes to stdout; /quit or /exit ends it. Other
    commands of the cockpit are refused, /code and the like choose a route, and // sends a text with a slash. A failed
    question does not end the conversation; the exit status is that of the last one. The lines share a session: later
    questions see earlier answers.
    """
    if not plain:
        if session is not None and new:
            raise click.UsageError("--session and --new exclude each other.")
        from tinyllm_tui.cli.cockpit import open_cockpit

        return open_cockpit(ctx, session, new=new)
    from tinyllm_tui.plain import converse

    loaded = load(ctx)
    return run_async(lambda interrupt: converse(loaded, interrupt, session))
