"""The work of the soak test: a graph of 20 nodes with effects, and how its runs are begun, watched and cancelled."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from engine import events as ev
from engine.graph.spec import GraphSpec
from engine.run.engine import Engine
from engine.run.result import Result
from engine.run.run import Run
from engine.tools.policy import Approval, ApprovalRequest
from tests.approvers import yes
from tests.faults.soak_server import MODELS
from tests.graphs import Node, make_graph, node

CALL_MS = 8000
"""Time limit of a node that asks a model: what hangs holds its slot for so long at most."""
CANCELLED = 0.03
"""Share of the runs that the person cancels at some event."""
QUESTIONS = 60
"""Different questions: the same one asked by several runs at once is answered once."""
SCHEMA = {
    "type": "object",
    "properties": {"verdict": {"enum": ["good", "bad"]}, "n": {"type": "integer"}},
    "required": ["verdict", "n"],
}
"""Of the draft, on which the gate decides."""


def model(name: str, **config: object) -> Node:
    return node(name, "model", **{"model": MODELS[0], "system_prompt": name, "timeout_ms": CALL_MS} | config)


def write(name: str, field: str) -> Node:
    """A node that writes a new file: what a rewind or a rollback left of it would be seen."""
    mapping = {"path": f"data.{field}", "content": "content"}
    return node(name, "tool", tool_id="file_write", input_mapping=mapping)


def work() -> GraphSpec:
    """Router, three routes, three branches with tools, a join, a draft that a gate sends back, and two exits."""
    routes = [{"name": name, "target": name} for name in ("facts", "sums", "tale")]
    conditions = [
        {"expression": 'data.json.verdict == "good"', "target": "polish"},
        {"expression": "retries < max_retries", "target": "draft"},
    ]
    nodes = [
        node("start", "entry"),
        node("router", "router", model=MODELS[1], method="model", routes=routes, timeout_ms=CALL_MS),
        model("facts", cache=True, fallback_models=[MODELS[1]]),
        node("sums", "tool", tool_id="calculator", input_mapping={"expression": "data.sum"}, output_field="sum_is"),
        model("tale", temperature=0.8),
        node("fan", "fanout", targets=["one", "two", "three"]),
        *(model("one"), write("write_one", "a")),
        *(model("two", fallback_models=[MODELS[1]]), node("calc", "tool", tool_id="calculator",
                                                          input_mapping={"expression": "data.sum"})),
        *(model("three", model=MODELS[1], retry={"attempts": 2}), node("trim", "transform", operation="strip")),
        node("merge", "join", on_dead="degrade"),
        model("draft", temperature=0.8, fallback_models=[MODELS[1]], output_schema=SCHEMA),
        *(node("read", "transform", operation="json_parse"), write("write_draft", "b")),
        node("check", "gate", conditions=conditions, default_target="best_effort", max_retries=2),
        model("polish", fallback_models=[MODELS[1]]),
        node("answer", "exit"),
        node("best_effort", "exit", status="fallback"),
    ]  # fmt: skip
    edges = [
        *(("start", "router"), *((route["target"], "fan") for route in routes)),
        *(("one", "write_one"), ("two", "calc"), ("three", "trim")),
        *((each, "merge") for each in ("write_one", "calc", "trim")),
        *(("merge", "draft"), ("draft", "read"), ("read", "write_draft"), ("write_draft", "check")),
        *(("check", "polish"), ("check", "draft"), ("check", "best_effort"), ("polish", "answer")),
    ]
    return make_graph(nodes, edges, id="graph.soak")


class Yes:
    """A person who says yes, and remembers nothing: memory is measured here."""

    async def ask(self, request: ApprovalRequest) -> Approval:
        return yes(request)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended, and what of it is wrong."""

    end: str
    """`success`, `fallback`, or why it was rolled back."""
    problems: list[str]


async def one_run(eng: Engine, graph: GraphSpec, workspace: Path, number: int, dice: random.Random) -> Ended:
    """Make one run, and compare its end with its events and with the files it wrote."""
    question = f"Was ist Frage {dice.randrange(QUESTIONS)}?"
    files = {"a": f"{number}-a.txt", "b": f"{number}-b.txt"}
    run = eng.start(
        graph,
        question,
        inputs={**files, "sum": f"{number} + 1"},
        approver=Yes(),
        priority=dice.choice(["interactive", "graph", "graph", "evaluation"]),
    )
    last = await _watch(run, dice.randrange(1, 60) if dice.random() < CANCELLED else None)
    result = await run.result()
    left = {name for name, file in files.items() if (workspace / file).exists()}
    problems = [f"run {number}: {each}" for each in _wrong(result, last, left)]
    for file in files.values():
        (workspace / file).unlink(missing_ok=True)
    return Ended(result.exit or _why(result), problems)


async def _watch(run: Run, cancel_at: int | None) -> ev.Event:
    """Read all events of a run, cancel it at one of them; the last one."""
    count, last = 0, None
    async for event in run.events():
        count, last = count + 1, event
        if count == cancel_at:
            run.cancel()
    assert last is not None
    return last


def _why(result: Result) -> str:
    if result.cancelled or result.error is None:
        return result.reason
    return f"{result.error.error_class}"


def _wrong(result: Result, last: ev.Event, files: set[str]) -> list[str]:
    wrong = []
    if last.kind != result.status:
        wrong.append(f"its last event is {last.kind}, its status {result.status}")
    if result.status == "committed" and ("b" not in files or not result.text):
        wrong.append(f"it committed {result.text!r} with the files {sorted(files)}")
    if result.status == "rolled_back" and files:
        wrong.append(f"it was rolled back ({_why(result)}) and left the files {sorted(files)}")
    return wrong
