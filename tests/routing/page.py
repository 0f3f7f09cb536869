"""Writes the measured part of docs/routing.md: `uv run python -m tests.routing.page`. No figure is written by hand.

What was measured stands as JSON in a comment of the page, so that the table can be made again from it.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import re
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import engine
from engine.graph.loader import load_graph
from tests.routing.material import development_set
from tests.routing.measure import latency
from tinyllm_tui.cli.route_eval import figures_json

PAGE = Path(__file__).parents[2] / "docs" / "routing.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
_RECORD = re.compile(r"^<!-- record (\{.*\}) -->$", re.MULTILINE)
_GOALS = {
    "accuracy": (">= 96 %", ">= 85 %"),
    "all_found": (">= 85 %", ""),
    "extra": ("<= 5 %", ""),
    "confident_right": (">= 98 %", ""),
}
_ROWS = {
    "accuracy": "one label: it is the best",
    "extra": "one label: a wrong extra one",
    "all_found": "several labels: all found",
    "exact": "exactly the labels",
    "micro_f1": "multi-label F1, micro",
    "macro_f1": "multi-label F1, macro",
    "calibration_error": "expected calibration error",
    "confident_right": "the most confident 80 %: right",
    "median_ms": "time per question, median",
    "p95_ms": "time per question, 95th percentile",
}
_DECISIONS = {
    "idle": ("fewer than 60 tokens, nothing else to do: median", "<= 150 ms"),
    "answering": ("fewer than 60 tokens, while an answer is made: median", "<= 350 ms"),
}
"""Which decisions by embeddings -> (what stands in the table, goal)."""
DECISIONS = 40
Record = dict[str, Any]


async def measured() -> Record:
    """Both kinds of classifier on the development set."""
    load = os.getloadavg()[0]
    graph = load_graph("multi_domain")
    questions = development_set()
    async with engine.open(backend="embedded") as eng:
        words = await eng.evaluate_routes(graph, questions, words=True)
        embeddings = await eng.evaluate_routes(graph, questions)
    idle, answering = await latency(DECISIONS)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": f"{machine}, load average {load:.1f} at the start",
        "embedding": figures_json(embeddings),
        "words": figures_json(words),
        "decisions": {"idle": asdict(idle), "answering": asdict(answering)},
    }


def table(record: Record) -> str:
    """The part of the page between its markers."""
    both = [record["embedding"], record["words"]]
    what = f"{both[0]['questions']} questions of `tests/data/routing_questions.jsonl`"
    lines = [
        f"{what}, on {record['date']} ({record['machine']}).",
        "",
        "| | embeddings | goal | words alone | goal |",
        "|---|---:|---:|---:|---:|",
    ]
    for key, name in _ROWS.items():
        goals = _GOALS.get(key, ("", ""))
        lines.append(f"| {name} | {_cell(key, both[0])} | {goals[0]} | {_cell(key, both[1])} | {goals[1]} |")
    for key, (name, goal) in _DECISIONS.items():
        lines.append(f"| {name} | {record['decisions'][key]['median_ms']:.0f} ms | {goal} |  |  |")
    lines += ["", "| label | precision | recall | F1 | precision, words | recall, words | F1, words |"]
    lines.append("|---|---:|---:|---:|---:|---:|---:|")
    for label in sorted(both[0]["labels"]):
        cells = [_of_label(each["labels"].get(label)) for each in both]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    for name, each in zip(("embeddings", "words alone"), both, strict=True):
        stages = ", ".join(f"{stage} {share * 100:.1f} %" for stage, share in sorted(each["stages"].items()))
        wrong = [row for row in each["confusion"] if row["labels"] != row["found"]]
        confused = ", ".join(f"{row['labels']} as {row['found'] or 'nothing'} ({row['questions']})" for row in wrong)
        lines += ["", f"With {name}, decided by: {stages}. Confused: {confused or 'nothing'}."]
    return "\n".join([f"<!-- record {json.dumps(record, sort_keys=True)} -->", "", *lines])


def _cell(key: str, figures: Record) -> str:
    value = figures[key]
    if key.endswith("_ms"):
        return f"{value:.0f} ms"
    return f"{value:.3f}" if key in {"micro_f1", "macro_f1", "calibration_error"} else f"{value * 100:.1f} %"


def _of_label(figures: Record | None) -> str:
    if figures is None:
        return "- | - | -"
    return f"{figures['precision'] * 100:.1f} % | {figures['recall'] * 100:.1f} % | {figures['f1']:.3f}"


def record_in(text: str) -> Record:
    """What the page says was measured."""
    found = _RECORD.search(text)
    assert found is not None
    record: Record = json.loads(found[1])
    return record


def with_table(text: str, record: Record) -> str:
    """The page with the table of a record."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table(record)}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text("utf-8"), asyncio.run(measured())), "utf-8")
