"""`tinyllm-tui graph`: list, validate, draw and compare graphs."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import click

from tinyllm_tui.cli import output
from tinyllm_tui.cli.options import common_options, load, setting_options
from tinyllm_tui.cli.revisions import diff, history

if TYPE_CHECKING:
    from engine.graph.problems import Problem
    from engine.graph.spec import GraphSpec
    from tinyllm_tui.settings import Loaded


@click.group()
def graph() -> None:
    """List, validate, draw and compare graphs."""


graph.add_command(diff)
graph.add_command(history)


@graph.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@common_options
@click.pass_context
def list_graphs(ctx: click.Context, as_json: bool) -> int:
    """The graphs that can be given by name: the shipped ones, and those beside the configuration file."""
    from engine.errors import EngineError
    from engine.graph.loader import available_graphs

    rows = []
    for name, path in sorted(available_graphs((load(ctx).graphs_folder,)).items()):
        row = {"name": name, "file": str(path), "version": "", "nodes": 0, "description": "", "error": None}
        try:
            spec = _load(path)
            row |= {"version": spec.version, "nodes": len(spec.nodes), "description": spec.description or spec.title}
        except EngineError as error:
            row |= {"error": error.message}
        rows.append(row)
    if as_json:
        output.print_json(rows)
    else:
        cells = [
            [str(r["name"]), str(r["version"]), str(r["nodes"]), str(r["error"] or r["description"])] for r in rows
        ]
        output.print_table(("GRAPH", "VERSION", "NODES", "DESCRIPTION"), cells, right=frozenset({2}))
    return 0


@graph.command()
@click.argument("graphs", metavar="NAME|FILE...", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@common_options
@click.pass_context
def validate(ctx: click.Context, graphs: tuple[str, ...], as_json: bool) -> int:
    """Check graphs; every problem with its file, line, column and remedy. Exit status 1 where there is one.

    Warnings, such as utterances that two routes share, change nothing of the status.
    """
    from engine.graph.problems import GraphError

    loaded = load(ctx)
    reports = []
    for name in graphs:
        try:
            spec = _find(name, loaded)
        except GraphError as error:
            problems = [dataclasses.asdict(problem) for problem in error.problems]
            reports.append({"graph": name, "valid": False, "problems": problems, "warnings": []})
            if not as_json:
                for problem in error.problems:
                    output.note(f"Error: {problem}")
        else:
            warnings = _warnings(spec, name, loaded)
            told = [dataclasses.asdict(warning) for warning in warnings]
            reports.append({"graph": name, "valid": True, "problems": [], "warnings": told})
            if not as_json:
                output.say(
                    f"{name}: valid ({spec.id} {spec.version}, {len(spec.nodes)} nodes, {len(spec.edges)} edges)"
                )
                for warning in warnings:
                    output.note(f"Warning: {warning}")
    if as_json:
        output.print_json(reports)
    return 0 if all(report["valid"] for report in reports) else 1


@graph.command()
@click.argument("name", metavar="NAME|FILE")
@click.option("--format", "form", type=click.Choice(["text", "mermaid", "dot"]), default="text", show_default=True)
@setting_options("ascii")
@common_options
@click.pass_context
def show(ctx: click.Context, name: str, form: str) -> int:
    """Draw a graph."""
    loaded = load(ctx)
    spec = _find(name, loaded)
    if form == "mermaid":
        from engine.graph.mermaid import to_mermaid

        output.say(to_mermaid(spec))
        return 0
    if form == "dot":
        from engine.graph.dot import to_dot

        output.say(to_dot(spec))
        return 0
    from tinyllm_tui.graph_layout import draw_graph

    output.say(f"{spec.id} {spec.version}  {spec.description or spec.title}\n")
    output.say(draw_graph(spec, ascii_only=loaded.settings.ascii or not output.draws_unicode()))
    return 0


def _find(name: str, loaded: Loaded) -> GraphSpec:
    from engine.graph.loader import load_graph

    return load_graph(name, search=(loaded.graphs_folder,))


def _warnings(spec: GraphSpec, name: str, loaded: Loaded) -> list[Problem]:
    from engine.graph.loader import find_graph, placed
    from engine.routing.utterance_checks import utterance_warnings

    return placed(utterance_warnings(spec), find_graph(name, (loaded.graphs_folder,)))


def _load(path: object) -> GraphSpec:
    from pathlib import Path

    from engine.graph.loader import load_graph

    return load_graph(Path(str(path)))
