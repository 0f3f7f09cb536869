"""Opening the engine for a command, and saying what opening found."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tinyllm_tui.cli.output import note

if TYPE_CHECKING:
    from engine import Engine
    from tinyllm_tui.settings import Loaded


@asynccontextmanager
async def open_engine(loaded: Loaded) -> AsyncIterator[Engine]:
    """The engine with its store; remarks of the engine go to stderr.

    Raises:
        StoreError: the data folder cannot be used.
    """
    import engine

    settings = loaded.settings
    async with engine.open(data_dir=settings.data_folder, config=settings.engine_config()) as eng:
        for notice in eng.notices:
            note(f"Note: {notice}")
        for row in eng.recovered:
            note(f"Note: transaction #{row.number} was left unfinished when the program ended; it was rolled back.")
        yield eng
