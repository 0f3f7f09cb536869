"""`tinyllm-tui run`: one question, one answer."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import click

from tinyllm_tui.cli import output
from tinyllm_tui.cli.interrupt import CANCELLED, Interrupt, run_async
from tinyllm_tui.cli.options import RUN_OPTIONS, common_options, graph_reference, load, setting_options

if TYPE_CHECKING:
    from engine import Engine
    from engine.events import ApprovalAnswered
    from engine.run.result import Result
    from engine.run.run import Run
    from engine.tools.policy import Approver
    from tinyllm_tui.settings import Loaded

MAX_QUESTION_BYTES = 4_000_000
"""More than any window holds; reading goes no further, so an endless input ends."""
_HINT = "; `tinyllm-tui tx show {}` shows its steps"
_NOT_STORED = frozenset({"disk_full", "data_folder_unusable", "database_busy", "database_failed"})
"""What the store says where it does not take a run (`engine.store.database.store_error`)."""


@click.command()
@click.argument("query", required=False)
@click.option("--trace", is_flag=True, help="Print every step, with times and tokens, to stderr.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the text.")
@click.option("--session", metavar="ID", help="Go on with this session: its earlier messages are seen.")
@setting_options(*RUN_OPTIONS)
@common_options
@click.pass_context
def run(ctx: click.Context, query: str | None, trace: bool, as_json: bool, session: str | None) -> int:
    """Ask QUERY and print the answer to stdout, and nothing else there.

    Without QUERY, or with -, the question is read from stdin. On a terminal the answer appears while it is written;
    into a pipe or a file it goes when it is certain. Where the graph needs a person's yes it is asked for on stderr;
    without a terminal the answer is no.

    Exit status: 0 answered, 1 failed, 2 wrong usage, 130 cancelled.
    """
    question = read_question(query)
    try:
        loaded = load(ctx)

        async def begin(eng: Engine, approver: Approver) -> Run:
            import engine

            graph = engine.load_graph(graph_reference(loaded))
            found = await find_session(eng, session)
            return eng.start(graph, question, session=found, approver=approver, priority="interactive")

        return run_async(lambda interrupt: answer_of(loaded, begin, interrupt, trace=trace, as_json=as_json))
    except Exception as error:
        if not as_json or isinstance(error, BrokenPipeError | click.ClickException):
            raise
        output.print_json(no_result(error))
        return 1


def read_question(query: str | None) -> str:
    """The question as given, or from stdin.

    Raises:
        click.UsageError: there is no question, or it is longer than anything can answer.
    """
    if query is None and output.is_terminal(sys.stdin):
        raise click.UsageError('Nothing was asked. Try: tinyllm-tui run "What is the capital of France?"')
    if query is None or query == "-":
        data = sys.stdin.buffer.read(MAX_QUESTION_BYTES + 1)
        if len(data) > MAX_QUESTION_BYTES:
            raise click.UsageError(f"The question is longer than {MAX_QUESTION_BYTES // 1_000_000} MB. Shorten it.")
        query = data.decode(errors="replace")
    if not query.strip():
        raise click.UsageError("The question is empty.")
    return query


async def answer_of(
    loaded: Loaded,
    begin: Callable[[Engine, Approver], Awaitable[Run]],
    interrupt: Interrupt,
    *,
    trace: bool,
    as_json: bool,
) -> int:
    """Print the answer of the run that `begin` begins, and say how it ended; the exit status."""
    from tinyllm_tui.cli.answer import answer_printer
    from tinyllm_tui.cli.approving import TerminalApprover
    from tinyllm_tui.cli.opening import open_engine
    from tinyllm_tui.cli.trace import Trace

    printer = None if as_json else answer_printer()

    def break_line() -> None:
        if printer is not None and output.is_terminal(sys.stderr):
            printer.break_line()

    def remark(line: str) -> None:
        break_line()
        output.note(line)

    tracer = Trace(remark) if trace else None
    async with open_engine(loaded) as eng:
        approver = TerminalApprover(break_line)
        running = await begin(eng, approver)
        interrupt.run = running
        async for event in approver.follow(running.events()):
            if printer is not None:
                printer.feed(event)
            if tracer is not None:
                tracer.feed(event)
        result = explained(await running.result(), approver.answered)
        interrupt.run = None
        if printer is not None:
            printer.finish(result)
        if tracer is not None:
            tracer.finish(result)
        if as_json:
            output.print_json(result_json(result))
    return report(result, quiet=as_json)


def explained(result: Result, answered: ApprovalAnswered | None) -> Result:
    """The result; where a graph ended at an error exit after a no, with a remedy that names it.

    Args:
        result: the end of a run.
        answered: its latest answer to a request for approval.
    """
    if answered is None or answered.allowed or result.error is None or result.error.code != "exit_error":
        return result
    if answered.by == "nobody":
        remedy = f"The node {answered.path} needs a yes, and nobody could be asked: run it in a terminal."
    else:
        remedy = f"The answer to the node {answered.path} was no: ask differently, or answer yes."
    return dataclasses.replace(result, error=dataclasses.replace(result.error, remedy=remedy))


def report(result: Result, *, quiet: bool = False) -> int:
    """Say on stderr how a run ended where that is no plain answer; the exit status."""
    if result.status == "committed":
        if result.exit == "fallback" and not quiet:
            output.note(
                "Note: this is a fallback answer: the best that there was when the graph gave up on a better one."
            )
        return 0
    if result.cancelled:
        output.note(f"Cancelled; {_called(result)} was rolled back{_hint(result)}.")
        return CANCELLED
    if quiet:
        return 1
    if result.error is not None:
        output.print_error(result.error)
    else:
        output.note(f"Error: {result.text or 'the run ended without an answer'} ({result.reason})")
    output.note(f"{_called(result).capitalize()} was rolled back{_hint(result)}.")
    return 1


def _hint(result: Result) -> str:
    """Where its steps are; empty where the store did not take them."""
    stored = result.number and (result.error is None or result.error.code not in _NOT_STORED)
    return _HINT.format(result.number) if stored else ""


def _called(result: Result) -> str:
    # a database that belongs to another program gives no numbers
    return f"transaction #{result.number}" if result.number else "the run"


def result_json(result: Result) -> dict[str, Any]:
    """A result as `--json` prints it."""
    return {
        "text": result.text,
        "status": result.status,
        "exit": result.exit,
        "reason": result.reason,
        "transaction": result.transaction,
        "number": result.number,
        "nodes": [{"path": path, "outcome": outcome, "duration_ms": ms} for path, outcome, ms in result.nodes],
        "usage": dataclasses.asdict(result.usage),
        "backend": result.backend,
        "model": result.model,
        "error": output.error_json(result.error),
    }


def no_result(error: BaseException) -> dict[str, Any]:
    """The same object where no run came about."""
    return {
        "text": "",
        "status": "not_started",
        "exit": None,
        "reason": "failed",
        "transaction": None,
        "number": None,
        "nodes": [],
        "usage": {"prompt_tokens": 0, "completion_tokens": 0, "model_calls": 0, "exact": True},
        "backend": "",
        "model": "",
        "error": output.error_json(output.error_info(error)),
    }


async def find_session(eng: Engine, reference: str | None) -> str | None:
    """The id of a session given by id, by a unique beginning of it, or by name.

    Raises:
        EngineError: there is no such session, or there are several.
    """
    return None if reference is None else (await eng.session(reference)).id
