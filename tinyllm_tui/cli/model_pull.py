"""`tinyllm-tui models pull`: fetching a model, with its progress."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from contextlib import aclosing
from typing import TYPE_CHECKING

import click

from tinyllm_tui.cli import output
from tinyllm_tui.cli.interrupt import run_async
from tinyllm_tui.cli.model_facts import given_name, models_engine
from tinyllm_tui.cli.options import common_options, load, setting_options

if TYPE_CHECKING:
    from engine.models.protocol import PullProgress

_FRAME_S = 0.1
"""Seconds between two drawings of the bar."""
_UNTOLD_BYTES = 64_000_000
"""Bytes between two lines where the whole is not known."""


@click.command()
@click.argument("name", callback=given_name)
@click.option("--json", "as_json", is_flag=True, help="Print each step as a line of JSON.")
@setting_options("backend")
@common_options
@click.pass_context
def pull(ctx: click.Context, name: str, as_json: bool) -> int:
    """Fetch a model.

    NAME is `hf:owner/repo/file.gguf` or the address of a GGUF file, for the embedded backend (`#sha256=...` may
    follow); anything else is a name in the library of the backend, such as qwen2.5:3b of Ollama. Ctrl+C stops it; the
    same command goes on where it stopped.
    """
    loaded = load(ctx)

    async def main() -> int:
        from engine.models.model_source import is_source, parse_source

        report = _reporter(as_json)
        async with models_engine(loaded) as eng:
            model = parse_source(name, hub=eng.config.embedded.hub).model_name if is_source(name) else name
            try:
                async with aclosing(eng.library.pull(name)) as steps:
                    async for step in steps:
                        report.take(step)
            except asyncio.CancelledError:
                report.close()
                output.note(f"Cancelled. The same command goes on with {name} where it stopped.")
                raise
            finally:
                report.close()
        if as_json:
            click.echo(json.dumps({"status": "done", "model": model}))
        else:
            where = " for the embedded backend" if is_source(name) else ""
            output.say(f"Fetched {model}{where}. `tinyllm-tui models use {model}` lets it answer.")
        return 0

    return run_async(lambda _interrupt: main())


class Lines:
    """Steps as lines, at every tenth of the way (of each thing that is done), or as often as `parts` says.

    Args:
        write: prints a step.
        parts: lines for the whole way.
    """

    def __init__(self, write: Callable[[PullProgress], None], parts: int) -> None:
        self._write = write
        self._parts = parts
        self._last: tuple[str, int, int] | None = None

    def take(self, step: PullProgress) -> None:
        part = step.completed * self._parts // step.total if step.total else step.completed // _UNTOLD_BYTES
        if (step.status, step.total, part) != self._last:
            self._last = (step.status, step.total, part)
            self._write(step)

    def close(self) -> None:
        """Nothing is left to do."""


class Bar:
    """Steps as one line of the terminal that is drawn again and again.

    Args:
        now: a monotonic clock, in seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        from tinyllm_tui.model_words import PullMeter
        from tinyllm_tui.words import glyphs

        self._now = now
        self._meter = PullMeter(now)
        self._signs = glyphs(not output.draws_unicode())
        self._drawn: float | None = None

    def take(self, step: PullProgress) -> None:
        changed = step.status != self._meter.status
        self._meter.take(step)
        now = self._now()
        if changed or self._drawn is None or now - self._drawn >= _FRAME_S:
            self._draw(now)

    def _draw(self, now: float) -> None:
        import shutil

        from tinyllm_tui.model_words import pull_line

        line = pull_line(self._meter, shutil.get_terminal_size().columns - 1, self._signs)
        click.echo(f"\r{line}\x1b[K", nl=False, err=True, color=True)
        self._drawn = now

    def close(self) -> None:
        """Leave the line as it is at the end, and go on below it."""
        if self._drawn is not None:
            self._draw(self._now())
            click.echo("", err=True)
            self._drawn = None


def _reporter(as_json: bool) -> Lines | Bar:
    if as_json:
        return Lines(_print_json, 100)
    return Bar() if output.is_terminal(sys.stderr) else Lines(_print_line, 10)


def _print_json(step: PullProgress) -> None:
    output.put(json.dumps({"status": step.status, "completed": step.completed, "total": step.total}), newline=True)
    sys.stdout.flush()


def _print_line(step: PullProgress) -> None:
    from tinyllm_tui.model_words import file_size

    of_whole = f" {step.completed * 100 // step.total} % of {file_size(step.total)}" if step.total else ""
    amount = of_whole or (f" {file_size(step.completed)}" if step.completed else "")
    output.note(f"{output.one_line(step.status)}{':' if amount else ''}{amount}")
