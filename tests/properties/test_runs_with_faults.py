"""Every run ends as the table of outcomes says, whatever fails in it and wherever.

| how a run ends | transaction | enters the session |
|---|---|---|
| exit `success` | committed | yes |
| exit `fallback` | committed | yes |
| exit `error`, gate out of retries, unhandled failure, deadline, budget, cancel | rolled back | no |
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

import engine
from engine import events as ev
from engine.config import BreakerConfig, EngineConfig, RetryConfig
from engine.errors import ErrorClass
from engine.models.protocol import ChatRequest
from engine.run.run import Run
from tests.properties.generated import INPUTS, QUESTION, Again, Built, build, sequences
from tests.properties.generated import Sequence as Parts
from tests.properties.generated import Step as Node
from tests.properties.test_runs_without_faults import answer
from tests.running import Ran
from tests.scripted_backend import ScriptedBackend, Step, fault, system_of

EXAMPLES = settings(max_examples=30)
HANG = "<hang>"
"""Stands for an event that never comes."""
FAULTS = [ErrorClass.INVALID_REQUEST, ErrorClass.AUTH, ErrorClass.PROTOCOL, ErrorClass.OVERLOADED]

with_models = st.tuples(sequences, st.sampled_from(["echo", "mute"])).map(lambda drawn: (*drawn[0], Node(drawn[1])))
"""Sequences with a model at their end that is visited in every run."""


def config(**changed: Any) -> EngineConfig:
    calm = BreakerConfig(failure_threshold=1000)
    return EngineConfig(max_steps=5000, breaker=calm, retry=RetryConfig(base_s=0), **changed)


async def run(
    built: Built,
    backend: ScriptedBackend,
    faults: dict[str, list[Step]],
    settings: EngineConfig,
    act: Callable[[Run], None] | None = None,
) -> Ran:
    """Run a graph in a session, with what some of its models do instead of answering; checks what holds of every run.

    Args:
        built: the graph.
        backend: its models.
        faults: model node -> the steps of its script.
        settings: of the engine.
        act: done when a model hangs.
    """

    def script(request: ChatRequest) -> list[Step]:
        steps = faults.get(system_of(request).split()[1])
        return answer(request) if steps is None else [asyncio.Event() if step == HANG else step for step in steps]

    backend.script = script
    backend.busy.clear()
    async with engine.open(config=settings) as eng:
        session = (await eng.create_session("mine")).id
        started = eng.start(built.graph, QUESTION, session=session, inputs=INPUTS)
        if act is not None:
            hangs, ended = asyncio.create_task(backend.busy.wait()), asyncio.create_task(started.result())
            await asyncio.wait({hangs, ended}, return_when=asyncio.FIRST_COMPLETED)
            hangs.cancel()
            act(started)
        events = [event async for event in started.events()]
        ran = Ran(await started.result(), events)
        messages = [(role, content) for role, content, _ in await eng.session_messages(session)]
    assert [event.seq for event in events if event.tx] == list(range(1, 1 + sum(1 for e in events if e.tx)))
    assert isinstance(events[-1].body, ev.TERMINAL)
    assert sum(isinstance(event.body, ev.TERMINAL) for event in events) == 1
    assert ran.view.finished
    assert ran.view.status == ran.result.status
    assert backend.open_streams == 0
    committed = ran.result.status == "committed"
    assert messages == ([("user", QUESTION), ("assistant", ran.result.text)] if committed else [])
    assert ("rolling_back" in ran.kinds) == (not committed)
    return ran


@EXAMPLES
@given(parts=sequences, status=st.sampled_from(["success", "fallback", "error"]))
async def test_the_exit_decides(parts: Parts, status: str, scripted: ScriptedBackend) -> None:
    result = (await run(build(parts, status), scripted, {}, config())).result
    expected = ("rolled_back", status, "exit_error") if status == "error" else ("committed", status, "")
    assert (result.status, result.exit, result.reason) == expected


@EXAMPLES
@given(parts=sequences, retries=st.integers(0, 2))
async def test_a_gate_out_of_retries_rolls_back(parts: Parts, retries: int, scripted: ScriptedBackend) -> None:
    built = build((*parts, Again((Node("strip"),), times=99)))
    gate = next(node for node in reversed(built.graph.nodes) if node.type == "gate")
    fewer = gate.config.model_copy(update={"max_retries": retries})
    nodes = [node.model_copy(update={"config": fewer}) if node is gate else node for node in built.graph.nodes]
    graph = built.graph.model_copy(update={"nodes": nodes})
    ran = await run(Built(graph, built.nodes, built.models), scripted, {}, config())
    assert (ran.result.status, ran.result.reason) == ("rolled_back", "gate_exhausted")
    assert sum(body.by == gate.id for body in ran.all(ev.Rewound)) == retries


@settings(max_examples=80)
@given(parts=with_models, data=st.data())
async def test_a_model_that_fails_rolls_back_unless_a_join_can_do_without_its_branch(
    parts: Parts, data: st.DataObject, scripted: ScriptedBackend
) -> None:
    built = build(parts)
    possible = [name for name, expected in built.nodes.items() if is_model(name) and expected.survived is not None]
    name = data.draw(st.sampled_from(possible))
    steps: list[Step] = data.draw(st.sampled_from([[], ["partial "]]))
    broken = fault(data.draw(st.sampled_from(FAULTS)))
    ran = await run(built, scripted, {name: [*steps, broken]}, config())
    expected = built.nodes[name]
    if expected.survived or not expected.sure:  # one that is not sure to be visited is on a way that is not taken
        assert (ran.result.status, ran.result.exit) == ("committed", "success")
    else:
        assert (ran.result.status, ran.result.reason) == ("rolled_back", "failed")
        assert ran.result.error is not None
        assert ran.result.error.code in ("scripted", "join_unsatisfied")


def is_model(name: str) -> bool:
    return name.startswith(("echo", "mute"))


@EXAMPLES
@given(parts=with_models, mode=st.sampled_from(["skip_failed", "fallback"]))
async def test_a_graph_that_degrades_commits_as_a_fallback(parts: Parts, mode: str, scripted: ScriptedBackend) -> None:
    built = build(parts)
    name = built.models[-1]
    exits = [node.id for node in built.graph.nodes if node.type == "exit"]
    fields = {"degradation": mode, "fallback_node": exits[-1] if mode == "fallback" else None}
    graph = built.graph.model_copy(update=fields)
    ran = await run(Built(graph, built.nodes, built.models), scripted, {name: [fault()]}, config())
    assert (ran.result.status, ran.result.exit, ran.result.error) == ("committed", "fallback", None)


@settings(max_examples=12)  # each takes as long as its deadline
@given(parts=with_models, data=st.data())
async def test_the_deadline_rolls_back(parts: Parts, data: st.DataObject, scripted: ScriptedBackend) -> None:
    built = build(parts)
    name = data.draw(st.sampled_from(hanging(built)))
    ran = await run(built, scripted, {name: ["partial ", HANG]}, config(run_timeout_s=0.3))
    assert (ran.result.status, ran.result.reason) == ("rolled_back", "deadline")


@EXAMPLES
@given(parts=with_models, data=st.data())
async def test_a_cancelled_run_rolls_back(parts: Parts, data: st.DataObject, scripted: ScriptedBackend) -> None:
    built = build(parts)
    name = data.draw(st.sampled_from(hanging(built)))
    ran = await run(built, scripted, {name: ["partial ", HANG]}, config(), Run.cancel)
    assert (ran.result.status, ran.result.reason) == ("rolled_back", "cancelled")


def hanging(built: Built) -> list[str]:
    """Models without which no run can come to its end."""
    return [name for name in built.models if built.nodes[name].survived is False]


@EXAMPLES
@given(parts=sequences, data=st.data())
async def test_a_budget_that_is_too_small_rolls_back(
    parts: Parts, data: st.DataObject, scripted: ScriptedBackend
) -> None:
    built = build(parts)
    sure = sum(expected.sure for expected in built.nodes.values())
    allowed = data.draw(st.integers(1, sure - 1))
    settings = config().model_copy(update={"max_steps": allowed})
    ran = await run(built, scripted, {}, settings)
    assert (ran.result.status, ran.result.reason) == ("rolled_back", "budget")
    assert ran.result.error is not None
    assert ran.result.error.code == "max_steps"
    assert len(ran.visited()) <= allowed
