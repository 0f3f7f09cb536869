"""In which order a model, its fallbacks and better models are asked."""

from __future__ import annotations

import asyncio

import pytest

from engine.errors import EngineError, ErrorClass
from engine.events import AttemptFailed
from tests.graphs import make_graph, node, one_model
from tests.running import ask
from tests.scripted_backend import ScriptedBackend, fault, model
from tests.unit.caller_rig import Rig, failure, says

MODELS = ("tiny", "big", "huge")


@pytest.fixture
def rig() -> Rig:
    return Rig(attempts=1)


def asked(rig: Rig) -> list[str]:
    return [request.model for request in rig.backend.requests]


async def took(rig: Rig, name: str, *milliseconds: int) -> None:
    for each in milliseconds:
        rig.pool.took(name, each)


async def test_fastest_asks_the_model_with_the_smallest_median_first(rig: Rig) -> None:
    await took(rig, "tiny", 10, 900, 900)
    await took(rig, "big", 300, 300, 5000)
    await took(rig, "huge", 400)
    for name in MODELS:
        rig.script([failure(ErrorClass.SERVER)], model=name)
    with pytest.raises(EngineError):
        await rig.call(fallbacks=["big", "huge"], strategy="fastest")
    assert asked(rig) == ["big", "huge", "tiny"]


async def test_a_model_without_measurements_is_asked_first_so_that_it_has_some(rig: Rig) -> None:
    await took(rig, "tiny", 0)
    rig.script(says("4"), model="huge")
    assert (await rig.call(fallbacks=["huge"], strategy="fastest")).model == "huge"


async def test_only_recent_calls_count(rig: Rig) -> None:
    await took(rig, "tiny", *(9_000 for _ in range(50)), *(10 for _ in range(20)))
    await took(rig, "big", 100)
    rig.script(says("4"))
    assert (await rig.call(fallbacks=["big"], strategy="fastest")).model == "tiny"


async def test_answers_measure_their_model(rig: Rig) -> None:
    rig.script([0.25, *says("4")])
    await rig.call()
    assert rig.pool.median_ms("tiny", unknown=-1.0) == 250


async def test_load_balanced_asks_the_least_busy_model(rig: Rig) -> None:
    held = asyncio.Event()
    rig.script([held, *says("4")], says("5"))
    rig.script([held, *says("four")], model="big")
    calls = []
    for _ in range(2):
        calls.append(asyncio.create_task(rig.call(fallbacks=["big"], strategy="load_balanced")))
        await asyncio.sleep(0)
    third = asyncio.create_task(rig.call(fallbacks=["big"], strategy="load_balanced"))
    await asyncio.sleep(0)
    held.set()
    assert [(await call).model for call in (*calls, third)] == ["tiny", "big", "tiny"]


async def test_better_models_come_last_and_the_event_says_that_the_role_is_raised(rig: Rig) -> None:
    for name in ("tiny", "big"):
        rig.script([failure(ErrorClass.NOT_FOUND)], model=name)
    rig.script(says("4"), model="huge")
    answer = await rig.call(fallbacks=["big"], higher=["tiny", "huge"], strategy="fastest")
    assert answer.model == "huge"
    assert [(event.fallback, event.escalates) for event in rig.of(AttemptFailed)] == [("big", False), ("huge", True)]


# -- in a graph -------------------------------------------------------------------------------------------------------

TIERS = (model("t1", parameters_b=3.0), model("t2", parameters_b=7.0), model("t3", parameters_b=30.0))


@pytest.fixture
def tiers(monkeypatch: pytest.MonkeyPatch) -> ScriptedBackend:
    backend = ScriptedBackend(models=TIERS)
    backend.script = lambda request: ["best"] if request.model == "t3" else [fault(ErrorClass.NOT_FOUND)]
    backend.install(monkeypatch)
    return backend


async def test_a_failed_call_of_a_role_escalates_tier_by_tier(tiers: ScriptedBackend) -> None:
    ran = await ask(one_model(model="@general", escalate=True))
    assert ran.result.text == "best"
    assert [request.model for request in tiers.requests] == ["t1", "t2", "t3"]
    assert [body.escalates for body in ran.all(AttemptFailed)] == [True, True]
    assert any("escalates to t3" in entry.text for entry in ran.view.timeline)


async def test_a_model_that_is_named_does_not_escalate(tiers: ScriptedBackend) -> None:
    ran = await ask(one_model(model="t1", escalate=True))
    assert ran.result.status == "rolled_back"
    assert [request.model for request in tiers.requests] == ["t1"]


async def test_a_node_that_does_not_ask_for_it_does_not_escalate_with_another_that_does(tiers: ScriptedBackend) -> None:
    nodes = [node("start", "entry"), node("a", "model", model="@general"), node("end", "exit")]
    nodes.insert(2, node("b", "model", model="@general", escalate=True))
    spec = make_graph(nodes, [("start", "a"), ("a", "b"), ("b", "end")])
    ran = await ask(spec)
    assert ran.result.status == "rolled_back"
    assert [request.model for request in tiers.requests] == ["t1"]
