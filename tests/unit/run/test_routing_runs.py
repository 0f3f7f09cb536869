"""Whole runs through a router with embeddings: corrected, interrupted, with one route, and with those of Ollama."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

import engine
from engine import events as ev
from engine.config import EngineConfig
from engine.graph.spec import GraphSpec
from engine.run.engine import Engine
from tests.doubles.fake_ollama import FakeOllama
from tests.graphs import make_graph, node
from tests.interruption import Watched, leave
from tests.routing_graph import BIRDS, STONES, birds_or_stones
from tests.running import Ran, run_in
from tests.scripted_backend import ScriptedBackend, model

GRAPH = birds_or_stones()
QUESTION = "Is flint a stone that cranes eat?"


class Embedding(ScriptedBackend):
    """A backend that also makes embeddings: how often each letter occurs."""

    def __init__(self) -> None:
        super().__init__(models=[model(capabilities=frozenset({"chat", "embed"}))])
        self.embedded: list[str] = []

    async def embed(self, model: str, texts: Sequence[str]) -> list[list[float]]:
        self.embedded += texts
        return [[float(text.casefold().count(letter)) for letter in "abcdefghiklmnoprstuwy"] for text in texts]


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Embedding:
    found = Embedding()
    found.install(monkeypatch)
    return found


def decision(ran: Ran) -> ev.RouteDecided:
    (decided,) = ran.all(ev.RouteDecided)
    return decided


def is_by_embedding(decided: ev.RouteDecided) -> bool:
    """Whether the scores are those of embeddings, be they clear enough or not."""
    return bool(decided.scores) and decided.note == ""


async def by_embedding(ask: Callable[[], Awaitable[Ran]]) -> Ran:
    """Ask until the embeddings of the utterances are there."""
    for _ in range(500):
        ran = await ask()
        if is_by_embedding(decision(ran)):
            return ran
    raise AssertionError(decision(ran).note)


async def ready(eng: Engine) -> Ran:
    return await by_embedding(lambda: run_in(eng, GRAPH, QUESTION))


async def test_a_question_that_went_wrong_and_was_corrected_goes_right_and_those_like_it_with_it(
    backend: Embedding, tmp_path: Path
) -> None:
    async with engine.open(tmp_path) as eng:
        before = await ready(eng)
        wrong = decision(before).route
        right = next(name for name in ("birds", "stones") if name != wrong)
        assert before.result.text == wrong
        alike = f"{QUESTION} And now?"
        scored = decision(await run_in(eng, GRAPH, alike)).scores
        await eng.teach(GRAPH, QUESTION, [right], transaction=before.result.transaction)
        embedded = len(backend.embedded)
        after = await run_in(eng, GRAPH, QUESTION)
        assert (decision(after).stage, after.result.text) == ("correction", right)
        then = decision(await run_in(eng, GRAPH, alike))
        assert is_by_embedding(then)
        assert then.nearest[0][0] == QUESTION
        assert then.scores[right] > scored[right]
        assert len(backend.embedded) == embedded, "what was asked before has its embedding"


async def test_a_run_that_goes_on_after_its_decision_was_recorded_makes_no_embedding_again(
    backend: Embedding, tmp_path: Path
) -> None:
    watched = Watched()
    async with engine.open(tmp_path / "whole") as eng:
        await ready(eng)
        with watched.watching():
            whole = await run_in(eng, GRAPH, "How do the robins nest?")
    recorded = next(n for n in watched.cuts if isinstance(watched.events[n - 1].body, ev.OpFinished))
    for cut in (recorded - 1, recorded):
        await leave(watched.events[:cut], tmp_path / f"{cut}")
        backend.embedded.clear()
        async with engine.open(tmp_path / f"{cut}") as eng:
            (run,) = eng.resumed
            result = await run.result()
            (decided,) = [
                each.body for each in await eng.events(run.transaction) if isinstance(each.body, ev.RouteDecided)
            ]
        assert result.status == "committed"
        assert bool(backend.embedded) == (cut < recorded)
        if cut == recorded:
            before = decision(whole)
            assert replace(decided, stages=()) == replace(before, stages=())
            assert decided.stages[-1] == before.stages[-1], "its time was recorded too"
            assert result.text == whole.result.text


@pytest.mark.parametrize("utterances", [[], list(BIRDS)])
@pytest.mark.parametrize("question", ["Which owl hunts?", "🦆", "x" * 10_000])
async def test_a_router_with_one_route_takes_it_and_says_that_nothing_was_learnt(
    backend: Embedding, utterances: list[str], question: str
) -> None:
    graph = one_route(utterances)
    async with engine.open() as eng:
        ran = await run_in(eng, graph, question)
    assert (ran.result.text, decision(ran).stage, decision(ran).route) == ("birds", "default", "birds")
    assert decision(ran).reason == ("fewer than two routes have utterances" if utterances else "no stage found a label")
    assert backend.embedded == []


def one_route(utterances: list[str]) -> GraphSpec:
    routes = [{"name": "birds", "target": "birds", "utterances": utterances}]
    return make_graph(
        [
            node("start", "entry"),
            node("router", "router", routes=routes, default_route="birds"),
            node("birds", "transform", operation="template", template="birds"),
            node("end", "exit"),
        ],
        [("start", "router"), ("router", "birds"), ("birds", "end")],
    )


async def test_an_embedding_model_of_ollama_is_the_source_where_one_is_installed(tmp_path: Path) -> None:
    with FakeOllama(["qwen2.5:0.5b", "nomic-embed-text"]) as server:
        config = EngineConfig(backend="ollama", ollama_host=server.address)
        for start in range(2):
            server.requests.clear()
            async with engine.open(tmp_path, config=config) as eng:
                asked = STONES[1]
                ran = await by_embedding(lambda: run_in(eng, GRAPH, asked))  # noqa: B023 - used at once
            assert decision(ran).nearest[0] == (asked, pytest.approx(1.0, abs=1e-4), "stones")
            assert decision(ran).note == ""
            sent = [request.body for request in server.requests if request.path == "/api/embed"]
            texts = [text for body in sent for text in body["input"]]
            assert {body["model"] for body in sent} == ({"nomic-embed-text:latest"} if start == 0 else set())
            assert texts.count(BIRDS[0]) == (start == 0), "they are kept for the next start"
            assert not [request for request in server.requests if request.path == "/api/chat"]
