"""Forks: a new transaction that goes on from a step of another one."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

import engine
from engine import events as ev
from engine.errors import EngineError
from engine.graph.spec import GraphSpec
from engine.run.engine import Engine
from engine.run.fork import make_fork
from engine.run.run import Run
from engine.run.state import RunState, apply
from engine.view import fold
from tests.graphs import chain, gated, make_graph, node
from tests.running import run_in
from tests.scripted_backend import ScriptedBackend, model, text_of

CHAIN = chain(
    node("a", "model", system_prompt="a"),
    node("up", "transform", operation="upper"),
    node("b", "model", system_prompt="b"),
)


def branches() -> GraphSpec:
    return make_graph(
        [
            node("start", "entry"),
            node("fan", "fanout", targets=["a", "b"]),
            node("a", "model", system_prompt="a"),
            node("b", "model", system_prompt="b"),
            node("both", "join", separator="|"),
            node("end", "exit"),
        ],
        [("start", "fan"), ("a", "both"), ("b", "both"), ("both", "end")],
    )


def own(events: list[ev.Event]) -> list[ev.Event]:
    return [event for event in events if event.tx is not None]


def step_after(events: list[ev.Event], kind: type[ev.Body], path: str) -> int:
    """Sequence number of the first such event of a node."""
    return next(e.seq for e in events if isinstance(e.body, kind) and getattr(e.body, "path", "") == path)


async def ended(run: Run) -> tuple[Any, list[ev.Event]]:
    events = [event async for event in run.events()]
    return await run.result(), events


async def parent_in(eng: Engine, graph: GraphSpec, question: str = "why?") -> list[ev.Event]:
    return own((await run_in(eng, graph, question)).events)


async def test_a_fork_goes_on_from_a_step_and_repeats_nothing_before_it(
    tmp_path: Path, scripted: ScriptedBackend
) -> None:
    scripted.answers_by_system(a=["first"], b=["second"])
    async with engine.open(tmp_path) as eng:
        events = await parent_in(eng, CHAIN)
        scripted.requests.clear()
        scripted.answers_by_system(a=["never"], b=["another"])
        run = await eng.fork("#1", at=step_after(events, ev.NodeStarted, "b"))
        result, forked = await ended(run)
        stored = await eng.events(run.transaction)
        assert (await eng.view(events[0].tx or "")).answer == "second", "the parent stays as it is"
    assert (result.status, result.text) == ("committed", "another")
    assert len(scripted.requests) == 1
    assert "FIRST" in text_of(scripted.requests[0])
    view = fold(forked)
    assert view == fold(stored)
    assert view.parent is not None
    assert view.parent[0] == 1
    assert (view.nodes["a"].state, view.nodes["a"].visits[0].output) == ("ok", "first")


async def test_a_fork_needs_nothing_of_its_parent(tmp_path: Path, scripted: ScriptedBackend) -> None:
    async with engine.open(tmp_path) as eng:
        events = await parent_in(eng, CHAIN)
        run = await eng.fork("#1", at=step_after(events, ev.NodeStarted, "b"))
        _, forked = await ended(run)
    state = RunState()
    for event in own(forked):
        apply(state, event)
    assert state.terminal
    assert own(forked)[0].seq == 1


async def test_a_fork_can_ask_another_question(tmp_path: Path, scripted: ScriptedBackend) -> None:
    async with engine.open(tmp_path) as eng:
        await parent_in(eng, CHAIN, "why?")
        scripted.requests.clear()
        result, events = await ended(await eng.fork("1", question="how?"))
    assert result.status == "committed"
    assert text_of(scripted.requests[0]) == "how?"
    assert fold(events).question == "how?"


async def test_a_fork_can_use_another_model(tmp_path: Path, scripted: ScriptedBackend) -> None:
    scripted.installed = [model("small"), model("other", parameters_b=0.4)]
    async with engine.open(tmp_path) as eng:
        await parent_in(eng, CHAIN)
        scripted.requests.clear()
        await ended(await eng.fork("1", at=1, model="other"))
    assert {request.model for request in scripted.requests} == {"other"}


async def test_a_fork_with_another_graph_or_model_begins_at_the_beginning_where_no_step_is_named(
    tmp_path: Path, scripted: ScriptedBackend
) -> None:
    scripted.installed = [model("small"), model("other", parameters_b=0.4)]
    other = chain(node("b", "model", system_prompt="b"))
    async with engine.open(tmp_path) as eng:
        await parent_in(eng, CHAIN)
        for changed, calls in (({"graph": other}, 1), ({"model": "other"}, 2), ({"graph": CHAIN}, 0)):
            scripted.requests.clear()
            _, events = await ended(await eng.fork("1", **changed))  # type: ignore[arg-type]
            parent = fold(events).parent
            assert parent is not None
            assert (parent[1] == 1, len(scripted.requests)) == (calls > 0, calls), changed


async def test_a_fork_with_a_model_that_is_not_there_makes_no_run(tmp_path: Path, scripted: ScriptedBackend) -> None:
    async with engine.open(tmp_path) as eng:
        await parent_in(eng, CHAIN)
        with pytest.raises(EngineError, match="nope"):
            await eng.fork("1", model="nope")
        assert len(await eng.transactions()) == 1


async def test_a_fork_can_use_another_revision_of_the_graph(tmp_path: Path, scripted: ScriptedBackend) -> None:
    scripted.answers_by_system(a=["first"], b=["second"])
    changed = chain(
        node("a", "model", system_prompt="a"),
        node("up", "transform", operation="upper"),
        node("b", "model", system_prompt="better"),
    )
    scripted.answers_by_system(a=["first"], better=["better second"])
    async with engine.open(tmp_path) as eng:
        events = await parent_in(eng, CHAIN)
        result, forked = await ended(await eng.fork("1", at=step_after(events, ev.NodeStarted, "b"), graph=changed))
    assert result.text == "better second"
    assert fold(forked).graph_hash == changed.content_hash()


async def test_a_graph_without_the_nodes_that_are_under_way_does_not_fit(
    tmp_path: Path, scripted: ScriptedBackend
) -> None:
    async with engine.open(tmp_path) as eng:
        events = await parent_in(eng, CHAIN)
        with pytest.raises(EngineError, match="no node `b`"):
            await eng.fork("1", at=step_after(events, ev.NodeStarted, "b"), graph=chain(node("c", "model")))
        assert len(await eng.transactions()) == 1


@pytest.mark.parametrize("at", [0, -1, 10_000])
async def test_a_step_that_there_is_not_is_named(at: int, tmp_path: Path, scripted: ScriptedBackend) -> None:
    async with engine.open(tmp_path) as eng:
        await parent_in(eng, CHAIN)
        with pytest.raises(EngineError, match="no step"):
            await eng.fork("1", at=at)


@pytest.mark.parametrize("graph", [CHAIN, branches(), gated()], ids=["chain", "branches", "retry"])
async def test_a_fork_from_any_step_ends_as_its_parent(
    graph: GraphSpec, tmp_path: Path, scripted: ScriptedBackend
) -> None:
    scripted.script = lambda request: ["good" if "refused" in text_of(request) else f"{len(text_of(request))}"]
    async with engine.open(tmp_path) as eng:
        events = await parent_in(eng, graph)
        text = (await eng.view(events[0].tx or "")).answer
        for at in range(1, len(events) + 1):
            result, _ = await ended(await eng.fork("1", at=at))
            assert (result.status, result.text) == ("committed", text), f"from step {at}: {events[at - 1]}"


async def test_the_state_of_a_fork_is_the_state_that_was(tmp_path: Path, scripted: ScriptedBackend) -> None:
    scripted.script = lambda request: ["good" if "refused" in text_of(request) else "bad"]
    async with engine.open(tmp_path) as eng:
        for graph in (branches(), gated()):
            events = await parent_in(eng, graph)
            for at in range(1, len(events) + 1):
                fork = make_fork(events, 1, at)
                was = RunState()
                for event in events[: fork.seq]:
                    apply(was, event)
                begin = events[0].body
                assert isinstance(begin, ev.Begin)
                restored = apply(RunState(), dataclasses.replace(events[0], body=dataclasses.replace(begin, fork=fork)))
                assert restored.snapshot() == was.snapshot()
                assert restored.messages == was.messages
                assert restored.live == {token: count for token, count in was.live.items() if count}
                assert restored.notes == was.notes


async def test_a_fork_of_a_fork_names_the_fork(tmp_path: Path, scripted: ScriptedBackend) -> None:
    async with engine.open(tmp_path) as eng:
        events = await parent_in(eng, CHAIN)
        await ended(await eng.fork("1", at=step_after(events, ev.NodeStarted, "b")))
        result, forked = await ended(await eng.fork("2"))
    assert result.status == "committed"
    assert fold(forked).parent is not None
    assert (fold(forked).parent or (0, 0))[0] == 2


async def test_a_rolled_back_run_can_be_forked_before_its_failure(tmp_path: Path, scripted: ScriptedBackend) -> None:
    from tests.scripted_backend import fault

    scripted.answers_by_system(a=["first"], b=[fault()])
    async with engine.open(tmp_path) as eng:
        await parent_in(eng, CHAIN)
        scripted.answers_by_system(b=["mended"])
        result, _ = await ended(await eng.fork("1"))
    assert (result.status, result.text) == ("committed", "mended")
