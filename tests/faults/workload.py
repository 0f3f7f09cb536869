"""The work during which processes are killed: runs with branches, loops, sub-graphs, retries, people and effects."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

import engine
from engine import events as ev
from engine.config import Durability, EngineConfig
from engine.graph.spec import GraphSpec
from engine.models.protocol import ChatRequest, Chunk
from engine.run.engine import Engine
from engine.run.run import Run
from tests.approvers import Person, yes
from tests.faults.ledger import LEDGER
from tests.graphs import chain, make_graph, node
from tests.scripted_backend import ScriptedBackend, Step, call, system_of, text_of, tool_model

AT_ONCE = 4
"""Runs at the same time."""
PAUSE_S = 0.004
"""Upper bound of the time that a part of an answer, or a half of an effect, takes."""
LINE = "x\n"


@dataclass(frozen=True)
class Work:
    """A kind of run, and what is left of it when it is committed."""

    graph: GraphSpec
    files: dict[str, str]
    """Input field that names a file -> what is in it."""
    added: int | None
    """Lines in the ledger; None where that depends on who was first."""


def write(name: str, field: str) -> dict[str, Any]:
    """A node that appends a line to a file: doing it twice can be seen."""
    mapping = {"path": f"data.{field}", "content": "data.line", "mode": "data.mode"}
    return node(name, "tool", tool_id="file_write", input_mapping=mapping)


def ledger(name: str) -> dict[str, Any]:
    return node(name, "tool", tool_id="ledger_add", input_mapping={"entry": "data.run"})


def model(name: str, **config: Any) -> dict[str, Any]:
    return node(name, "model", system_prompt=name, **config)


def branches() -> GraphSpec:
    return make_graph(
        [
            node("start", "entry"),
            node("fan", "fanout", targets=["one", "two", "three"]),
            model("one"),
            write("write_one", "a"),
            ledger("two"),
            model("two_more"),
            ledger("three"),
            write("write_three", "b"),
            node("all", "join"),
            write("write_last", "a"),
            node("end", "exit"),
        ],
        [
            *(("start", "fan"), ("one", "write_one"), ("two", "two_more"), ("three", "write_three")),
            *((each, "all") for each in ("write_one", "two_more", "write_three")),
            *(("all", "write_last"), ("write_last", "end")),
        ],
    )


def loop() -> GraphSpec:
    graph = [
        node("start", "entry"),
        node("again", "loop", body=["think", "write", "add"], max_iterations=3),
        *(model("think"), write("write", "a"), ledger("add")),
        node("end", "exit"),
    ]
    return make_graph(graph, [("start", "again"), ("again", "end")])


def retry() -> GraphSpec:
    """A sub-graph whose gate goes back once, over two effects; then its graph has another one."""
    inside = make_graph(
        [
            *(node("start", "entry"), write("write", "a"), ledger("add"), model("judged")),
            node("gate", "gate", conditions=[{"expression": 'content == "good"', "target": "end"}],
                 default_target="write", max_retries=2),
            node("end", "exit"),
        ],
        [("start", "write"), ("write", "add"), ("add", "judged"), ("judged", "gate"), ("gate", "end"),
         ("gate", "write")],
        id="graph.inside",
    )  # fmt: skip
    given = {name: f"data.{name}" for name in ("run", "a", "line", "mode")}
    return make_graph(
        [
            node("start", "entry"),
            node("first", "timeout", inner_node="sub", timeout_ms=60_000),
            node("sub", "subgraph", graph_id="inside", input_mapping=given),
            *(model("last"), node("end", "exit")),
        ],
        [("start", "first"), ("first", "last"), ("last", "end")],
        graphs={"inside": inside.model_dump(mode="json")},
    )


def first_wins() -> GraphSpec:
    return make_graph(
        [
            *(node("start", "entry"), node("fan", "fanout", targets=["one", "two"])),
            *(ledger("one"), model("one_more"), ledger("two"), ledger("two_more")),
            *(node("first", "join", mode="any"), model("last"), node("end", "exit")),
        ],
        [
            *(("start", "fan"), ("one", "one_more"), ("one_more", "first"), ("two", "two_more"), ("two_more", "first")),
            *(("first", "last"), ("last", "end")),
        ],
    )


def works() -> dict[str, Work]:
    """By name; made when they are needed, for they name tools that must be known by then."""
    person = (node("ok", "approval", prompt="Really?"), write("write", "a"), ledger("add"))
    failing = (write("write", "a"), ledger("add"), write("again", "a"), model("last"))
    return {
        "branches": Work(branches(), {"a": LINE * 2, "b": LINE}, 2),
        "loop": Work(loop(), {"a": LINE * 3}, 3),
        "retry": Work(retry(), {"a": LINE}, 1),
        "first wins": Work(first_wins(), {}, None),
        "person": Work(chain(*person, model("last")), {"a": LINE}, 1),
        "tools": Work(chain(model("tools", tools_enabled=True, tool_ids=["file_write"])), {"a": LINE}, 0),
        "failing": Work(chain(*failing, exit_config={"status": "error"}), {}, 0),
    }


def inputs_of(run: str) -> dict[str, str]:
    return {"run": run, "a": f"{run}-a.txt", "b": f"{run}-b.txt", "line": LINE, "mode": "append"}


def script(request: ChatRequest) -> Sequence[Step]:
    """What is answered depends on the request alone, so that it is the same when it is asked again."""
    if system_of(request).startswith("tools") and not any(each.role == "tool" for each in request.messages):
        (run, *_) = reversed(re.findall(r"run-[\d-]+", text_of(request)))
        return [call("file_write", path=f"{run}-a.txt", content=LINE, mode="append")]
    if system_of(request).startswith("judged"):
        return ["go", "od"] if "refused" in text_of(request) else ["no", " way"]
    return ["so ", "it ", "is"]


class SlowBackend(ScriptedBackend):
    """Takes a little time for everything."""

    async def chat(self, request: ChatRequest) -> AsyncIterator[Chunk]:
        async with aclosing(super().chat(request)) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                await asyncio.sleep(LEDGER.dice.uniform(0, PAUSE_S))
                yield chunk


@dataclass(frozen=True)
class Job:
    """The life of one process."""

    folder: Path
    """Holds `data` and `workspace`."""
    name: str
    """Part of the names of its runs."""
    seed: int
    new_runs: int | None
    """How many runs it begins; None: always another one, until it is killed."""
    recovery: Literal["resume", "roll_back"] = "resume"
    durability: Durability = "grouped"


async def live(job: Job, pipe: int) -> None:
    """Open the engine, go on with what was interrupted, begin new runs, and say to the pipe what is told."""
    LEDGER.pipe, LEDGER.dice, LEDGER.pause_s = pipe, random.Random(job.seed), PAUSE_S
    config = EngineConfig(
        workspace=job.folder / "workspace", recovery=job.recovery, durability=job.durability, run_timeout_s=3600
    )
    with pytest.MonkeyPatch.context() as patch:
        SlowBackend(script, [tool_model()]).install(patch)
        async with engine.open(job.folder / "data", config=config, approver=Person(yes)) as eng:
            LEDGER.write(
                "open",
                resumed=[run.transaction for run in eng.resumed],
                rolled_back=[row.tx for row in eng.recovered],
                notices=eng.notices,
            )
            await _all_runs(eng, job)
    LEDGER.write("closed")


async def _all_runs(eng: Engine, job: Job) -> None:
    session = (await eng.create_session(job.name)).id
    kinds, numbers = works(), iter(range(job.new_runs if job.new_runs is not None else 10**9))

    async def one_after_the_other() -> None:
        for number in numbers:
            kind = LEDGER.dice.choice(list(kinds))
            name = f"run-{job.name}-{number}"
            run = eng.start(
                kinds[kind].graph,
                f"{kind} {name}",
                session=session if number % 2 else None,
                inputs=inputs_of(name),
                approver=Person(yes),
            )
            await follow(run)

    async with asyncio.TaskGroup() as group:
        for run in eng.resumed:
            group.create_task(follow(run))
        for _ in range(AT_ONCE):
            group.create_task(one_after_the_other())


async def follow(run: Run) -> None:
    """Say what is said of a run, as soon as it is."""
    async for event in run.events():
        if isinstance(event.body, ev.TERMINAL):
            LEDGER.write("seen", tx=run.transaction, status=event.kind, seq=event.seq, text=event.body.text)
    result = await run.result()
    error = {"error": result.error.code, "remedy": result.error.remedy} if result.error else {}
    LEDGER.write("told", tx=run.transaction, status=result.status, text=result.text, **error)
