"""`tinyllm-tui replay`: the cockpit, opened with a replay."""

from __future__ import annotations

from pathlib import Path

import click

from tinyllm_tui.cli.options import COCKPIT_OPTIONS, common_options, setting_options


@click.command()
@click.argument("run", metavar="FILE|NUMBER")
@common_options
@setting_options(*COCKPIT_OPTIONS)
@click.pass_context
def replay(ctx: click.Context, run: str) -> int:
    """Replay a transaction in the cockpit: one of the database, or the file of an exported one.

    A file is only looked at: nothing is imported, and no model is called.
    """
    from tinyllm_tui.cli.cockpit import open_cockpit
    from tinyllm_tui.past import is_reference

    if not is_reference(run):
        from engine.store.read_run import read_run

        read_run(Path(run).expanduser())  # what is wrong with it is said here, not behind the cockpit
    return open_cockpit(ctx, replay=run)
