"""`tinyllm-tui tx fork`: going on from a step of a past transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tinyllm_tui.cli.interrupt import run_async
from tinyllm_tui.cli.options import common_options, load
from tinyllm_tui.cli.run import answer_of, find_session

if TYPE_CHECKING:
    from engine import Engine
    from engine.run.run import Run
    from engine.tools.policy import Approver


@click.command()
@click.argument("transaction")
@click.option("--at", type=click.IntRange(min=1), metavar="STEP", help="Share the events up to this one (its SEQ).")
@click.option("--question", metavar="TEXT", help="Ask this instead.")
@click.option("--graph", metavar="NAME|FILE", help="Go on with this graph; default: the one that was recorded.")
@click.option("--model", metavar="NAME", help="Use this model for every role.")
@click.option("--session", metavar="ID", help="Add the answer to this session.")
@click.option("--trace", is_flag=True, help="Print every step to stderr.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the text.")
@common_options
@click.pass_context
def fork(
    ctx: click.Context,
    transaction: str,
    at: int | None,
    question: str | None,
    graph: str | None,
    model: str | None,
    session: str | None,
    trace: bool,
    as_json: bool,
) -> int:
    """Begin a new transaction that goes on from a step of TRANSACTION, which stays as it is.

    Without --at it goes on from the last step from which a run can, or, with another question, graph or model, from the
    beginning; `tx events` lists the steps. What tools changed outside the program is not forked.
    """
    if question is not None and not question.strip():
        raise click.UsageError("The question is empty.")
    loaded = load(ctx)

    async def begin(eng: Engine, approver: Approver) -> Run:
        import engine

        return await eng.fork(
            transaction,
            at=at,
            question=question,
            graph=None if graph is None else engine.load_graph(graph),
            model=model,
            session=await find_session(eng, session),
            approver=approver,
        )

    return run_async(lambda interrupt: answer_of(loaded, begin, interrupt, trace=trace, as_json=as_json))
