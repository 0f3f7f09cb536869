"""Opening the engine for a command, and saying what opening found."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tinyllm_tui.cli.output import note

if TYPE_CHECKING:
    from engine import Engine
    from engine.config import EngineConfig
    from tinyllm_tui.settings import Loaded


class Notices:
    """Tells each notice of an engine once, whenever it came up: at opening, when connected to a backend, at closing."""

    def __init__(self) -> None:
        self._told = 0

    def tell(self, eng: Engine) -> None:
        """Print what has not been told yet."""
        for notice in eng.notices[self._told :]:
            note(f"Note: {notice}")
        self._told = len(eng.notices)


@asynccontextmanager
async def open_engine(loaded: Loaded, notices: Notices | None = None) -> AsyncIterator[Engine]:
    """The engine with its store; its notices go to stderr when it is opened, and what came up since when it is closed.

    Args:
        loaded: the settings.
        notices: for a command that tells them in between too.

    Raises:
        StoreError: the data folder cannot be used.
    """
    settings = loaded.settings
    async with telling(settings.engine_config(), settings.data_folder, notices) as eng:
        for row in eng.recovered:
            note(f"Note: transaction #{row.number} was left unfinished when the program ended; it was rolled back.")
        yield eng


@asynccontextmanager
async def telling(
    config: EngineConfig, data_dir: Path | None = None, notices: Notices | None = None
) -> AsyncIterator[Engine]:
    """An engine that says its notices on stderr; without a folder nothing is recorded.

    Raises:
        StoreError: the data folder cannot be used.
    """
    import engine

    notices = notices or Notices()
    opened: Engine | None = None
    try:
        async with engine.open(data_dir=data_dir, config=config) as opened:
            notices.tell(opened)
            yield opened
    finally:
        if opened is not None:
            notices.tell(opened)
