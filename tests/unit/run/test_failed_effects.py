"""What a visit changed that failed: taken back before its next attempt, and before the run goes on without it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import engine
from engine import events as ev
from engine.config import EngineConfig
from engine.errors import ErrorClass
from engine.graph.spec import GraphSpec
from engine.models.protocol import ChatRequest
from engine.run.state import RunState, apply
from tests.approvers import Person, yes
from tests.graphs import Node, chain, make_graph, node
from tests.interruption import Snapshots
from tests.running import Ran, run_in
from tests.scripted_backend import ScriptedBackend, Step, call, fault, system_of, tool_model

INPUTS = {"path": "log.txt", "mode": "append", "one": "one\n"}
WRITE = node("w", "tool", tool_id="file_write", input_mapping={"path": "data.path", "content": "data.one",
                                                               "mode": "data.mode"})  # fmt: skip
TWICE = {**WRITE, "id": "w2"}
BOTH = "one\n" * 2
ONCE: dict[str, Any] = {"attempts": 1, "base_delay_ms": 1}
AGAIN: dict[str, Any] = {"attempts": 2, "base_delay_ms": 1}
BAD = node("m", "model", system_prompt="bad", retry=ONCE)
OTHER = node("other", "model", system_prompt="other")
INSIDE = chain(WRITE, TWICE, BAD, id="graph.inside").model_dump(mode="json")
GIVEN = {name: f"data.{name}" for name in INPUTS}
SUB = {"graph_id": "inside", "input_mapping": GIVEN}


def shapes(**config: Any) -> dict[str, tuple[list[Node], dict[str, Any]]]:
    """Nodes `x` that append a line and then ask the bad model, with the nodes and graphs that they need."""
    return {
        "a loop": (
            [node("x", "loop", body=["w", "w2", "m"], max_iterations=1, **config), WRITE, TWICE, BAD],
            {},
        ),
        "a sub-graph": ([node("x", "subgraph", **SUB, **config)], {"inside": INSIDE}),
        "a loop around a sub-graph": (
            [node("x", "loop", body=["sub"], max_iterations=1, **config), node("sub", "subgraph", **SUB)],
            {"inside": INSIDE},
        ),
        "an agent": (
            [node("x", "agent", system_prompt="bad", tool_ids=["file_write"], retry=ONCE)],
            {},
        ),
    }


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


def content(workspace: Path) -> str | None:
    file = workspace / "log.txt"
    return file.read_text() if file.exists() else None


class Models:
    """Models that fail when they are told to, and note what was in the file when the other one was asked."""

    def __init__(self, workspace: Path, scripted: ScriptedBackend) -> None:
        self.failures = 10**9
        self.seen: list[str | None] = []
        self._workspace = workspace
        scripted.script = self._script
        scripted.installed = [tool_model()]

    def _script(self, request: ChatRequest) -> Sequence[Step]:
        if not system_of(request).startswith("bad"):
            self.seen.append(content(self._workspace))
            return ["fine"]
        if request.tools and not any(each.role == "tool" for each in request.messages):
            return [call("file_write", path="log.txt", content="one\n", mode="append")]
        self.failures -= 1
        return [fault(ErrorClass.SERVER)] if self.failures >= 0 else ["good"]


@pytest.fixture
def models(workspace: Path, scripted: ScriptedBackend) -> Models:
    return Models(workspace, scripted)


async def ask(graph: GraphSpec, workspace: Path) -> Ran:
    async with engine.open(workspace.parent / "data", config=EngineConfig(workspace=workspace)) as eng:
        return await run_in(eng, graph, inputs=INPUTS, approver=Person(yes))


def with_edge(shape: str, **config: Any) -> GraphSpec:
    """x -> exit, or after a failure -> other -> exit."""
    nodes, graphs = shapes(**config)[shape]
    return make_graph(
        [node("start", "entry"), *nodes, OTHER, node("end", "exit")],
        [("start", "x"), ("x", "end"), ("x", "other", 'status == "failed"'), ("other", "end")],
        graphs=graphs,
    )


@pytest.mark.parametrize("shape", shapes())
async def test_it_is_taken_back_before_an_edge_takes_the_failure_up(
    shape: str, workspace: Path, models: Models
) -> None:
    ran = await ask(with_edge(shape), workspace)
    assert (ran.result.status, ran.result.text) == ("committed", "fine")
    assert (models.seen, content(workspace)) == ([None], None)
    after = [event.body for event in ran.events[ran.kinds.index("compensated") :]]
    assert [body.target for body in after if isinstance(body, ev.EdgeTaken)] == ["other", "end"]


async def test_what_others_changed_stays(workspace: Path, models: Models) -> None:
    nodes, _ = shapes()["a loop"]
    before = {**WRITE, "id": "before"}
    graph = make_graph(
        [node("start", "entry"), before, *nodes, OTHER, node("end", "exit")],
        [("start", "before"), ("before", "x"), ("x", "end"), ("x", "other", 'status == "failed"'), ("other", "end")],
    )
    await ask(graph, workspace)
    assert content(workspace) == "one\n"


@pytest.mark.parametrize("mode", ["skip_failed", "fallback"])
async def test_it_is_taken_back_before_the_graph_s_degradation_goes_on(
    mode: str, workspace: Path, models: Models
) -> None:
    nodes, _ = shapes()["a loop"]
    more: dict[str, Any] = {"fallback_node": "other"} if mode == "fallback" else {}
    links = [("start", "x"), ("x", "other"), ("other", "end")]
    graph = make_graph([node("start", "entry"), *nodes, OTHER, node("end", "exit")], links, degradation=mode, **more)
    ran = await ask(graph, workspace)
    assert (ran.result.status, models.seen, content(workspace)) == ("committed", [None], None)


async def test_it_is_taken_back_when_a_branch_ends_with_it(workspace: Path, models: Models) -> None:
    nodes, _ = shapes()["a loop"]
    graph = make_graph(
        [
            *(node("start", "entry"), node("fan", "fanout", targets=["x", "two"])),
            *(*nodes, node("two", "transform", operation="upper")),
            *(node("all", "join", on_dead="degrade"), OTHER, node("end", "exit")),
        ],
        [("start", "fan"), ("x", "all"), ("two", "all"), ("all", "other"), ("other", "end")],
    )
    ran = await ask(graph, workspace)
    assert (ran.result.status, models.seen, content(workspace)) == ("committed", [None], None)


async def test_without_such_an_edge_the_whole_run_goes_back_in_order(workspace: Path, models: Models) -> None:
    nodes, _ = shapes()["a loop"]
    graph = make_graph([node("start", "entry"), *nodes, node("end", "exit")], [("start", "x"), ("x", "end")])
    ran = await ask(graph, workspace)
    assert (ran.result.status, content(workspace)) == ("rolled_back", None)
    assert ran.kinds.index("rolling_back") < ran.kinds.index("compensating")


async def test_a_loop_that_goes_on_takes_its_failed_iteration_back(workspace: Path, models: Models) -> None:
    models.failures = 1
    loop = node("x", "loop", body=["w", "m"], mode="until_success", max_iterations=3)
    graph = make_graph([node("start", "entry"), loop, WRITE, BAD, node("end", "exit")], [("start", "x"), ("x", "end")])
    ran = await ask(graph, workspace)
    assert (ran.result.status, content(workspace)) == ("committed", "one\n")
    assert [body.path for body in ran.all(ev.Compensated)] == ["x#1/w"]


@pytest.mark.parametrize("on_timeout", ["skip", "fallback"])
async def test_a_timeout_that_goes_on_takes_back_what_was_too_slow(
    on_timeout: str, workspace: Path, scripted: ScriptedBackend
) -> None:
    seen: list[str | None] = []

    def script(request: ChatRequest) -> Sequence[Step]:
        if system_of(request).startswith("bad"):
            return [asyncio.Event()]
        seen.append(content(workspace))
        return ["fine"]

    scripted.script = script
    more = {"fallback_node": "other"} if on_timeout == "fallback" else {}
    outside = [] if on_timeout == "fallback" else [OTHER]
    graph = make_graph(
        [
            node("start", "entry"),
            node("x", "timeout", inner_node="sub", timeout_ms=300, on_timeout=on_timeout, **more),
            node("sub", "subgraph", **SUB),
            *([OTHER] if on_timeout == "fallback" else outside),
            node("end", "exit"),
        ],
        [("start", "x"), ("x", "end")] if on_timeout == "fallback" else [("start", "x"), ("x", "other"),
                                                                         ("other", "end")],
        graphs={"inside": INSIDE},
    )  # fmt: skip
    ran = await ask(graph, workspace)
    assert (ran.result.status, seen, content(workspace)) == ("committed", [None], None)


# -- attempts ----------------------------------------------------------------------------------------------------------

RETRIED = ["a loop", "a sub-graph", "a loop around a sub-graph"]


@pytest.mark.parametrize("shape", RETRIED)
async def test_it_is_taken_back_before_the_next_attempt(shape: str, workspace: Path, models: Models) -> None:
    models.failures = 1
    ran = await ask(with_edge(shape, retry=AGAIN), workspace)
    assert (ran.result.status, content(workspace)) == ("committed", BOTH)
    kinds = [kind for kind in ran.kinds if kind in ("effect_intended", "compensated")]
    assert kinds == ["effect_intended"] * 2 + ["compensated"] * 2 + ["effect_intended"] * 2
    started = [body.attempt for body in ran.all(ev.NodeStarted) if body.path == "x"]
    assert started == [1, 2]


async def test_there_is_no_next_attempt_where_it_cannot_be_taken_back(
    workspace: Path, scripted: ScriptedBackend, models: Models
) -> None:
    interfering = scripted.script

    def script(request: ChatRequest) -> Sequence[Step]:
        (workspace / "log.txt").write_text("mine now\n")
        return interfering(request)

    scripted.script = script
    nodes, _ = shapes(retry=AGAIN)["a loop"]
    graph = make_graph([node("start", "entry"), *nodes, node("end", "exit")], [("start", "x"), ("x", "end")])
    ran = await ask(graph, workspace)
    assert ran.result.error is not None
    assert (ran.result.error.code, content(workspace)) == ("not_taken_back", "mine now\n")
    assert len(ran.all(ev.EffectIntended)) == 2


async def test_a_sub_graph_begins_anew_when_it_is_interrupted_while_it_is_taken_back(
    workspace: Path, models: Models
) -> None:
    ran = await ask(with_edge("a sub-graph"), workspace)
    state, stale = RunState(), []
    for event in ran.events:
        apply(state, event)
        if isinstance(event.body, ev.OpFinished | ev.Compensating):
            stale.append(state.frames["x#1/"].stale)
    assert stale == [False, False, True, True]


@pytest.mark.parametrize("mended", [False, True])
@pytest.mark.parametrize("shape", shapes())
async def test_after_an_interruption_anywhere_what_stands_is_that_of_a_visit_that_succeeded(
    shape: str, mended: bool, workspace: Path, tmp_path: Path, models: Models
) -> None:
    made = "one\n" if shape == "an agent" else BOTH
    models.failures = 10**9 if shape == "an agent" or not mended else 1
    taken = Snapshots(workspace, tmp_path / "snapshots")
    with taken.log.watching():
        assert (await ask(with_edge(shape, retry=AGAIN), workspace)).result.status == "committed"
    first = next(n for n, event in enumerate(taken.log.events, 1) if isinstance(event.body, ev.EffectIntended))
    for cut in taken.log.cuts[taken.log.cuts.index(first) :]:
        # what follows an event in the world may have happened although its own event is lost
        for world in (cut, cut + 1) if taken.changed(cut) else (cut,):
            await taken.restore(cut, world)
            models.failures = 0 if mended else 10**9
            where = f"after {taken.log.events[cut - 1].kind} ({cut}), world {world}"
            async with engine.open(taken.data, config=EngineConfig(workspace=workspace), approver=Person(yes)) as eng:
                for run in eng.resumed:
                    result = await run.result()
                    assert (result.status, result.error) == ("committed", None), where
                    ends = [e.body for e in await eng.events(run.transaction) if isinstance(e.body, ev.NodeFinished)]
                    worked = any(body.path == "x" and body.outcome == "ok" for body in ends)
                    assert content(workspace) == (made if worked else None), where
