"""`tinyllm-tui tx`: past transactions."""

from __future__ import annotations

import dataclasses
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from tinyllm_tui.cli import output
from tinyllm_tui.cli.compare import compare
from tinyllm_tui.cli.fork import fork
from tinyllm_tui.cli.opening import with_engine
from tinyllm_tui.cli.options import common_options
from tinyllm_tui.cli.prune import prune
from tinyllm_tui.cli.transfer import export_run, import_run
from tinyllm_tui.row_words import INTERRUPTED, as_it_is, origin_words, outcome_words, parent_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from engine import Engine
    from engine.events import Event
    from engine.store.rows import TransactionRow
    from engine.view import View
    from tinyllm_tui.transaction_filter import TransactionFilter

PIPED_WIDTH = 120
"""Cells of a line of a table where stdout is no terminal: a question, or a body, may be megabytes."""
PAGE = 500
"""Transactions that are read at once, where a filter is to take some of them."""
GRAPH_WIDTH = 14
_NOT_KNOWN = "-"


@click.group()
def tx() -> None:
    """Past transactions: list, show, fork, send to somebody else, remove old ones.

    A transaction is named by its number (42 or #42), its id, or a unique beginning of the id.
    """


@tx.command("list")
@click.argument("words", nargs=-1, metavar="[FILTER]...")
@click.option("--status", metavar="STATUS", help="committed, rolled_back, fallback, executing, interrupted or damaged.")
@click.option("--graph", "of_graph", metavar="NAME", help="Only those of graphs with this in their name.")
@click.option("--since", metavar="TIME", help="Only those that began at TIME or later: 2d, 3h, today, 2026-11-30.")
@click.option("--before", metavar="TIME", help="Only those that began before TIME.")
@click.option("--is", "mark", metavar="MARK", help="fork, imported, bookmarked, or here (ran in this store).")
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most this many, newest first."
)
@click.option("--session", metavar="ID", help="Only those of one session.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@common_options
@click.pass_context
def list_transactions(
    ctx: click.Context, /, limit: int, session: str | None, as_json: bool, words: tuple[str, ...], **options: str | None
) -> int:
    """The latest transactions.

    FILTER is what the cockpit's list takes: words of question and answer, and the options as name:value, such as
    `tx list status:rolled_back since:2d france`.
    """

    async def work(eng: Engine) -> int:
        from tinyllm_tui.cli.run import find_session

        wanted = _wanted(words, options)
        rows = await _filtered(eng, wanted, limit, await find_session(eng, session))
        _note_damage(rows)
        now = datetime.now().astimezone()
        if as_json:
            output.print_json([row_json(row) for row in rows])
        elif rows:
            cells = [
                [f"#{r.number}", _short_when(r.started_ms, now), outcome_words(r), _took(r), _short_graph(r), q]
                for r in rows
                for q in (_listed_question(r),)
            ]
            headings = ("TX", "STARTED", "STATUS", "TOOK", "GRAPH", "QUESTION")
            output.print_table(headings, cells, right=frozenset({0, 3}), piped_width=PIPED_WIDTH)
        elif wanted is None:
            output.note("There are no transactions yet.")
        else:
            output.note("No transaction fits.")
        return 0

    return with_engine(ctx, work)


def _wanted(words: Sequence[str], options: Mapping[str, str | None]) -> TransactionFilter | None:
    """The filter of a call; None where it has none.

    Raises:
        EngineError: a part of it means nothing.
    """
    from tinyllm_tui.transaction_filter import check, read_filter

    names = {"of_graph": "graph", "mark": "is"}
    parts = [f'{names.get(name, name)}:"{value}"' for name, value in options.items() if value is not None]
    text = " ".join((*words, *parts))
    return check(read_filter(text, datetime.now().astimezone())) if text.strip() else None


async def _filtered(
    eng: Engine, wanted: TransactionFilter | None, limit: int, session: str | None
) -> list[TransactionRow]:
    """The newest transactions that a filter takes, read a page at a time."""
    from tinyllm_tui.bookmarks import Bookmarks

    found: list[TransactionRow] = []
    bookmarks = Bookmarks(eng.data_dir)
    if wanted is not None and "bookmarked" in wanted.marks:
        await bookmarks.read()
    before: int | None = None
    size = limit if wanted is None else PAGE
    while len(found) < limit:
        page = await eng.transactions(limit=size, session=session, before=before)
        rows = [as_it_is(row, eng.left) for row in page]
        found += [row for row in rows if wanted is None or wanted.takes(row, bookmarked=bool(bookmarks.of(row.tx)))]
        if len(page) < size:
            break
        before = page[-1].number
    return found[:limit]


@tx.command()
@click.argument("transaction", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@common_options
@click.pass_context
def show(ctx: click.Context, transaction: str | None, as_json: bool) -> int:
    """One transaction, or the latest: question, answer, and every step."""

    async def work(eng: Engine) -> int:
        found = await _find(eng, transaction)
        _note_damage([found])
        row = as_it_is(found, eng.left)
        view = await eng.view(row.tx)
        if as_json:
            output.print_json(row_json(row) | view_json(view))
        else:
            _print_transaction(row, view)
        return 0

    return with_engine(ctx, work)


@tx.command()
@click.argument("transaction", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@common_options
@click.pass_context
def events(ctx: click.Context, transaction: str | None, as_json: bool) -> int:
    """Every event of one transaction, or the latest, in order, with the engine's own events of its time.

    SEQ is what `tx fork --at` takes. A body is cut to the width of the table; --json prints it whole.
    """

    async def work(eng: Engine) -> int:
        row = await _find(eng, transaction)
        found = [event_json(event) for event in await eng.events(row.tx)]
        if as_json:
            output.print_json(found)
            return 0
        cells = [
            [
                str(e["seq"] or "-"),
                str(e["gseq"]),
                f"{e['t_ms'] / 1000:.3f} s",
                e["kind"],
                json.dumps(e["body"], ensure_ascii=False),
            ]
            for e in found
        ]
        headings = ("SEQ", "GSEQ", "TIME", "KIND", "BODY")
        output.print_table(headings, cells, right=frozenset({0, 1, 2}), piped_width=PIPED_WIDTH)
        return 0

    return with_engine(ctx, work)


def _note_damage(rows: list[TransactionRow]) -> None:
    """Say once that what is shown is not what was written."""
    if any(row.status == "damaged" for row in rows):
        output.note("Note: the database is damaged: run `tinyllm-tui doctor --deep`.")


async def _find(eng: Engine, reference: str | None) -> TransactionRow:
    """The transaction that is meant; without a reference the latest.

    Raises:
        ConfigurationError: there are none yet.
        EngineError: there is none such.
    """
    if reference is not None:
        return await eng.transaction(reference)
    rows = await eng.transactions(limit=1)
    if not rows:
        from engine.errors import ConfigurationError

        raise ConfigurationError(
            "no_transactions", "There are no transactions yet.", remedy='Make one: tinyllm-tui run "Hello".'
        )
    return rows[0]


def _listed_question(row: TransactionRow) -> str:
    """The question, after where the run comes from."""
    origin = origin_words(row)
    return f"[{origin}] {row.question}" if origin else row.question


def row_json(row: TransactionRow) -> dict[str, Any]:
    """A transaction as `--json` prints it."""
    fields = dataclasses.asdict(row)
    parent = fields["parent"]
    if parent is not None:
        fields["parent"] = {"number": parent.pop("number"), "transaction": parent.pop("tx"), **parent}
    return {"number": fields.pop("number"), "transaction": fields.pop("tx"), **fields}


def view_json(view: View) -> dict[str, Any]:
    """What a transaction's steps were, as `--json` prints it."""
    visits = [
        {
            "path": node.path,
            "type": node.type,
            "visit": visit.visit,
            "outcome": visit.state,
            "rewound": visit.rewound,
            "started_ms": visit.started_ms,
            "duration_ms": visit.duration_ms,
            "models": [attempt.model for attempt in visit.attempts],
            "output": visit.output,
            "error": output.error_json(visit.error),
        }
        for node in view.nodes.values()
        for visit in node.visits
    ]
    return {
        "model": view.answer_model,
        "models": view.models,
        "checkpoints": view.checkpoints,
        "retries": view.retries,
        "nodes": sorted(visits, key=lambda visit: (visit["started_ms"], visit["visit"])),
        "timeline": [dataclasses.asdict(entry) for entry in view.timeline],
        "resumed": view.resumed,
        "uncompensated": list(view.uncompensated),
        "error": output.error_json(view.error),
    }


def event_json(event: Event) -> dict[str, Any]:
    """An event as `--json` prints it."""
    from engine.events import encode

    return {
        "gseq": event.gseq,
        "transaction": event.tx,
        "seq": event.seq,
        "t_ms": event.t_ms,
        "wall_ms": event.wall_ms,
        "kind": event.kind,
        "v": event.body.V,
        "body": json.loads(encode(event.body)),
    }


def _print_transaction(row: TransactionRow, view: View) -> None:
    from tinyllm_tui.cli.trace import models_used, node_width, timeline_line, usage_text

    facts = [
        ("transaction", f"#{row.number} {row.tx}"),
        ("status", outcome_words(row)),
        ("started", when(row.started_ms) + ("" if _took(row) == _NOT_KNOWN else f", took {_took(row)}")),
        ("graph", f"{row.graph_id} {view.graph.get('version', '')}"),
        ("session", row.session or "none"),
        *([("origin", "imported: it ran elsewhere")] if row.origin else []),
        *([("fork", parent_words(row.parent, imported=bool(row.origin)).removeprefix("fork "))] if row.parent else []),
        *([("resumed", f"{_times(view.resumed)} after an interruption")] if view.resumed else []),
        *([("not undone", "; ".join(view.uncompensated))] if view.uncompensated else []),
        ("backend", row.backend or "none"),
        ("models", ", ".join(models_used(view)) or "none"),
        ("usage", usage_text(row.usage)),
    ]
    if view.error is not None:
        facts += [("error", view.error.message), ("remedy", view.error.remedy or "-")]
    for name, value in facts:
        output.say(f"{name:<12} {output.one_line(value)}")
    output.say("\nquestion")
    output.say(_indented(row.question))
    output.say("\nanswer" if row.status == "committed" else "\nwhat there was of an answer")
    output.say(_indented(view.answer or row.answer or "(none)"))
    output.say("\ntimeline")
    width = node_width(view)
    for entry in view.timeline:
        output.say(timeline_line(entry, width))


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.strip().split("\n"))


def when(wall_ms: int) -> str:
    return datetime.fromtimestamp(wall_ms / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _short_when(wall_ms: int, now: datetime) -> str:
    """The time of a day; of another year, the day with its year."""
    when = datetime.fromtimestamp(wall_ms / 1000).astimezone()
    return when.strftime("%d %b %H:%M" if when.year == now.year else "%d %b %Y")


def _took(row: TransactionRow) -> str:
    """The time in which it was worked on, without the time between an interruption and going on; known at its end."""
    return _NOT_KNOWN if row.status in ("executing", INTERRUPTED) else f"{row.duration_ms / 1000:.1f} s"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _short_graph(row: TransactionRow) -> str:
    return output.one_line(row.graph_id.removeprefix("graph."), GRAPH_WIDTH)


for _command in (fork, compare, export_run, import_run, prune):
    tx.add_command(_command)
