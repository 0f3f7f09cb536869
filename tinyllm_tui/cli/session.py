"""`tinyllm-tui session`: conversations of several runs."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from tinyllm_tui.cli import output
from tinyllm_tui.cli.opening import with_engine
from tinyllm_tui.cli.options import FILE, common_options
from tinyllm_tui.cli.transfer import print_lines, write_lines

if TYPE_CHECKING:
    from engine import Engine
    from engine.store.rows import MessageRow, SessionHit, SessionRow

PIPED_WIDTH = 120
"""Cells of a line of a table where stdout is no terminal."""
ID_SHOWN = 8
"""Digits of an id that a list shows: enough to name the session by."""
_SPEAKERS = {"user": "question", "assistant": "answer"}


@click.group()
def session() -> None:
    """Conversations: begin, list, search, show, rename, delete, export.

    A session is named by its id, a unique beginning of the id, or its name; `run --session` and `chat --plain
    --session` go on with one.
    """


@session.command("new")
@click.argument("name")
@common_options
@click.pass_context
def begin(ctx: click.Context, name: str) -> int:
    """Begin an empty session called NAME."""

    async def work(eng: Engine) -> int:
        from engine.errors import EngineError, ErrorClass

        if eng.read_only:
            raise EngineError(
                ErrorClass.INVALID_REQUEST, "read_only", "The database is open for reading only: no session can begin.",
                remedy="Close the program that owns it, or update this one, then try again.",
            )  # fmt: skip
        wanted = output.one_line(name)
        if not wanted or any(row.name == wanted for row in await eng.sessions()):
            raise EngineError(
                ErrorClass.INVALID_REQUEST, "name_taken",
                f"There is a session {wanted!r} already." if wanted else "The name is empty.",
                remedy="Give another name; `tinyllm-tui session list` shows those that there are.",
            )  # fmt: skip
        row = await eng.create_session(wanted)
        output.say(f"Session {row.id[:ID_SHOWN]} is called {output.one_line(row.name)}.")
        return 0

    return with_engine(ctx, work)


@session.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@common_options
@click.pass_context
def list_sessions(ctx: click.Context, as_json: bool) -> int:
    """The sessions, latest use first."""

    async def work(eng: Engine) -> int:
        from tinyllm_tui.cli.tx import when

        rows = await eng.sessions()
        if as_json:
            output.print_json([dataclasses.asdict(row) for row in rows])
        elif rows:
            cells = [
                [row.id[:ID_SHOWN], when(row.updated_ms), str(row.messages), _switch(row.memory), row.name]
                for row in rows
            ]
            headings = ("ID", "LAST USED", "MESSAGES", "MEMORY", "NAME")
            output.print_table(headings, cells, right=frozenset({2}), piped_width=PIPED_WIDTH)
        else:
            output.note("There are no sessions yet.")
        return 0

    return with_engine(ctx, work)


@session.command()
@click.argument("text")
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most this many, best first."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@common_options
@click.pass_context
def search(ctx: click.Context, text: str, limit: int, as_json: bool) -> int:
    """Messages of all sessions that have every word of TEXT, the best first."""

    async def work(eng: Engine) -> int:
        hits = await eng.search_sessions(text, limit)
        if as_json:
            output.print_json([hit_json(hit) for hit in hits])
        elif hits:
            cells = [
                [hit.session[:ID_SHOWN], output.one_line(hit.name, 30), _number(hit), _speaker(hit.role), hit.snippet]
                for hit in hits
            ]
            headings = ("ID", "SESSION", "TX", "WHO", "FOUND")
            output.print_table(headings, cells, right=frozenset({2}), piped_width=PIPED_WIDTH)
        else:
            output.note("Nothing was found.")
        return 0

    return with_engine(ctx, work)


@session.command()
@click.argument("reference", metavar="SESSION")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, as `session export --format json` writes it.")
@common_options
@click.pass_context
def show(ctx: click.Context, reference: str, as_json: bool) -> int:
    """One session: everything that was said in it."""

    async def work(eng: Engine) -> int:
        row = await eng.session(reference)
        if as_json:
            output.print_json(json.loads(await eng.export_session(row.id, "json")))
        else:
            _print_session(row, await eng.session_history(row.id))
        return 0

    return with_engine(ctx, work)


@session.command()
@click.argument("reference", metavar="SESSION")
@click.argument("name")
@common_options
@click.pass_context
def rename(ctx: click.Context, reference: str, name: str) -> int:
    """Give a session another name."""

    async def work(eng: Engine) -> int:
        row = await eng.rename_session((await eng.session(reference)).id, name)
        output.say(f"Session {row.id[:ID_SHOWN]} is called {output.one_line(row.name)}.")
        return 0

    return with_engine(ctx, work)


@session.command()
@click.argument("reference", metavar="SESSION")
@click.argument("switch", metavar="on|off", type=click.Choice(["on", "off"]))
@common_options
@click.pass_context
def memory(ctx: click.Context, reference: str, switch: str) -> int:
    """Turn long-term memory on or off for the next questions of a session."""

    async def work(eng: Engine) -> int:
        row = await eng.set_session_memory((await eng.session(reference)).id, switch == "on")
        output.say(f"Long-term memory is {_switch(row.memory)} for the session {output.one_line(row.name)}.")
        return 0

    return with_engine(ctx, work)


@session.command()
@click.argument("reference", metavar="SESSION")
@common_options
@click.pass_context
def summarise(ctx: click.Context, reference: str) -> int:
    """Have a model write a summary of a session, and keep it in long-term memory."""

    async def work(eng: Engine) -> int:
        row = await eng.summarise_session((await eng.session(reference)).id)
        output.say(row.text)
        output.note(f"Kept as memory {row.id}; `tinyllm-tui memory forget {row.id}` removes it.")
        return 0

    return with_engine(ctx, work)


@session.command()
@click.argument("reference", metavar="SESSION")
@click.option("--yes", is_flag=True, help="Do not ask.")
@common_options
@click.pass_context
def delete(ctx: click.Context, reference: str, yes: bool) -> int:
    """Remove a session with what was said in it; its transactions stay (`tx prune` removes those).

    It asks first; Enter means no, and without a terminal --yes is needed.
    """
    found: list[SessionRow] = []

    async def look(eng: Engine) -> int:
        found.append(await eng.session(reference))
        return 0

    async def remove(eng: Engine) -> int:
        await eng.delete_session(found[0].id)
        output.say(f"Deleted the session {output.one_line(found[0].name)}.")
        return 0

    status = with_engine(ctx, look)
    if status != 0:
        return status
    if not yes and not _agreed(found[0]):
        output.note("Nothing was deleted.")
        return 1
    return with_engine(ctx, remove)


@session.command()
@click.argument("reference", metavar="SESSION")
@click.argument("file", type=FILE, default=Path("-"))
@click.option("--format", "form", type=click.Choice(["md", "json"]), default="md", show_default=True)
@click.option("--force", is_flag=True, help="Overwrite the file.")
@common_options
@click.pass_context
def export(ctx: click.Context, reference: str, file: Path, form: str, force: bool) -> int:
    """Write a session to a file (or stdout), as Markdown for people or JSON for programs."""
    document: Literal["markdown", "json"] = "json" if form == "json" else "markdown"

    async def work(eng: Engine) -> int:
        row = await eng.session(reference)
        text = await eng.export_session(row.id, document)
        if str(file) == "-":
            await print_lines(_lines(text))
            return 0
        size = await write_lines(_lines(text), file, force=force)
        output.note(f"Wrote the session {output.one_line(row.name)} to {file} ({size} bytes).")
        return 0

    return with_engine(ctx, work)


async def _lines(text: str) -> AsyncIterator[bytes]:
    for line in text.splitlines(keepends=True):
        yield line.encode()


def hit_json(hit: SessionHit) -> dict[str, Any]:
    """A message that was found as `--json` prints it."""
    fields = dataclasses.asdict(hit)
    return {"session": fields.pop("session"), "transaction": fields.pop("tx"), **fields}


def _agreed(row: SessionRow) -> bool:
    """Whether the person says yes.

    Raises:
        ConfigurationError: nobody can be asked.
    """
    from engine.errors import ConfigurationError

    words = f"The session {output.one_line(row.name)} ({row.id[:ID_SHOWN]}) has {row.messages} messages."
    if not output.is_terminal(sys.stdin):
        raise ConfigurationError(
            "confirmation_needed", f"{words} There is no terminal on which to ask.", remedy="Add --yes to delete it."
        )
    output.note(words)
    return click.confirm("Delete it?", default=False, err=True)


def _print_session(row: SessionRow, messages: list[MessageRow]) -> None:
    from tinyllm_tui.cli.tx import when

    for name, value in (
        ("session", row.name),
        ("id", row.id),
        ("begun", when(row.created_ms)),
        ("last used", when(row.updated_ms)),
        ("memory", _switch(row.memory)),
    ):
        output.say(f"{name:<12} {output.one_line(value)}")
    for each in messages:
        output.say(f"\n{_speaker(each.role)}  {_number(each)}  {when(each.created_ms)}")
        output.say("\n".join(f"  {line}" for line in each.content.strip().split("\n")))


def _number(row: MessageRow | SessionHit) -> str:
    return "-" if row.number is None else f"#{row.number}"


def _speaker(role: str) -> str:
    return _SPEAKERS.get(role, output.one_line(role, 10))


def _switch(on: bool) -> str:
    return "on" if on else "off"
