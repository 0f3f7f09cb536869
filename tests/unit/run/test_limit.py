"""Time limits that stand still while a person is asked."""

from __future__ import annotations

import asyncio

import pytest

from engine.run.limit import Limit, waiting_for_a_person, within
from tests.unit.run.clock import LoopClock
from tests.waiting import until


@pytest.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> LoopClock:
    return LoopClock(monkeypatch)


async def settle() -> None:
    """Let timers that are due run."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_limit_is_reached_once_when_its_time_is_over(clock: LoopClock) -> None:
    reached: list[float] = []
    with Limit(100, lambda: reached.append(1)):
        clock.skip(90)
        await settle()
        assert not reached
        clock.skip(11)
        await settle()
        clock.skip(500)
        await settle()
    assert reached == [1]


async def test_time_in_which_a_person_is_asked_is_not_counted(clock: LoopClock) -> None:
    reached: list[float] = []
    with Limit(100, lambda: reached.append(1)) as limit:
        clock.skip(90)
        with waiting_for_a_person():
            clock.skip(10_000)
            await settle()
            assert 5 < limit.left <= 10
        await settle()
        assert not reached
        clock.skip(11)
        await settle()
    assert reached


async def test_all_limits_around_a_question_stand_still_and_those_beside_it_do_not(clock: LoopClock) -> None:
    reached: list[str] = []
    answer = asyncio.Event()

    async def asks() -> None:
        with Limit(100, lambda: reached.append("inner")), waiting_for_a_person():
            await answer.wait()

    async def works() -> None:
        with Limit(100, lambda: reached.append("beside")):
            await answer.wait()

    with Limit(100, lambda: reached.append("outer")):
        async with asyncio.TaskGroup() as group:
            group.create_task(asks())
            group.create_task(works())
            await settle()
            clock.skip(1000)
            await settle()
            assert reached == ["beside"]
            answer.set()
    await settle()
    assert reached == ["beside"]


async def test_questions_at_the_same_time_are_counted_as_one_waiting(clock: LoopClock) -> None:
    with Limit(100, lambda: None) as limit:
        start = limit.end
        with waiting_for_a_person():
            clock.skip(10)
            with waiting_for_a_person():
                clock.skip(10)
            clock.skip(10)
        assert limit.end - start == pytest.approx(30, abs=5)


async def test_a_reached_limit_ends_the_work_and_says_so(clock: LoopClock) -> None:
    async def work() -> None:
        async with within(100) as limit:
            limits.append(limit)
            clock.skip(101)
            await asyncio.Event().wait()

    limits: list[Limit] = []
    with pytest.raises(TimeoutError):
        await work()
    assert limits[0].expired()


async def test_a_question_after_the_limit_was_reached_changes_nothing(clock: LoopClock) -> None:
    reached: list[float] = []
    with Limit(1, lambda: reached.append(1)):
        clock.skip(2)
        await until(lambda: reached)
        with waiting_for_a_person():
            clock.skip(5)
        await settle()
    assert reached == [1]


async def test_no_timer_is_left_after_the_work(clock: LoopClock) -> None:
    reached: list[float] = []
    with Limit(1, lambda: reached.append(1)):
        pass
    clock.skip(100)
    await settle()
    assert not reached
