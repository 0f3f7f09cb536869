"""`tinyllm-tui route eval` and `route explain`: how often a router is right, and why it decides as it does."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tinyllm_tui.cli import output
from tinyllm_tui.cli.opening import with_engine
from tinyllm_tui.cli.options import FILE, common_options, setting_options
from tinyllm_tui.cli.taught import chosen_graph

if TYPE_CHECKING:
    from engine import Engine
    from engine.nodes.route_evaluation import RoutingFigures

_CONFUSIONS = 20
"""Wrong answers that the table shows, the most frequent ones."""
_WIDTH = 100
"""Columns of an explanation."""
_ROUTER = click.option("--router", metavar="NODE", help="Which router, where the graph has several.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command("eval")
@click.argument("file", type=FILE)
@click.option("--words", is_flag=True, help="By words alone, as where no model makes embeddings.")
@_ROUTER
@_JSON
@setting_options("graph", "backend")
@common_options
@click.pass_context
def evaluate(ctx: click.Context, file: Path, words: bool, router: str | None, as_json: bool) -> int:
    """Measure a router with questions whose routes are known.

    FILE (or stdin: -) has one JSON object a line: {"question": "...", "labels": ["..."]}. No answer is made, and
    nothing is recorded. Corrections count, as they do for a question.
    """
    from engine.graph.routers import router_at
    from tinyllm_tui.cli.route_questions import read_questions

    graph = chosen_graph(ctx)
    questions = read_questions(file, router_at(graph, router))

    async def work(eng: Engine) -> int:
        figures = await eng.evaluate_routes(graph, questions, router=router, words=words)
        if as_json:
            output.print_json(figures_json(figures))
        else:
            _print_figures(figures)
        return 0

    return with_engine(ctx, work)


@click.command()
@click.argument("question")
@_ROUTER
@_JSON
@setting_options("graph", "backend")
@common_options
@click.pass_context
def explain(ctx: click.Context, question: str, router: str | None, as_json: bool) -> int:
    """Show how QUESTION would be routed, and why: scores, stage, nearest utterances, times."""
    graph = chosen_graph(ctx)

    async def work(eng: Engine) -> int:
        from tinyllm_tui.widgets.route_lines import route_lines
        from tinyllm_tui.words import glyphs, plain

        decided = await eng.explain_route(graph, question, router=router)
        if as_json:
            output.print_json(dataclasses.asdict(decided))
        else:
            for line in route_lines(decided, _WIDTH, glyphs(not output.draws_unicode())):
                output.say(plain(line).rstrip())
        return 0

    return with_engine(ctx, work)


def figures_json(figures: RoutingFigures) -> dict[str, Any]:
    """The figures as `--json` prints them."""
    found = dataclasses.asdict(dataclasses.replace(figures, confusion={}))
    rows = sorted(figures.confusion.items(), key=lambda each: (-each[1], each[0]))
    found["confusion"] = [{"labels": true, "found": got, "questions": count} for (true, got), count in rows]
    return found


def summary_rows(figures: RoutingFigures) -> list[tuple[str, str]]:
    """(what, figure) of everything that is one number."""
    return [
        ("questions", str(figures.questions)),
        ("single label: right", percent(figures.accuracy)),
        ("single label: a wrong extra one", percent(figures.extra)),
        ("several labels: all found", percent(figures.all_found)),
        ("exactly the labels", percent(figures.exact)),
        ("multi-label F1 (micro, macro)", f"{figures.micro_f1:.3f}, {figures.macro_f1:.3f}"),
        ("expected calibration error", f"{figures.calibration_error:.3f}"),
        ("the most confident 80 %: right", percent(figures.confident_right)),
        ("time per question (median, 95th percentile)", f"{figures.median_ms:.1f} ms, {figures.p95_ms:.1f} ms"),
        *((f"decided by {stage}", percent(share)) for stage, share in sorted(figures.stages.items())),
    ]


def percent(share: float) -> str:
    return f"{share * 100:.1f} %"


def _print_figures(figures: RoutingFigures) -> None:
    output.print_table(("WHAT", "FIGURE"), summary_rows(figures))
    output.say()
    rows = [
        [name, percent(each.precision), percent(each.recall), f"{each.f1:.3f}", str(each.questions)]
        for name, each in sorted(figures.labels.items())
    ]
    output.print_table(("LABEL", "PRECISION", "RECALL", "F1", "QUESTIONS"), rows, right=frozenset({1, 2, 3}))
    wrong = [each for each in figures_json(figures)["confusion"] if each["labels"] != each["found"]]
    if wrong:
        output.say()
        cells = [[str(each["questions"]), each["labels"], each["found"] or "-"] for each in wrong[:_CONFUSIONS]]
        output.print_table(("CONFUSED", "LABELS", "FOUND"), cells, right=frozenset({0}))
        if len(wrong) > _CONFUSIONS:
            output.say(f"and {len(wrong) - _CONFUSIONS} more kinds, which --json prints")
