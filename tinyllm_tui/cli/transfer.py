"""`tinyllm-tui tx export` and `tx import`: a run as a file, to be looked at somewhere else."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO

import click

from tinyllm_tui.cli import output
from tinyllm_tui.cli.interrupt import run_async
from tinyllm_tui.cli.lines import read_byte_lines
from tinyllm_tui.cli.opening import open_engine, with_engine
from tinyllm_tui.cli.options import FILE, common_options, load

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from engine import Engine
    from engine.view import View

_STDIO = "-"
_HOLDS = {
    "jsonl": "It holds everything that was recorded of the run.",
    "svg": "A browser shows it.",
    "markdown": "It holds the question and the answer.",
}
"""Form of an export -> what a person should know of the file."""


@click.command("export")
@click.argument("transaction")
@click.argument("file", type=FILE, default=Path(_STDIO))
@click.option(
    "--format",
    "form",
    type=click.Choice(list(_HOLDS)),
    default="jsonl",
    show_default=True,
    help="jsonl: what tx import reads; svg: its timeline as a picture; markdown: a report.",
)
@click.option("--force", is_flag=True, help="Overwrite the file.")
@common_options
@click.pass_context
def export_run(ctx: click.Context, transaction: str, file: Path, form: str, force: bool) -> int:
    """Write a transaction to a file (or stdout) that `tx import` reads elsewhere, or that people read.

    As jsonl it holds everything that was recorded: the question, earlier turns of its session, prompts, answers, and
    what tools were given and gave back.
    """

    async def work(eng: Engine) -> int:
        row = await eng.transaction(transaction)
        lines = eng.export(row.tx) if form == "jsonl" else _shown(form, await eng.view(row.tx))
        if str(file) == _STDIO:
            await print_lines(lines)
            return 0
        size = await write_lines(lines, file, force=force)
        output.note(f"Wrote #{row.number} to {file} ({size} bytes). {_HOLDS[form]}")
        return 0

    return with_engine(ctx, work)


async def _shown(form: str, view: View) -> AsyncIterator[bytes]:
    """A run in a form that people read, line by line."""
    if form == "svg":
        from tinyllm_tui.reports.timeline_svg import timeline_svg as make
    else:
        from tinyllm_tui.reports.markdown import run_markdown as make
    for line in make(view).splitlines(keepends=True):
        yield line.encode()


@click.command("import")
@click.argument("file", type=FILE)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@common_options
@click.pass_context
def import_run(ctx: click.Context, file: Path, as_json: bool) -> int:
    """Add a transaction from a file (or stdin: -) that `tx export` wrote; it can then be shown and replayed here."""

    loaded = load(ctx)

    async def main() -> int:
        import tempfile

        from engine.store.database import FILE_NAME
        from engine.store.run_file import MAX_LINE
        from tinyllm_tui.cli.tx import row_json

        with contextlib.ExitStack() as files:
            descriptor = sys.stdin.fileno() if str(file) == _STDIO else _open(file)
            if str(file) != _STDIO:
                files.callback(os.close, descriptor)
            if not (
                loaded.settings.data_folder / FILE_NAME
            ).exists():  # no database is begun for a file that is refused
                kept = files.enter_context(tempfile.TemporaryFile())
                await _check(descriptor, kept)
                descriptor = kept.fileno()
            async with open_engine(loaded) as eng:
                row = await eng.import_run(read_byte_lines(descriptor, MAX_LINE))
        if as_json:
            output.print_json(row_json(row))
        else:
            output.say(f"Imported as #{row.number}. See it: tinyllm-tui tx show {row.number}")
        return 0

    return run_async(lambda _interrupt: main())


async def _check(descriptor: int, kept: IO[bytes]) -> None:
    """Check a whole file, which may be a pipe, and keep what it says to be read again.

    Raises:
        RunFileError: it is not as it was written, or is no run.
    """
    from engine.store.run_file import MAX_LINE, RunFileReader

    reader = RunFileReader()
    check: Callable[[bytes], object] = reader.header
    async for line in read_byte_lines(descriptor, MAX_LINE):
        check(line)
        check = reader.read
        kept.write(line)
    if check == reader.header:
        reader.header(b"")
    reader.finish()
    kept.seek(0)


def _open(file: Path) -> int:
    """A descriptor of a file for reading.

    Raises:
        ConfigurationError: there is none that can be read.
    """
    from engine.errors import ConfigurationError

    try:
        return os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise ConfigurationError(
            "file_unreadable",
            f"{file} cannot be read: {error.strerror}.",
            remedy="Name a file that `tinyllm-tui tx export` wrote.",
        ) from error


async def print_lines(lines: AsyncIterator[bytes]) -> None:
    """Write lines to stdout as they are; on a terminal made harmless."""
    terminal = output.is_terminal(sys.stdout)
    async for line in lines:
        if terminal:
            output.say(line.decode().rstrip("\n"))
        else:
            sys.stdout.buffer.write(line)


async def write_lines(lines: AsyncIterator[bytes], file: Path, *, force: bool) -> int:
    """Write a private file that gets its name when it is whole; returns its size in bytes.

    Raises:
        ConfigurationError: it is there already, or cannot be written.
    """
    from engine.errors import ConfigurationError

    part = file.with_name(f"{file.name}.part")
    try:
        with _begin(file, part, force=force) as stream:
            async for line in lines:
                stream.write(line)
            size = stream.tell()
        _finish(part, file)
    except OSError as error:
        raise ConfigurationError(
            "file_unwritable", f"{file} cannot be written: {error.strerror}.", remedy="Choose another place."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
    return size


def _begin(file: Path, part: Path, *, force: bool) -> BinaryIO:
    from engine.errors import ConfigurationError
    from engine.store.files import make_private

    if file.exists() and not force:
        raise ConfigurationError("file_exists", f"{file} is there already.", remedy="Choose another name, or --force.")
    make_private(part, empty=True)
    return part.open("wb")


def _finish(part: Path, file: Path) -> None:
    from engine.store.files import force_to_disk

    force_to_disk(part)
    part.replace(file)
