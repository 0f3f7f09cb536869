"""Opening the engine for a command, and saying what opening found."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tinyllm_tui.cli.interrupt import run_async
from tinyllm_tui.cli.options import load
from tinyllm_tui.cli.output import note

if TYPE_CHECKING:
    from engine import Engine
    from engine.config import EngineConfig
    from tinyllm_tui.settings import Loaded


_NO_LIMIT = 10**9
"""Transactions, and MB, that no store has."""


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
async def open_engine(
    loaded: Loaded, notices: Notices | None = None, *, keep_all: bool = False
) -> AsyncIterator[Engine]:
    """The engine with its store; its notices go to stderr when it is opened, and what came up since when it is closed.

    A command is over too soon to go on with a run that was interrupted: the cockpit does.

    Args:
        loaded: the settings.
        notices: for a command that tells them in between too.
        keep_all: old transactions are not removed at the start.

    Raises:
        StoreError: the data folder cannot be used.
    """
    settings = loaded.settings
    config = settings.engine_config()
    if config.recovery == "resume":
        config = config.model_copy(update={"recovery": "leave"})
    if keep_all:
        config = config.model_copy(update={"keep_transactions": _NO_LIMIT, "max_size_mb": _NO_LIMIT})
    async with telling(config, settings.data_folder, notices) as eng:
        for row in eng.left:
            note(f"Note: transaction #{row.number} was interrupted; the cockpit goes on with it when it is opened.")
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


def with_engine(ctx: click.Context, work: Callable[[Engine], Awaitable[int]], *, keep_all: bool = False) -> int:
    """Open the engine for past transactions, and run `work`; with `keep_all` none is removed by opening it."""
    loaded = load(ctx)

    async def main() -> int:
        async with open_engine(loaded, keep_all=keep_all) as eng:
            return await work(eng)

    return run_async(lambda _interrupt: main())
