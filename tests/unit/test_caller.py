"""One model call: what it sends, what it emits, and what it gives back."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from engine.errors import EngineError, ErrorClass
from engine.events import AttemptFailed, ModelDelta, ModelFinished, ModelStarted
from engine.models.answer import MAX_ANSWER_BYTES
from engine.models.call_record import request_hash
from engine.models.protocol import Chunk, Done, ToolCall
from tests.unit.caller_rig import REQUEST, Rig, says


@pytest.fixture
def rig() -> Rig:
    return Rig()


async def test_an_answer_comes_whole_with_the_backends_own_counts(rig: Rig) -> None:
    rig.script([0.25, *says("2 + 2 ", "is 4."), 0.5])
    result = await rig.call()
    assert (result.text, result.finish, result.model, result.endpoint) == (
        "2 + 2 is 4.",
        "stop",
        "tiny",
        "http://scripted",
    )
    assert (result.prompt_tokens, result.completion_tokens, result.exact) == (7, 5, True)
    assert (result.duration_ms, result.attempts) == (250, 1)
    assert rig.backend.requests == [REQUEST]


async def test_the_events_tell_the_request_the_text_and_its_end(rig: Rig) -> None:
    rig.script([0.25, Chunk(text="2 + 2 "), 0.75, *says("is 4.")])
    await rig.call()
    assert rig.kinds() == ["S", "D", "D", "F"]
    (started,) = rig.of(ModelStarted)
    assert started == ModelStarted(
        path="solve",
        visit=2,
        step=3,
        attempt=1,
        model="tiny",
        endpoint="http://scripted",
        request_hash=request_hash(REQUEST),
        messages=(("system", "Be short."), ("user", "What is 2 + 2?")),
        window=512,
        max_tokens=64,
        temperature=0.3,
        stream=True,
    )
    (finished,) = rig.of(ModelFinished)
    assert (finished.text, finished.duration_ms, finished.first_token_ms) == ("2 + 2 is 4.", 1000, 250)
    assert (finished.path, finished.visit, finished.step, finished.attempt) == ("solve", 2, 3, 1)


async def test_a_node_that_shows_only_whole_text_is_marked_as_such(rig: Rig) -> None:
    rig.script(says("4"))
    await rig.call(stream=False)
    assert rig.of(ModelStarted)[0].stream is False


async def test_deltas_come_at_most_ten_times_a_second(rig: Rig) -> None:
    script = [step for _ in range(500) for step in (0.01, Chunk(text="ab"))]
    rig.script([*script, Chunk(done=Done("stop"))])
    result = await rig.call()
    deltas = rig.of(ModelDelta)
    assert 45 <= len(deltas) <= 51
    assert result.text == "ab" * 500
    assert deltas[-1].tokens > 480


async def test_deltas_and_offsets_build_a_prefix_of_the_text(rig: Rig) -> None:
    pieces = [f"wörd{n} " for n in range(100)]
    rig.script([step for piece in pieces for step in (0.03, Chunk(text=piece))] + [Chunk(done=Done("stop"))])
    result = await rig.call()
    shown = ""
    for delta in rig.of(ModelDelta):
        assert delta.offset == len(shown)
        shown += delta.text
    assert len(shown) > 600
    assert result.text.startswith(shown)


async def test_thinking_is_kept_apart_from_the_text(rig: Rig) -> None:
    rig.script([Chunk(thinking="two and two"), 0.2, Chunk(thinking=" ..."), 0.2, Chunk(text="4"), *says("!")])
    result = await rig.call()
    assert (result.thinking, result.text) == ("two and two ...", "4!")
    assert [(delta.thinking, delta.offset, delta.text) for delta in rig.of(ModelDelta)] == [
        (True, 0, "two and two"),
        (True, 11, " ..."),
        (False, 0, "4"),
    ]
    assert rig.of(ModelFinished)[0].thinking == "two and two ..."


async def test_no_task_is_left_over(rig: Rig) -> None:
    rig.script(says("4"))
    await rig.call()
    assert len(asyncio.all_tasks()) == 1


async def test_counts_that_the_backend_does_not_give_are_estimated_and_said_to_be(rig: Rig) -> None:
    rig.script(says("x" * 40, prompt=None, completion=None))
    result = await rig.call()
    assert result.exact is False
    assert result.completion_tokens == 10
    assert result.prompt_tokens == (3 + 4) + (4 + 4)
    assert rig.of(ModelFinished)[0].exact is False


async def test_the_times_that_the_backend_measured_are_kept(rig: Rig) -> None:
    done = Done("stop", prompt_tokens=7, completion_tokens=5, load_ms=101.4, prompt_ms=13.07, eval_ms=52.48)
    rig.script([Chunk(text="4"), Chunk(done=done)], says("4"))
    await rig.call()
    await rig.call()
    told, silent = rig.of(ModelFinished)
    assert (told.load_ms, told.prompt_ms, told.eval_ms) == (101, 13, 52)
    assert (silent.load_ms, silent.prompt_ms, silent.eval_ms) == (None, None, None)


async def test_half_of_the_counts_is_not_exact(rig: Rig) -> None:
    rig.script(says("4", completion=None))
    result = await rig.call()
    assert (result.prompt_tokens, result.completion_tokens, result.exact) == (7, 1, False)


async def test_a_character_cut_in_two_by_the_stream_is_put_together(rig: Rig) -> None:
    rig.script([Chunk(text="ok \ud83d"), 0.2, Chunk(text="\ude00!"), 0.2, Chunk(text=" \udc00 and \ud83d"), *says("")])
    result = await rig.call()
    assert result.text == "ok \U0001f600! \ufffd and \ufffd"
    assert [delta.text for delta in rig.of(ModelDelta)] == ["ok ", "\U0001f600!", " \ufffd and "]


async def test_tool_calls_are_an_answer_without_text(rig: Rig) -> None:
    call = ToolCall("1", "add", {"a": 2})
    rig.script([Chunk(tool_calls=(call,)), Chunk(done=Done("tool_calls", 1, 1))])
    result = await rig.call()
    assert result.tool_calls == (call,)
    assert result.finish == "tool_calls"


@pytest.mark.parametrize("text", ["", "  \n\t"])
async def test_an_empty_answer_is_invalid_output_and_not_asked_for_again(rig: Rig, text: str) -> None:
    rig.script(says(text))
    with pytest.raises(EngineError) as caught:
        await rig.call(fallbacks=["other"])
    assert caught.value.error_class is ErrorClass.INVALID_OUTPUT
    assert caught.value.remedy
    assert len(rig.backend.requests) == 1
    (failed,) = rig.of(AttemptFailed)
    assert (failed.retry_in_ms, failed.fallback) == (None, "")
    assert failed.error.node == "solve"
    assert rig.breaker() == ("closed", 0)


async def test_an_answer_lost_in_thought_says_so(rig: Rig) -> None:
    rig.script([Chunk(thinking="hmm"), Chunk(done=Done("length", 1, 64))])
    with pytest.raises(EngineError, match="all of its 64 tokens on thinking"):
        await rig.call()


async def test_a_model_that_runs_away_is_stopped(rig: Rig) -> None:
    rig.script([Chunk(text="é" * 100_000)] * 100)
    with pytest.raises(EngineError) as caught:
        await rig.call()
    assert caught.value.error_class is ErrorClass.RESOURCE
    assert "1000 KB" in caught.value.message
    assert rig.backend.closed == 1
    assert len(rig.of(AttemptFailed)[0].partial.encode()) <= MAX_ANSWER_BYTES + 200_000
    assert rig.breaker() == ("closed", 0)


async def test_a_stream_that_ends_without_its_end_is_cut(rig: Rig) -> None:
    rig.script([Chunk(text="2 + ")], says("4"))
    result = await rig.call()
    assert result.text == "4"
    (failed,) = rig.of(AttemptFailed)
    assert (failed.error.error_class, failed.partial) == (ErrorClass.PROTOCOL, "2 + ")


async def test_what_follows_the_end_is_not_waited_for(rig: Rig) -> None:
    rig.script([*says("4"), asyncio.Event()])
    assert (await rig.call()).text == "4"
    assert rig.backend.closed == 1


async def test_a_connection_that_closes_badly_does_not_spoil_the_answer(rig: Rig) -> None:
    class Rude:
        async def __aenter__(self) -> None: ...
        async def __aexit__(self, *_: object) -> None:
            raise OSError("reset")

    inner = rig.backend.chat

    async def chat(request):  # type: ignore[no-untyped-def]
        async with Rude():
            async for chunk in inner(request):
                yield chunk

    rig.backend.chat = chat  # type: ignore[method-assign]
    rig.script(says("4"))
    assert (await rig.call()).text == "4"


def test_the_request_hash_tells_requests_apart() -> None:
    changed = [
        replace(REQUEST, model="other"),
        replace(REQUEST, messages=REQUEST.messages[:1]),
        replace(REQUEST, temperature=0.4),
        replace(REQUEST, seed=1),
        replace(REQUEST, schema={"type": "object"}),
        replace(REQUEST, max_tokens=65),
    ]
    hashes = {request_hash(request) for request in [REQUEST, *changed]}
    assert len(hashes) == 7
    assert request_hash(replace(REQUEST)) in hashes
