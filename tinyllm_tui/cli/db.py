"""`tinyllm-tui db`: a copy of the database, and back again."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tinyllm_tui.cli import output
from tinyllm_tui.cli.interrupt import run_async
from tinyllm_tui.cli.options import FILE, common_options, load

if TYPE_CHECKING:
    from engine.store.deep_check import DeepReport


@click.group()
def db() -> None:
    """The database: back it up to one file, and restore it."""


@db.command()
@click.argument("file", type=FILE)
@click.option("--force", is_flag=True, help="Overwrite the file.")
@common_options
@click.pass_context
def backup(ctx: click.Context, file: Path, force: bool) -> int:
    """Copy the database to one file, also while it is in use, and check the copy.

    Exit status 1 when the copy is not sound; it is kept all the same.
    """
    folder = load(ctx).settings.data_folder

    async def main() -> int:
        report = await asyncio.to_thread(_back_up, folder, file, force)
        output.say(f"Wrote {file}: {_contents(report)}.")
        if report.sound:
            return 0
        for text in (text for texts in report.problems.values() for text in texts):
            output.note(f"Warning: {text}")
        output.note("Remedy: the database itself is damaged; `tinyllm-tui doctor --deep` says what to do.")
        return 1

    return run_async(lambda _interrupt: main())


@db.command()
@click.argument("file", type=FILE)
@common_options
@click.pass_context
def restore(ctx: click.Context, file: Path) -> int:
    """Make a backup the database again; the present one is moved aside, never deleted.

    The file is checked first, and nothing is changed when it is not sound, or while another process owns the database.
    """
    folder = load(ctx).settings.data_folder

    async def main() -> int:
        from engine.store.restore import restore as restore_backup

        done = await restore_backup(folder, file)
        output.say(f"Restored {_contents(done.report)} to {folder}.")
        if done.aside is not None:
            output.say(f"The database that was there is kept as {done.aside}.")
        if done.ended:
            numbers = ", ".join(f"#{number}" for number in done.ended)
            output.say(f"Still going on when the backup was made, and marked as rolled back now: {numbers}.")
        return 0

    return run_async(lambda _interrupt: main())


def _back_up(folder: Path, file: Path, force: bool) -> DeepReport:
    """Copy and check.

    Raises:
        ConfigurationError: there is nothing to copy, or the file is there already.
        StoreError: the database cannot be read, or the file not written.
    """
    from engine.errors import ConfigurationError
    from engine.store.backup import copy_database
    from engine.store.database import FILE_NAME, store_error
    from engine.store.deep_check import examine
    from engine.store.sqlite_errors import SQLITE_ERRORS

    source = folder / FILE_NAME
    if not source.exists():
        raise ConfigurationError(
            "no_database", f"There is no database in {folder} yet.", remedy="Ask a question first."
        )
    if file.exists() and file.samefile(source):
        raise ConfigurationError("file_exists", f"{file} is the database itself.", remedy="Choose another name.")
    if file.exists() and not force:
        raise ConfigurationError("file_exists", f"{file} is there already.", remedy="Choose another name, or --force.")
    try:
        copy_database(source, file)
    except SQLITE_ERRORS as error:
        raise store_error(error, source) from error
    except OSError as error:
        raise ConfigurationError(
            "file_unwritable", f"{file} cannot be written: {error.strerror}.", remedy="Choose another place."
        ) from error
    return examine(file)


def _contents(report: DeepReport) -> str:
    from tinyllm_tui.words import size

    if not report.counted:
        return f"transactions and events could not be counted, {size(report.file_bytes)}"
    return f"{report.transactions} transactions, {report.events} events, {size(report.file_bytes)}"
