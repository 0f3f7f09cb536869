"""One model call when things go wrong: retries, breakers, fallbacks, deadlines, cancellation, the queue."""

from __future__ import annotations

import asyncio

import pytest

from engine.config import RetryConfig
from engine.errors import BreakerOpen, EngineError, ErrorClass
from engine.events import AttemptFailed, ModelStarted
from engine.models.caller import CallOptions, ModelRound
from engine.models.protocol import Chunk
from tests.unit.caller_rig import REQUEST, SITE, Rig, failure, says

RETRIED = [
    ErrorClass.CONNECTION,
    ErrorClass.TIMEOUT,
    ErrorClass.RATE_LIMITED,
    ErrorClass.OVERLOADED,
    ErrorClass.SERVER,
    ErrorClass.PROTOCOL,
]
NOT_RETRIED = sorted(set(ErrorClass) - set(RETRIED) - {ErrorClass.CANCELLED, ErrorClass.BREAKER_OPEN})


@pytest.fixture
def rig() -> Rig:
    return Rig()


async def raised(rig: Rig, **options: object) -> EngineError:
    with pytest.raises(EngineError) as caught:
        await rig.call(**options)
    return caught.value


# -- retries ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error_class", RETRIED)
async def test_a_passing_failure_is_retried_with_growing_back_off(rig: Rig, error_class: ErrorClass) -> None:
    rig.script([failure(error_class)], [Chunk(text="2 +"), failure(error_class)], says("4"))
    result = await rig.call()
    assert (result.text, result.attempts) == ("4", 3)
    assert rig.slept == [0.5, 1.0]
    assert rig.kinds() == ["S", "X", "S", "D", "X", "S", "D", "F"]
    first, second = rig.of(AttemptFailed)
    assert (first.attempt, first.retry_in_ms, first.partial) == (1, 500, "")
    assert (second.attempt, second.retry_in_ms, second.partial) == (2, 1000, "2 +")
    assert second.error.error_class is error_class
    assert second.error.attempt == 2
    assert rig.breaker() == ("closed", 0)


@pytest.mark.parametrize("error_class", NOT_RETRIED)
async def test_a_lasting_failure_is_not_retried_and_no_fault_of_the_endpoint(rig: Rig, error_class: ErrorClass) -> None:
    rig.script([failure(error_class)])
    error = await raised(rig)
    assert error.error_class is error_class
    assert rig.slept == []
    assert rig.breaker() == ("closed", 0)


async def test_the_messages_are_logged_once_and_repetitions_carry_the_same_hash(rig: Rig) -> None:
    rig.script([failure()], says("4"))
    await rig.call()
    first, second = rig.of(ModelStarted)
    assert len(first.messages) == 2
    assert second.messages == ()
    assert first.request_hash == second.request_hash


async def test_attempts_end_and_the_last_error_is_raised(rig: Rig) -> None:
    rig.script(*([failure()] for _ in range(3)))
    error = await raised(rig)
    assert error.error_class is ErrorClass.CONNECTION
    assert [event.retry_in_ms for event in rig.of(AttemptFailed)] == [500, 1000, None]


async def test_a_call_may_bring_its_own_retry_rule(rig: Rig) -> None:
    rig.script([failure()])
    await raised(rig, retry=RetryConfig(attempts=1))
    assert len(rig.backend.requests) == 1


async def test_retry_after_is_honoured(rig: Rig) -> None:
    rig.script([failure(ErrorClass.RATE_LIMITED, retry_after=12.0)], says("4"))
    await rig.call()
    assert rig.slept == [12.0]
    assert rig.of(AttemptFailed)[0].error.retry_after_ms == 12_000


async def test_a_retry_after_beyond_the_deadline_is_not_waited_for(rig: Rig) -> None:
    rig.script([failure(ErrorClass.RATE_LIMITED, retry_after=12.0)])
    error = await raised(rig, deadline=rig.clock.now() + 10)
    assert error.error_class is ErrorClass.RATE_LIMITED
    assert rig.slept == []
    assert rig.of(AttemptFailed)[0].retry_in_ms is None


async def test_an_endpoint_in_trouble_runs_out_of_retries(rig: Rig) -> None:
    rig.script(*([failure()] for _ in range(200)))
    breaker = rig.breakers.get("http://scripted tiny", "endpoint")
    breaker.force("disabled")
    for _ in range(50):
        await raised(rig)
    retries = len(rig.backend.requests) - 50
    assert 10 <= retries <= 10 + 0.2 * 50


async def test_an_exception_that_a_backend_should_not_raise_is_classified(rig: Rig) -> None:
    rig.script([Chunk(text="2"), ZeroDivisionError("oops")])
    error = await raised(rig)
    assert error.error_class is ErrorClass.INTERNAL
    assert isinstance(error.__cause__, ZeroDivisionError)
    assert rig.of(AttemptFailed)[0].partial == "2"


# -- breakers and fallbacks -------------------------------------------------------------------------------------------


async def test_a_call_counts_one_failure_however_often_it_was_retried(rig: Rig) -> None:
    rig.script(*([failure()] for _ in range(9)))
    for failures in (1, 2, 3):
        await raised(rig)
        assert rig.breaker()[1] == failures
    assert rig.breaker() == ("open", 3)


async def test_an_open_breaker_refuses_without_asking_the_backend(rig: Rig) -> None:
    rig.script(*([failure()] for _ in range(9)))
    for _ in range(3):
        await raised(rig)
    asked, rig.events[:] = len(rig.backend.requests), []
    error = await raised(rig)
    assert isinstance(error, BreakerOpen)
    assert error.retry_after == pytest.approx(60)
    assert len(rig.backend.requests) == asked
    assert rig.kinds() == ["X"]
    assert rig.of(AttemptFailed)[0].error.code == "breaker_open"


async def test_an_open_breaker_reroutes_to_the_fallback_model(rig: Rig) -> None:
    rig.breakers.get("http://scripted tiny", "endpoint").force("open")
    rig.script(says("4"), model="other")
    result = await rig.call(fallbacks=["other"])
    assert result.model == "other"
    (failed,) = rig.of(AttemptFailed)
    assert (failed.model, failed.fallback, failed.error.error_class) == ("tiny", "other", ErrorClass.BREAKER_OPEN)
    assert rig.of(ModelStarted)[0].messages


async def test_a_model_that_keeps_failing_gives_way_to_its_fallback(rig: Rig) -> None:
    rig.script(*([failure()] for _ in range(3)))
    rig.script(says("4"), model="other")
    result = await rig.call(fallbacks=["other"], window_of={"other": 300}.__getitem__)
    assert (result.model, result.attempts) == ("other", 4)
    assert [event.fallback for event in rig.of(AttemptFailed)] == ["", "", "other"]
    assert [event.attempt for event in rig.of(ModelStarted)] == [1, 2, 3, 4]
    assert rig.backend.requests[-1].window == 300
    assert rig.breaker() == ("closed", 1)
    assert rig.breaker("other") == ("closed", 0)


async def test_a_model_that_is_not_installed_gives_way_at_once(rig: Rig) -> None:
    rig.script([failure(ErrorClass.NOT_FOUND)])
    rig.script(says("4"), model="other")
    assert (await rig.call(fallbacks=["other"])).text == "4"


@pytest.mark.parametrize("error_class", [ErrorClass.AUTH, ErrorClass.INVALID_REQUEST, ErrorClass.CONTEXT_OVERFLOW])
async def test_a_fault_that_another_model_would_share_does_not_fall_back(rig: Rig, error_class: ErrorClass) -> None:
    rig.script([failure(error_class)])
    await raised(rig, fallbacks=["other"])
    assert len(rig.backend.requests) == 1
    assert rig.of(AttemptFailed)[0].fallback == ""


async def test_a_fallback_whose_window_is_too_small_is_left_out(rig: Rig) -> None:
    rig.script([failure(ErrorClass.NOT_FOUND)])
    rig.script(says("4"), model="wide")
    windows = {"narrow": 70, "wide": 4096}
    result = await rig.call(fallbacks=["narrow", "tiny", "wide"], window_of=windows.__getitem__)
    assert result.model == "wide"
    assert rig.of(AttemptFailed)[0].fallback == "wide"


async def test_what_went_wrong_is_raised_rather_than_the_refusal_that_followed(rig: Rig) -> None:
    rig.breakers.get("http://scripted other", "endpoint").force("open")
    rig.script(*([failure()] for _ in range(3)))
    error = await raised(rig, fallbacks=["other"])
    assert error.error_class is ErrorClass.CONNECTION


async def test_a_half_open_breaker_closes_after_two_good_calls(rig: Rig) -> None:
    rig.script(*([failure()] for _ in range(9)), says("4"), [failure(ErrorClass.AUTH)], says("4"))
    for _ in range(3):
        await raised(rig)
    rig.clock.advance(60)
    await rig.call()
    assert rig.breaker()[0] == "half_open"
    await raised(rig)
    assert rig.breaker()[0] == "half_open"
    await rig.call()
    assert rig.breaker()[0] == "closed"


async def test_a_probe_that_is_retried_takes_one_slot_and_counts_once(rig: Rig) -> None:
    breaker = rig.breakers.get("http://scripted tiny", "endpoint")
    for _ in range(3):
        breaker.acquire().failure("down")
    rig.clock.advance(60)
    rig.script([failure()], [failure()], says("4"))
    await rig.call()
    assert breaker.snapshot().state == "half_open"
    assert breaker.snapshot().successes == 1


# -- deadlines --------------------------------------------------------------------------------------------------------


async def test_a_model_that_hangs_is_left_at_the_deadline(rig: Rig) -> None:
    rig.script([Chunk(text="2 +"), asyncio.Event()])
    error = await raised(rig, deadline=rig.clock.now() + 0.02, fallbacks=["other"])
    assert error.error_class is ErrorClass.TIMEOUT
    assert error.remedy
    assert rig.backend.closed == 1
    (failed,) = rig.of(AttemptFailed)
    assert failed.partial == "2 +"
    assert rig.breaker() == ("closed", 1)


async def test_no_fallback_is_tried_after_the_deadline(rig: Rig) -> None:
    rig.script([20.0, failure()])
    await raised(rig, deadline=rig.clock.now() + 10, fallbacks=["other"])
    assert [request.model for request in rig.backend.requests] == ["tiny"]
    assert rig.of(AttemptFailed)[0].fallback == ""


async def test_nothing_is_asked_after_the_deadline(rig: Rig) -> None:
    error = await raised(rig, deadline=rig.clock.now() - 1)
    assert error.error_class is ErrorClass.TIMEOUT
    assert rig.backend.requests == []
    assert rig.breaker() == ("closed", 0)


async def test_a_deadline_that_passes_in_the_queue_is_no_fault_of_the_model(rig: Rig) -> None:
    held = asyncio.Event()
    rig.script([held, *says("4")])
    async with asyncio.TaskGroup() as group:
        first = group.create_task(rig.call())
        await asyncio.sleep(0)
        error = await raised(rig, deadline=rig.clock.now() + 0.02)
        held.set()
    assert error.error_class is ErrorClass.TIMEOUT
    assert "busy" in error.message
    assert first.result().text == "4"
    assert rig.breaker() == ("closed", 0)


async def test_a_timeout_raised_by_the_backend_is_retried(rig: Rig) -> None:
    rig.script([TimeoutError()], says("4"))
    assert (await rig.call(deadline=rig.clock.now() + 100)).text == "4"


# -- cancellation -----------------------------------------------------------------------------------------------------


async def test_cancelling_closes_the_stream_and_keeps_the_partial_text(rig: Rig) -> None:
    reached = asyncio.Event()
    rig.script([Chunk(text="2 + 2 "), reached.set, asyncio.Event()])
    task = asyncio.create_task(rig.call(fallbacks=["other"]))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (rig.backend.open, rig.backend.closed) == (0, 1)
    assert rig.kinds() == ["S", "D", "X"]
    (failed,) = rig.of(AttemptFailed)
    assert (failed.error.error_class, failed.partial, failed.fallback) == (ErrorClass.CANCELLED, "2 + 2 ", "")
    assert rig.breaker() == ("closed", 0)


async def test_a_cancelled_probe_gives_its_slot_back(rig: Rig) -> None:
    breaker = rig.breakers.get("http://scripted tiny", "endpoint")
    for _ in range(3):
        breaker.acquire().failure("down")
    rig.clock.advance(60)
    tasks = list[asyncio.Task[ModelRound]]()
    for _ in range(3):
        rig.script([lambda: tasks[-1].cancel(), asyncio.Event()])
        tasks.append(asyncio.create_task(rig.call()))
        await asyncio.wait(tasks)
    assert all(task.cancelled() for task in tasks)
    breaker.acquire()
    breaker.acquire()


async def test_cancelling_during_a_back_off_counts_neither_way(rig: Rig) -> None:
    waiting = asyncio.Event()

    async def sleep(_: float) -> None:
        waiting.set()
        await asyncio.Event().wait()

    rig.caller.sleep = sleep
    rig.script([failure()])
    task = asyncio.create_task(rig.call())
    await waiting.wait()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert rig.breaker() == ("closed", 0)


# -- admission --------------------------------------------------------------------------------------------------------


async def test_calls_to_one_model_take_turns_in_the_order_of_their_coming() -> None:
    rig, order = Rig(concurrency=2), list[int]()
    rig.script(*([(lambda n=n: order.append(n)), *says(str(n))] for n in range(6)))  # type: ignore[misc]

    async def call() -> str:
        return (await rig.call()).text

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(call()) for _ in range(6)]
    assert [task.result() for task in tasks] == ["0", "1", "2", "3", "4", "5"]
    assert order == [0, 1, 2, 3, 4, 5]
    assert rig.backend.most_open <= 2


async def test_models_do_not_wait_for_each_other(rig: Rig) -> None:
    held = asyncio.Event()
    rig.script([held, *says("slow")])
    rig.script([held.set, *says("quick")], model="other")
    async with asyncio.TaskGroup() as group:
        slow = group.create_task(rig.call())
        await asyncio.sleep(0)
        other = REQUEST.__class__("other", REQUEST.messages, 64, 512)
        quick = await rig.caller.call(other, site=SITE, emit=rig.events.append, options=CallOptions())
    assert (quick.text, slow.result().text) == ("quick", "slow")


async def test_who_is_cancelled_in_the_queue_leaves_no_trace(rig: Rig) -> None:
    held = asyncio.Event()
    rig.script([held, *says("first")], says("third"))
    first = asyncio.create_task(rig.call())
    await asyncio.sleep(0)
    second, third = asyncio.create_task(rig.call()), asyncio.create_task(rig.call())
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.wait([second])
    held.set()
    assert (await first).text == "first"
    assert (await third).text == "third"
    assert len(rig.backend.requests) == 2
    assert rig.of(AttemptFailed) == []


async def test_who_waits_in_the_queue_while_the_breaker_opens_is_refused() -> None:
    rig = Rig(attempts=1)
    rig.script(*([failure()] for _ in range(3)))
    results = await asyncio.gather(*(rig.call() for _ in range(10)), return_exceptions=True)
    assert len(rig.backend.requests) == 3
    assert sum(isinstance(result, BreakerOpen) for result in results) == 7


async def test_a_call_that_backs_off_lets_others_pass(rig: Rig) -> None:
    rig.script([failure()], says("second"), says("first"))
    first, second = await asyncio.gather(rig.call(), rig.call())
    assert (first.text, second.text) == ("first", "second")


# -- giving way -------------------------------------------------------------------------------------------------------


async def test_an_evaluation_makes_room_for_a_question_and_is_asked_again(rig: Rig) -> None:
    reached = asyncio.Event()
    rig.script([Chunk(text="2 + "), reached.set, asyncio.Event()], says("question"), says("evaluation"))
    evaluation = asyncio.create_task(rig.call(priority="evaluation"))
    await reached.wait()
    rig.clock.advance(1.0)
    question = await rig.call(priority="interactive")
    assert (question.text, (await evaluation).text) == ("question", "evaluation")
    (gave_way,) = rig.of(AttemptFailed)
    assert (gave_way.error.code, gave_way.retry_in_ms, gave_way.partial) == ("gave_way", 0, "2 + ")
    assert [started.queued_ms for started in rig.of(ModelStarted)] == [0, 0, 1000]
    assert evaluation.result().attempts == 2
    assert rig.breaker() == ("closed", 0)
    assert (rig.backend.open, rig.backend.closed) == (0, 3)
    assert rig.backend.most_open == 1


async def test_to_make_room_is_no_attempt_that_counts() -> None:
    rig = Rig(attempts=1)
    reached = asyncio.Event()
    rig.script([reached.set, asyncio.Event()], says("question"), says("evaluation"))
    evaluation = asyncio.create_task(rig.call(priority="evaluation"))
    await reached.wait()
    await rig.call(priority="interactive")
    assert (await evaluation).text == "evaluation"


async def test_cancelling_an_evaluation_that_is_about_to_make_room_leaves_no_slot_taken(rig: Rig) -> None:
    reached = asyncio.Event()
    rig.script([reached.set, asyncio.Event()], says("question"))
    evaluation = asyncio.create_task(rig.call(priority="evaluation"))
    await reached.wait()
    question = asyncio.create_task(rig.call(priority="interactive"))
    await asyncio.sleep(0)
    evaluation.cancel()
    assert (await question).text == "question"
    await asyncio.wait([evaluation])
    assert evaluation.cancelled()
    assert rig.pool.admission("tiny").busy("http://scripted") == 0


async def test_the_time_in_the_queue_is_told(rig: Rig) -> None:
    held = asyncio.Event()
    rig.script([held, 2.5, *says("first")], says("second"))
    async with asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(rig.call())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        held.set()
    assert [started.queued_ms for started in rig.of(ModelStarted)] == [0, 2500]
