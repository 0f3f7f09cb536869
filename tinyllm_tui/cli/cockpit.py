"""Opening the cockpit."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

import click

from tinyllm_tui.cli.options import config_file, graph_reference, load, setting_flags
from tinyllm_tui.cli.output import draws_unicode, is_terminal, note
from tinyllm_tui.serve import SERVED_DRIVER
from tinyllm_tui.typed_ahead import typed_ahead

if TYPE_CHECKING:
    from engine import Engine
    from tinyllm_tui.settings import Loaded


def open_cockpit(ctx: click.Context, session: str | None = None, *, new: bool = False, replay: str = "") -> int:
    """Run the cockpit until the person leaves it; 1 where there is no terminal to draw it on.

    Args:
        ctx: of the command.
        session: to go on with; default: the one that was used last.
        new: begin a new one instead.
        replay: a run to open first: a file, or a number.
    """
    served = os.environ.get("TEXTUAL_DRIVER", "") == SERVED_DRIVER
    # Textual reads stdin and draws on stderr; size and title are those of stdout
    streams = (("stdin", sys.stdin), ("stdout", sys.stdout), ("stderr", sys.stderr))
    missing = [name for name, stream in streams if not is_terminal(stream)]
    if missing and not served:
        which = f"{missing[0]} is not a terminal" if len(missing) == 1 else f"{' and '.join(missing)} are not terminals"
        note(f"Error: The cockpit cannot be drawn: {which}.")
        note('Remedy: Use `tinyllm-tui run "question"` for one answer, or `tinyllm-tui chat --plain` for line by line.')
        return 1
    # left over from another program, they would hide the terminal's size and its changes
    for name in () if served else ("COLUMNS", "LINES"):
        os.environ.pop(name, None)
    # until the first paint nearly all that is made stays: looking for garbage in it would be a tenth of the work
    gc.disable()
    try:
        with typed_ahead(sys.stdin):
            return _run(ctx, load(ctx), session, new=new, replay=replay)
    finally:
        gc.enable()


def _run(ctx: click.Context, loaded: Loaded, session: str | None, *, new: bool, replay: str) -> int:
    settings = loaded.settings

    def open_engine() -> AbstractAsyncContextManager[Engine]:
        import engine

        # what was imported stays for good: a full collection that looked through it would stop the screen for 0.1 s
        gc.freeze()
        gc.enable()
        return engine.open(data_dir=settings.data_folder, config=settings.engine_config(), approver=app.approvals)

    from tinyllm_tui.app import CockpitApp
    from tinyllm_tui.attention import kept_title
    from tinyllm_tui.keymap_choice import keymap
    from tinyllm_tui.settings_desk import SettingsDesk

    app = CockpitApp(
        open_engine,
        graph_reference(loaded),
        theme=settings.theme,
        ascii_only=settings.ascii or not draws_unicode(),
        user_themes=loaded.themes_folder,
        keys=keymap(settings.keys.preset, settings.keys.map),
        alerts=settings.alerts,
        user_graphs=loaded.graphs_folder,
        session=session,
        fresh=new or not settings.restore,
        replay=replay,
        desk=SettingsDesk(loaded, setting_flags(ctx), config_file(ctx)),
        first_run=not replay and is_first_start(loaded),
    )
    with kept_title(sys.stdout):
        app.run()
    return app.return_code or 0


def is_first_start(loaded: Loaded) -> bool:
    """Whether there is neither a configuration file nor a database yet."""
    from engine.store.files import FILE_NAME

    return not loaded.config_file.exists() and not (loaded.settings.data_folder / FILE_NAME).exists()
