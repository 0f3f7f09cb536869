"""Answers that are kept: which, for how long, how many, and how a hit is told."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.events import ModelFinished, ModelStarted
from engine.models.answer_cache import AnswerCache, cache_key, deterministic
from engine.models.answered import ModelRound
from engine.models.protocol import ChatMessage, ChatRequest
from tests.graphs import chain, node
from tests.running import run_in
from tests.scripted_backend import ScriptedBackend
from tests.unit.caller_rig import REQUEST, SITE, Rig, failure, says
from tests.unit.health.clock import Clock

COLD = replace(REQUEST, temperature=0.0)
ANSWER = ModelRound("4", "", (), "stop", 7, 5, True, "tiny", "here", 20, 1)


@pytest.mark.parametrize(
    ("request_", "same"),
    [
        (COLD, True),
        (replace(COLD, temperature=0.7), False),
        (replace(COLD, temperature=0.7, seed=3), True),
        (replace(COLD, tools=({"function": {"name": "now"}},)), False),
    ],
)
def test_a_request_has_one_answer_without_chance_and_without_tools(request_: ChatRequest, same: bool) -> None:
    assert deterministic(request_) is same


@pytest.mark.parametrize(
    "other",
    [
        replace(COLD, model="big"),
        replace(COLD, messages=(ChatMessage("user", "What is 2 + 2?"),)),
        replace(COLD, max_tokens=65),
        replace(COLD, window=513),
        replace(COLD, seed=1),
        replace(COLD, stop=("x",)),
        replace(COLD, schema={"type": "object"}),
    ],
)
def test_any_difference_between_requests_is_one_between_keys(other: ChatRequest) -> None:
    assert cache_key(other, "sha256:1") != cache_key(COLD, "sha256:1")


def test_another_file_under_the_same_name_has_another_key() -> None:
    assert cache_key(COLD, "sha256:1") != cache_key(COLD, "sha256:2")


def test_an_answer_is_forgotten_after_its_time() -> None:
    clock = Clock()
    cache = AnswerCache(10.0, 1000, now=clock.now)
    cache.put("k", ANSWER)
    clock.advance(9.9)
    assert cache.get("k") == ANSWER
    clock.advance(0.1)
    assert cache.get("k") is None
    assert (len(cache), cache.size) == (0, 0)


def test_the_least_recently_used_goes_when_there_is_no_room() -> None:
    cache = AnswerCache(10.0, 25, now=Clock().now)
    for key in "ab":
        cache.put(key, replace(ANSWER, text="x" * 10))
    cache.get("a")
    cache.put("c", replace(ANSWER, text="y" * 10))
    assert [cache.get(key) is not None for key in "abc"] == [True, False, True]


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 40))))
def test_it_never_holds_more_than_its_bound_and_counts_what_it_holds(puts: list[tuple[str, int]]) -> None:
    cache = AnswerCache(10.0, 60, now=Clock().now)
    for key, length in puts:
        cache.put(key, replace(ANSWER, text="é" * length))
        held = [cache.get(each) for each in "abcdefgh"]
        assert cache.size == sum(1 + len(answer.text.encode()) for answer in held if answer) <= 60


def test_what_is_cut_off_is_not_kept() -> None:
    cache = AnswerCache(10.0, 1000)
    cache.put("k", replace(ANSWER, finish="length"))
    assert len(cache) == 0


@pytest.fixture
def rig() -> Rig:
    rig = Rig()
    rig.caller.cache = AnswerCache(3600.0, 100_000, now=rig.clock.now)
    return rig


async def test_the_second_call_gets_the_first_ones_answer_and_the_event_says_so(rig: Rig) -> None:
    rig.script(says("4"))
    first = await rig.call(COLD, cache=True)
    second = await rig.call(COLD, cache=True)
    assert (second.text, second.duration_ms) == (first.text, 0)
    assert len(rig.backend.requests) == 1
    assert rig.kinds()[-2:] == ["S", "F"]
    assert [event.cached for event in rig.of(ModelFinished)] == [False, True]
    started = rig.of(ModelStarted)[1]
    assert (started.path, started.visit, started.step) == (SITE.path, SITE.visit, SITE.step)
    assert started.messages


async def test_without_leave_or_without_determinism_every_call_is_made(rig: Rig) -> None:
    rig.script(*(says("4") for _ in range(4)))
    for request, cache in ((COLD, False), (COLD, True), (REQUEST, True), (REQUEST, True)):
        await rig.call(request, cache=cache)
    assert len(rig.backend.requests) == 4


async def test_the_answer_of_a_fallback_is_not_kept_for_the_model(rig: Rig) -> None:
    rig.script(*([failure()] for _ in range(3)), says("4"))
    rig.script(says("four"), model="big")
    assert (await rig.call(COLD, cache=True, fallbacks=["big"])).text == "four"
    assert (await rig.call(COLD, cache=True)).text == "4"


async def test_a_cached_answer_is_an_operation_of_the_run_and_uses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    import engine

    backend = ScriptedBackend()
    backend.install(monkeypatch)
    spec = chain(node("ask", "model", cache=True))
    async with engine.open(None) as eng:
        first, second = await run_in(eng, spec), await run_in(eng, spec)
    assert len(backend.requests) == 1
    assert first.result.text == second.result.text
    assert (first.result.usage.model_calls, second.result.usage.model_calls) == (1, 0)
    visit = second.view.nodes["ask"].visits[0]
    assert (visit.attempts[0].cached, visit.attempts[0].text) == (True, first.result.text)
    assert any("from the cache" in entry.text for entry in second.view.timeline)
