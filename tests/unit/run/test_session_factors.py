"""What a run learnt about how its model counts tokens, the next run of its session begins with."""

from __future__ import annotations

from pathlib import Path

import pytest

import engine
from engine import events as ev
from engine.events import decode, encode
from engine.models.protocol import ChatRequest, Chunk, Done
from engine.models.tokens import prompt_tokens
from tests.graphs import one_model
from tests.running import run_in
from tests.scripted_backend import ScriptedBackend, Step, fault, model

GRAPH = one_model(max_tokens=100)


@pytest.fixture
def dense(scripted: ScriptedBackend) -> ScriptedBackend:
    """A server whose model needs twice the tokens that are estimated, and that refuses what does not fit."""
    scripted.installed = [model(window=1000)]
    scripted.script = _dense
    return scripted


def _dense(request: ChatRequest) -> list[Step]:
    counted = prompt_tokens(request) * 2
    assert counted + request.max_tokens <= request.window, "a request that overflows was sent"
    return ["ok", Chunk(done=Done("stop", counted, 1))]


async def test_no_request_of_a_conversation_in_dense_text_overflows(dense: ScriptedBackend, tmp_path: Path) -> None:
    async with engine.open(tmp_path) as eng:
        session = (await eng.create_session()).id
        begins = []
        for turn in range(12):
            ran = await run_in(eng, GRAPH, f"{turn} " * 80, session=session)
            assert ran.result.status == "committed", ran.result.error
            begins += ran.all(ev.Begin)
    assert begins[0].factors == {}
    assert all(body.factors["small"] == pytest.approx(2, rel=0.05) for body in begins[1:])
    assert decode("begin", 1, encode(begins[-1])) == begins[-1]
    assert len(dense.requests) == 12


async def test_a_run_that_was_rolled_back_teaches_the_next_one_nothing(dense: ScriptedBackend, tmp_path: Path) -> None:
    async with engine.open(tmp_path) as eng:
        session = (await eng.create_session()).id
        dense.answers([fault()])
        assert (await run_in(eng, GRAPH, "Why?", session=session)).result.status == "rolled_back"
        dense.script = _dense
        ran = await run_in(eng, GRAPH, "Why?", session=session)
        assert ran.all(ev.Begin)[0].factors == {}
        dense.answers(["Answer.", Chunk(done=Done("stop", 10, 1))])
        assert (await run_in(eng, one_model(), "Why?", session=session)).all(ev.Begin)[0].factors == {"small": 2.0}
        again = await run_in(eng, GRAPH, "Why?", session=session)
        assert again.all(ev.Begin)[0].factors == {"small": 1.0}, "it is never begun below the estimate"
