"""`tinyllm-tui graph diff` and `graph history`: what graphs were, and what makes one of the other."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import click

from tinyllm_tui.cli import output
from tinyllm_tui.cli.opening import with_engine
from tinyllm_tui.cli.options import common_options, load
from tinyllm_tui.cli.tx import when

if TYPE_CHECKING:
    from engine import Engine, GraphSpec
    from engine.store.rows import RevisionRow
    from tinyllm_tui.settings import Loaded

DIFFERENT, TROUBLE = 1, 2
"""Exit statuses of `graph diff`, as `diff` has them."""
HASH_WIDTH = 12


@click.command()
@click.argument("old", metavar="A")
@click.argument("new", metavar="B")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@common_options
@click.pass_context
def diff(ctx: click.Context, old: str, new: str, as_json: bool) -> int:
    """What makes graph B of graph A: + came, - went, ~ changed.

    Each is the name of a graph, a file, the first 4 or more digits of a hash from `graph history`, or the graph of a
    transaction: '#42', in quotes. Exit status 0 where they are equal, 1 where they differ, 2 after an error.
    """
    try:
        return _compare(ctx, (old, new), as_json)
    except (BrokenPipeError, click.Abort):
        raise
    except Exception as error:  # noqa: BLE001 - status 1 says that the graphs differ: every error is 2
        output.print_error(output.error_info(error))
        return TROUBLE


@click.command()
@click.argument("graph", metavar="[NAME|FILE]", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@common_options
@click.pass_context
def history(ctx: click.Context, graph: str | None, as_json: bool) -> int:
    """The revisions of graphs that have run, of one graph or of all; the one used last is first.

    A revision is kept for good, also when the transactions that used it are not kept any more.
    """
    loaded = load(ctx)

    async def work(eng: Engine) -> int:
        rows = await eng.graph_history() if graph is None else await _revisions_of(eng, graph, loaded)
        if as_json:
            output.print_json([dataclasses.asdict(row) for row in rows])
        elif rows:
            cells = [
                [r.hash[:HASH_WIDTH], r.version, when(r.first_seen_ms), when(r.last_used_ms), str(r.runs), r.graph_id]
                for r in rows
            ]
            headings = ("HASH", "VERSION", "FIRST SEEN", "LAST USED", "RUNS", "GRAPH")
            output.print_table(headings, cells, right=frozenset({4}))
        else:
            output.note("No graph has run yet." if graph is None else f"{output.one_line(graph)} has not run yet.")
        return 0

    return with_engine(ctx, work)


def _compare(ctx: click.Context, references: tuple[str, str], as_json: bool) -> int:
    loaded = load(ctx)
    found = [_from_files(reference, loaded) for reference in references]

    async def work(eng: Engine) -> int:
        for index, reference in enumerate(references):
            found[index] = found[index] or await eng.graph_revision(reference)
        return 0

    if None in found and (status := with_engine(ctx, work)):
        return status
    old, new = (spec for spec in found if spec is not None)
    return _report(references, old, new, as_json)


def _report(references: tuple[str, str], old: GraphSpec, new: GraphSpec, as_json: bool) -> int:
    from engine.graph.diff import diff_graphs
    from tinyllm_tui.cli.diff_lines import diff_lines

    found = diff_graphs(old, new)
    heads = [_head(reference, spec) for reference, spec in zip(references, (old, new), strict=True)]
    if as_json:
        output.print_json({"old": heads[0], "new": heads[1], "equal": found.equal, **dataclasses.asdict(found)})
    elif found.equal:
        output.say(f"{output.one_line(references[0])} and {output.one_line(references[1])} are equal.")
    else:
        for sign, head in zip(("---", "+++"), heads, strict=True):
            output.say(f"{sign} {_head_line(head)}")
        for line in diff_lines(found):
            output.say(line)
    return 0 if found.equal else DIFFERENT


def _head(reference: str, spec: GraphSpec) -> dict[str, Any]:
    return {"reference": reference, "id": spec.id, "version": spec.version}


def _head_line(head: dict[str, Any]) -> str:
    return output.one_line(f"{head['reference']}: {head['id']} {head['version']}")


def _from_files(reference: str, loaded: Loaded) -> GraphSpec | None:
    """The graph with this name or in this file; None for what only the store can know.

    Raises:
        EngineError: there is no such graph, or it is wrong.
    """
    from engine.errors import ConfigurationError
    from engine.graph.loader import load_graph
    from engine.graph.problems import GraphError

    if reference.strip().startswith("#"):
        return None
    try:
        return load_graph(reference, search=(loaded.graphs_folder,))
    except GraphError as error:
        if error.code != "unknown_graph":
            raise
        from engine.store.queries import HASH_PREFIX

        if HASH_PREFIX.fullmatch(reference.strip()):
            return None
        more = "A revision is given by 4 or more digits of its hash, a transaction as '#42', in quotes."
        raise ConfigurationError(error.code, error.message, remedy=f"{error.remedy} {more}") from None


async def _revisions_of(eng: Engine, reference: str, loaded: Loaded) -> list[RevisionRow]:
    """The revisions of one graph, given by its name, its file or its id; a graph whose file is gone or wrong has them
    too.

    Raises:
        EngineError: there is neither such a graph nor a revision of one.
    """
    from engine.graph.loader import load_graph
    from engine.graph.problems import GraphError

    try:
        return await eng.graph_history(load_graph(reference, search=(loaded.graphs_folder,)).id)
    except GraphError:
        rows = await eng.graph_history(reference) or await eng.graph_history(f"graph.{reference}")
        if not rows:
            raise
        return rows
