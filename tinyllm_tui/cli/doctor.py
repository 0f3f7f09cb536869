"""`tinyllm-tui doctor`: what works here, and what to do about the rest."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import click

from tinyllm_tui.cli import output
from tinyllm_tui.cli.interrupt import run_async
from tinyllm_tui.cli.options import common_options, load, setting_options

if TYPE_CHECKING:
    from tinyllm_tui.doctor import Finding

_MARKS = {"ok": "ok  ", "info": "note", "warn": "warn", "fail": "FAIL"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--deep", is_flag=True, help="Check every event and every list of the database too.")
@setting_options("graph", "backend", "model")
@common_options
@click.pass_context
def doctor(ctx: click.Context, as_json: bool, deep: bool) -> int:
    """Check Python, SQLite, the data folder, the terminal and the models; a remedy for every finding.

    Exit status 1 when a question could not be answered, or the database is damaged.
    """
    from tinyllm_tui.doctor import examine

    findings: list[Finding] = []

    async def main() -> int:
        findings.extend(await examine(lambda: load(ctx, quiet=True), deep=deep))
        return 0

    status = run_async(lambda _interrupt: main())
    if status:
        return status
    failed = [finding for finding in findings if finding.status == "fail"]
    if as_json:
        output.print_json({"ok": not failed, "checks": [dataclasses.asdict(finding) for finding in findings]})
    else:
        _print(findings)
    return 1 if failed else 0


def _print(findings: list[Finding]) -> None:
    """One line for each finding, with its remedy under it; never by colour alone."""
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        output.say(f"{_MARKS[finding.status]} {finding.name:<{width}}  {output.one_line(finding.detail)}")
        if finding.remedy:
            output.say(f"{'':{width + 7}}remedy: {output.one_line(finding.remedy)}")
    failed = sum(finding.status == "fail" for finding in findings)
    if failed and all(finding.name == "database" for finding in findings if finding.status == "fail"):
        output.say("\nQuestions can be answered, but the database is damaged.")
    elif failed:
        output.say(f"\nA question cannot be answered yet: {failed} finding{'s' if failed > 1 else ''} to mend.")
    else:
        output.say('\nAll that is needed is there. Try: tinyllm-tui run "What is the capital of France?"')
