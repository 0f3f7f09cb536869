"""Summaries of what was pruned: made by a model that is large enough, recorded, and never asked for twice."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import engine
from engine import events as ev
from engine.config import ContextConfig, EngineConfig
from engine.errors import EngineError, ErrorClass
from engine.memory.summary import PREFACE
from engine.models.protocol import Chunk, Done
from engine.models.tokens import prompt_tokens
from engine.run import summarising
from engine.view import View, apply, fold
from tests.doubles.fake_ollama import FakeOllama
from tests.graphs import chain, node, one_model
from tests.interruption import Watched, leave
from tests.running import Ran, run_in
from tests.scripted_backend import ScriptedBackend, Step, fault, model, text_of
from tests.summaries import GRAPH, SUMMARY, is_summary, summaries_asked, talked, with_summariser, writes

LAST = "And now?"


async def last_turn(folder: Path, *, config: EngineConfig | None = None) -> Ran:
    """The turn of a session in which messages go."""
    async with engine.open(folder, config=config) as eng:
        ran = await run_in(eng, GRAPH, LAST, session=await talked(eng))
    assert ran.result.status == "committed", ran.result.error
    return ran


def pruning(ran: Ran) -> ev.ContextPruned:
    (pruned,) = ran.all(ev.ContextPruned)
    assert pruned.removed
    return pruned


async def test_a_summary_stands_in_place_of_what_went(tmp_path: Path, scripted: ScriptedBackend) -> None:
    with_summariser(scripted)
    ran = await last_turn(tmp_path)
    pruned = pruning(ran)
    assert pruned.summary is not None
    assert (pruned.summary.model, pruned.summary.text, pruned.summary.problem) == ("large", SUMMARY, "")
    asked, answered = scripted.requests[-2:]
    assert (asked.model, answered.model) == ("large", "small")
    assert "User: question 0?" in text_of(asked), "what went is what is summarised"
    said = text_of(answered)
    assert "question 0?" not in said
    assert said.startswith(f"{PREFACE}\n{SUMMARY}"), "before what is left of the session"
    assert said.endswith(LAST)
    assert ran.all(ev.Begin)[0].summariser == ev.Summariser("large", 4096)


async def test_a_summary_is_counted_and_shown_as_its_own_kind(tmp_path: Path, scripted: ScriptedBackend) -> None:
    with_summariser(scripted)
    ran = await last_turn(tmp_path)
    pruned, measured = pruning(ran), ran.all(ev.ContextMeasured)[0]
    assert pruned.summary is not None
    assert measured.by_kind["summary"] == pytest.approx(pruned.summary.tokens, abs=1)
    assert sum(measured.by_kind.values()) == measured.tokens == pruned.tokens_after
    assert measured.tokens <= 0.8 * (measured.window - measured.reserved), "it sets off no further pruning"
    assert measured.tokens >= prompt_tokens(scripted.requests[-1])
    (prune,) = ran.view.memory["m small"].prunes
    assert prune.summary == pruned.summary
    (line,) = [entry.text for entry in ran.view.timeline if entry.mark == "prune"]
    assert f"summary by large, {pruned.summary.tokens} tokens" in line


@pytest.mark.parametrize("models", [[model(window=700)], [model(window=700), model("tiny", parameters_b=0.9)]])
async def test_without_a_model_that_is_large_enough_nothing_is_asked(
    models: list[engine.models.protocol.ModelInfo], tmp_path: Path, scripted: ScriptedBackend
) -> None:
    with_summariser(scripted)
    scripted.installed = models
    ran = await last_turn(tmp_path)
    assert pruning(ran).summary is None
    assert ran.all(ev.Begin)[0].summariser is None
    assert summaries_asked(scripted) == []


async def test_summaries_are_switched_off(tmp_path: Path, scripted: ScriptedBackend) -> None:
    with_summariser(scripted)
    ran = await last_turn(tmp_path, config=EngineConfig(context=ContextConfig(summaries=False)))
    assert pruning(ran).summary is None
    assert summaries_asked(scripted) == []


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([fault(ErrorClass.CONTEXT_OVERFLOW)], "The scripted server failed"),
        ([" \n"], "empty answer"),
        ([""], "empty answer"),
    ],
)
async def test_a_summary_that_fails_leaves_the_pruning_as_it_is(
    steps: list[Step], said: str, tmp_path: Path, scripted: ScriptedBackend
) -> None:
    with_summariser(scripted)
    scripted.script = writes(steps)
    ran = await last_turn(tmp_path)
    summary = pruning(ran).summary
    assert summary is not None
    assert (summary.text, summary.tokens) == ("", 0)
    assert summary.problem
    assert said in summary.problem
    assert PREFACE not in text_of(scripted.requests[-1])
    (line,) = [entry.text for entry in ran.view.timeline if entry.mark == "prune"]
    assert "no summary by large: " in line


async def test_a_summary_that_takes_too_long_is_done_without(
    tmp_path: Path, scripted: ScriptedBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_summariser(scripted)
    monkeypatch.setattr(summarising, "SUMMARY_S", 0.0)
    scripted.script = writes([asyncio.Event()])
    summary = pruning(await last_turn(tmp_path)).summary
    assert summary is not None
    assert "took longer" in summary.problem
    assert scripted.open_streams == 0


async def test_an_endless_summary_is_cut_to_its_room(tmp_path: Path, scripted: ScriptedBackend) -> None:
    with_summariser(scripted)
    scripted.script = writes(["word " * 5000])
    ran = await last_turn(tmp_path)
    measured = ran.all(ev.ContextMeasured)[0]
    assert measured.tokens <= 0.8 * (measured.window - measured.reserved)
    assert PREFACE in text_of(scripted.requests[-1])


@pytest.mark.parametrize("own_window", [300, 600])
async def test_the_request_for_a_summary_fits_the_summarisers_own_window(
    own_window: int, tmp_path: Path, scripted: ScriptedBackend
) -> None:
    with_summariser(scripted, own_window=own_window)
    ran = await last_turn(tmp_path)
    asked = summaries_asked(scripted)[-1]
    assert asked.window == own_window
    assert prompt_tokens(asked) + asked.max_tokens <= own_window
    summary = pruning(ran).summary
    assert summary is not None
    assert summary.text == SUMMARY


async def test_a_window_that_holds_nothing_is_not_asked(tmp_path: Path, scripted: ScriptedBackend) -> None:
    with_summariser(scripted, own_window=80)
    summary = pruning(await last_turn(tmp_path)).summary
    assert summary is not None
    assert "too small" in summary.problem
    assert summaries_asked(scripted) == []


async def test_a_second_request_of_the_same_has_the_same_summary(tmp_path: Path, scripted: ScriptedBackend) -> None:
    with_summariser(scripted)
    one = {"model": "small", "max_tokens": 100, "input": []}
    graph = chain(node("a", "model", **one), node("b", "model", **one))
    async with engine.open(tmp_path) as eng:
        session = await talked(eng)
        before = len(summaries_asked(scripted))
        uncounted = Chunk(done=Done("stop", None, 1))
        scripted.script = lambda request: [SUMMARY] if is_summary(request) else ["ok", uncounted]
        ran = await run_in(eng, graph, LAST, session=session)
    first, second = ran.all(ev.ContextPruned)
    assert first.summary is not None
    assert first.summary == second.summary
    assert len(summaries_asked(scripted)) == before + 1


async def test_a_fork_has_the_summaries_of_its_parent(tmp_path: Path, scripted: ScriptedBackend) -> None:
    with_summariser(scripted)
    async with engine.open(tmp_path) as eng:
        session = await talked(eng)
        ran = await run_in(eng, GRAPH, LAST, session=session)
        asked = len(summaries_asked(scripted))
        scripted.script = writes(["Another summary."])
        first = await eng.fork(ran.result.transaction, at=1)
        await first.result()
        second = await eng.fork(first.transaction, at=1)
        await second.result()
        told = [
            event.body.summary
            for run in (first, second)
            for event in await eng.events(run.transaction)
            if isinstance(event.body, ev.ContextPruned)
        ]
    assert told == [pruning(ran).summary] * 2
    assert len(summaries_asked(scripted)) == asked


async def test_a_run_that_is_interrupted_anywhere_keeps_its_summary(tmp_path: Path, scripted: ScriptedBackend) -> None:
    with_summariser(scripted)
    watched = Watched()
    async with engine.open(tmp_path / "whole") as eng:
        session = await talked(eng)
        with watched.watching():
            whole = await run_in(eng, GRAPH, LAST, session=session)
    recorded = pruning(whole).summary
    finished = next(i for i, event in enumerate(watched.events) if isinstance(event.body, ev.ModelFinished))
    scripted.script = writes(["Another summary."])
    cuts = [cut for cut in watched.cuts if cut > finished]
    assert len(cuts) >= 3
    for cut in cuts:
        await leave(watched.events[:cut], tmp_path / f"{cut}")
        scripted.requests.clear()
        async with engine.open(tmp_path / f"{cut}") as eng:
            (run,) = eng.resumed
            result = await run.result()
            stored = await eng.events(run.transaction)
        assert (result.status, result.text) == ("committed", whole.result.text)
        assert summaries_asked(scripted) == [], f"after {watched.events[cut - 1]}"
        summaries = [event.body.summary for event in stored if isinstance(event.body, ev.ContextPruned)]
        assert set(summaries) == {recorded}


STEPS: st.SearchStrategy[list[Step]] = st.sampled_from(
    [[SUMMARY], ["w" * 9000], [""], ["  "], ["\0\ud800 odd"], [fault()], [Chunk(done=Done("stop", 50, 0))]]
)


@settings(max_examples=12, deadline=None)
@given(
    turns=st.integers(3, 9),
    window=st.integers(330, 1200),
    own_window=st.integers(60, 2000),
    answer=st.integers(1, 120),
    steps=STEPS,
)
async def test_pruning_with_summaries_is_the_same_live_and_in_replay(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch,
    turns: int, window: int, own_window: int, answer: int, steps: list[Step],
) -> None:  # fmt: skip
    """And no request is larger than its window, whatever the summariser does."""
    scripted = ScriptedBackend()
    scripted.install(monkeypatch)
    with_summariser(scripted, window=window, own_window=own_window)
    summaries = writes(steps)
    scripted.script = lambda request: summaries(request) if is_summary(request) else ["blah " * answer]
    graph, live = one_model(model="small", max_tokens=100), View()
    async with engine.open(tmp_path_factory.mktemp("replay")) as eng:
        session = await talked(eng, turns, graph)
        run = eng.start(graph, LAST, session=session)
        then: list[tuple[int, list[object]]] = []
        async for event in run.events():
            apply(live, event)
            if isinstance(event.body, ev.ContextPruned):
                then.append((event.gseq, [*live.memory[event.body.selection].prunes]))
        await run.result()
        asked = len(scripted.requests)
        stored = await eng.events(run.transaction)
    assert fold(stored) == live
    for gseq, prunes in then:
        again = fold(event for event in stored if event.gseq <= gseq)
        assert [prune for memory in again.memory.values() for prune in memory.prunes] == prunes
    assert len(scripted.requests) == asked, "a replay asks nobody"
    for request in scripted.requests:
        assert prompt_tokens(request) + request.max_tokens <= request.window
    for event in stored:
        if isinstance(event.body, ev.ContextPruned) and event.body.summary is not None:
            assert bool(event.body.summary.text) is not bool(event.body.summary.problem)
            assert math.isfinite(event.body.tokens_after)


@pytest.mark.parametrize(
    ("names", "roles", "found"),
    [
        (["smollm2:135m"], {}, None),
        (["qwen2.5:0.5b", "qwen2.5:3b"], {}, "qwen2.5:3b"),
        (["qwen2.5:1.5b", "qwen2.5-coder:3b"], {}, "qwen2.5:1.5b"),
        (["qwen2.5:3b", "qwen2.5:7b"], {"summariser": "qwen2.5:7b"}, "qwen2.5:7b"),
        (["qwen2.5:3b", "qwen2.5:0.5b"], {"summariser": "qwen2.5:0.5b"}, None),
        (["qwen2.5:3b"], {"summariser": "gone:7b"}, None),
    ],
)
async def test_the_role_comes_to_an_installed_model_that_is_large_enough(
    names: list[str], roles: dict[str, str], found: str | None, tmp_path: Path
) -> None:
    with FakeOllama(names) as server:
        config = EngineConfig(backend="ollama", ollama_host=server.address, roles=roles)
        async with engine.open(tmp_path, config=config) as eng:
            ran = await run_in(eng, one_model(model=names[0]))
    summariser = ran.all(ev.Begin)[0].summariser
    assert (summariser.model if summariser is not None else None) == found
    assert summariser is None or summariser.window == 8192


async def test_a_session_is_summarised_and_the_summary_is_remembered_with_its_source(
    tmp_path: Path, scripted: ScriptedBackend
) -> None:
    with_summariser(scripted)
    async with engine.open(tmp_path) as eng:
        session = await talked(eng, 2)
        row = await eng.summarise_session(session)
        assert (row.kind, row.text, row.session) == ("summary", SUMMARY, session)
        assert row.tx == (await eng.session_history(session))[-1].tx


async def test_a_session_is_not_summarised_without_anything_said_or_a_large_model(
    tmp_path: Path, scripted: ScriptedBackend
) -> None:
    with_summariser(scripted)
    async with engine.open(tmp_path) as eng:
        with pytest.raises(EngineError, match="Nothing was said"):
            await eng.summarise_session((await eng.create_session()).id)
        session = await talked(eng, 1)
        scripted.script = writes(["  "])
        with pytest.raises(EngineError, match="an empty answer"):
            await eng.summarise_session(session)
    scripted.installed = [model("small", window=700, parameters_b=0.5)]
    async with engine.open(tmp_path) as eng:
        with pytest.raises(EngineError, match="at least a billion") as refused:
            await eng.summarise_session(session)
        assert "models use summariser" in refused.value.remedy
        assert await eng.memories() == []
