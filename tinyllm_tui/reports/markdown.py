"""A report of a run in Markdown: what was asked and answered, what each node did, and every step.

Texts of people, models and tools stand in fenced blocks or are escaped: none is read as Markdown or HTML.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from engine.view import NodeView, View, VisitView
from tinyllm_tui.sanitize import one_line, sanitize
from tinyllm_tui.words import UNICODE, duration

_SPECIAL = re.compile(r"([\\`*_\[\]<>|~&#!$])")
_CELL = 120
"""Characters of a cell of a table."""


def run_markdown(view: View) -> str:
    """The report of `view`; CommonMark with GitHub's tables."""
    lines = [f"# Run #{view.number}", "", *_facts(view), "", "## Question", "", *_fenced(view.question)]
    heading = "Answer" if view.status == "committed" else "What there was of an answer"
    lines += ["", f"## {heading}", "", *_fenced(view.answer or "(none)")]
    if view.error is not None:
        lines += ["", "## Why it ended", "", escaped(view.error.message), "", escaped(view.error.remedy)]
    if view.uncompensated:
        lines += ["", "## What could not be taken back", "", *(f"- {escaped(each)}" for each in view.uncompensated)]
    lines += ["", "## Nodes", "", *_nodes(view), "", "## Timeline", "", *_timeline(view)]
    return "\n".join(lines).rstrip() + "\n"


def escaped(text: str, limit: int = 2000) -> str:
    """Outside text on one line, of which nothing is read as Markdown."""
    return _SPECIAL.sub(r"\\\1", one_line(text, limit))


def _fenced(text: str) -> list[str]:
    """Text in a block that it cannot end: its fence is longer than any row of backticks in it."""
    text = sanitize(text)
    fence = "`" * max(3, *(len(row) + 1 for row in re.findall("`+", text)), 3)
    return [f"{fence}text", *text.strip("\n").split("\n"), fence]


def _facts(view: View) -> Iterator[str]:
    started = datetime.fromtimestamp(view.started_wall_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    outcome = view.status.replace("_", " ") + (f", {view.exit or view.reason}" if view.exit or view.reason else "")
    usage = view.usage
    facts = {
        "Transaction": view.tx,
        "Status": outcome,
        "Started": f"{started}, took {duration(view.t_ms)}",
        "Graph": f"{view.graph.get('name') or view.graph.get('id', '')} {view.graph.get('version', '')}".strip(),
        "Backend": view.backend or "none",
        "Answered by": f"{view.answered_by or 'nobody'} {view.answer_model}".rstrip(),
        "Tokens": f"{usage.prompt_tokens} prompt, {usage.completion_tokens} completion",
        "Model calls": str(usage.model_calls),
        "Checkpoints": str(view.checkpoints),
        "Retries": str(view.retries),
    }
    if view.parent is not None:
        facts["Fork of"] = f"#{view.parent[0]} at step {view.parent[1]}"
    yield "| | |"
    yield "|---|---|"
    for name, value in facts.items():
        yield f"| {name} | {escaped(value, _CELL)} |"


def _nodes(view: View) -> Iterator[str]:
    yield "| node | visit | outcome | started | took | models | attempts | error |"
    yield "|---|---:|---|---:|---:|---|---:|---|"
    visits = [(node, visit) for node in view.nodes.values() for visit in node.visits]
    for node, visit in sorted(visits, key=lambda pair: pair[1].started_ms):
        yield _visit(node, visit)


def _visit(node: NodeView, visit: VisitView) -> str:
    models = ", ".join(dict.fromkeys(call.model for call in visit.attempts))
    tries = max((call.attempt for call in visit.attempts), default=visit.attempt)
    outcome = f"{visit.state}, taken back" if visit.rewound else visit.state
    error = visit.error.message if visit.error is not None else ""
    cells = (
        escaped(node.path, _CELL), str(visit.visit), outcome, duration(visit.started_ms), duration(visit.duration_ms),
        escaped(models, _CELL), str(tries), escaped(error, _CELL),
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _timeline(view: View) -> Iterator[str]:
    yield "| time | | node | what happened |"
    yield "|---:|---|---|---|"
    for entry in view.timeline:
        sign = UNICODE.marks[entry.mark]
        yield f"| {duration(entry.t_ms)} | {sign} | {escaped(entry.node, _CELL)} | {escaped(entry.text, 300)} |"
