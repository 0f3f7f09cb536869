"""`tinyllm-tui tx compare`: two transactions beside each other."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import click

from tinyllm_tui.cli import output
from tinyllm_tui.cli.opening import with_engine
from tinyllm_tui.cli.options import common_options

if TYPE_CHECKING:
    from engine import Engine


@click.command()
@click.argument("one")
@click.argument("other")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@common_options
@click.pass_context
def compare(ctx: click.Context, one: str, other: str, as_json: bool) -> int:
    """Two transactions beside each other: what they were asked, who answered, how, and in which time.

    A line that differs begins with `!`. Below it both answers stand as one text: [-only in ONE-] {+only in OTHER+}.
    """

    async def work(eng: Engine) -> int:
        from tinyllm_tui.cli.tx import row_json
        from tinyllm_tui.comparison import compared
        from tinyllm_tui.word_diff import merged, word_diff

        first, second = await eng.transaction(one), await eng.transaction(other)
        views = await eng.view(first.tx), await eng.view(second.tx)
        facts = compared((first, views[0]), (second, views[1]))
        answers = views[0].answer, views[1].answer
        if as_json:
            output.print_json({
                "one": row_json(first),
                "other": row_json(second),
                "facts": [dataclasses.asdict(fact) | {"differs": fact.differs} for fact in facts],
                "same_words": round(word_diff(*answers).share, 4),
            })  # fmt: skip
            return 0
        cells = [["!" if fact.differs else "=", fact.name, output.one_line(fact.one, _CELL), fact.other]
                 for fact in facts]  # fmt: skip
        output.print_table(("", "", f"#{first.number}", f"#{second.number}"), cells, piped_width=_LINE)
        output.say(f"\nanswers, {word_diff(*answers).share:.0%} of the words are the same")
        output.say("\n".join(f"  {line}" for line in merged(*answers).strip().split("\n")))
        return 0

    return with_engine(ctx, work)


_CELL, _LINE = 44, 120
"""Cells of what the first one has, and of a line where stdout is no terminal."""
