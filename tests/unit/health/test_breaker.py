"""The circuit breaker: closed, open, half-open, and what each of them owes its callers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from engine.config import BreakerConfig
from engine.errors import BreakerOpen, ErrorClass
from engine.events import Body, BreakerChanged, BreakerSnapshot
from engine.health.breaker import CircuitBreaker, ForceMode, Permit
from tests.unit.health.clock import Clock


class Rig:
    """A breaker with its clocks and what it emitted."""

    def __init__(self, **config: float) -> None:
        self.clock = Clock()
        self.events: list[BreakerChanged] = []
        self.breaker = self.another(**config)

    def another(self, **config: float) -> CircuitBreaker:
        return CircuitBreaker(
            "here tiny",
            "endpoint",
            BreakerConfig.model_validate(config),
            now=self.clock.now,
            wall_ms=self.clock.wall_ms,
            emit=self._emit,
        )

    def _emit(self, body: Body) -> None:
        assert isinstance(body, BreakerChanged)
        self.events.append(body)

    def fail(self, times: int = 1) -> None:
        for _ in range(times):
            self.breaker.acquire().failure("boom")

    def open(self) -> None:
        self.fail(3)
        assert self.breaker.state == "open"

    def half_open(self) -> Permit:
        self.open()
        self.clock.advance(60)
        return self.breaker.acquire()

    def steps(self) -> list[tuple[str, str]]:
        return [(event.previous, event.breaker.state) for event in self.events]


@pytest.fixture
def rig() -> Rig:
    return Rig()


def refusal(acquire: Callable[[], Permit]) -> BreakerOpen:
    with pytest.raises(BreakerOpen) as caught:
        acquire()
    return caught.value


def test_three_consecutive_failures_open_it(rig: Rig) -> None:
    rig.fail(2)
    assert rig.breaker.state == "closed"
    rig.fail()
    assert rig.breaker.state == "open"
    assert rig.steps() == [("closed", "closed"), ("closed", "closed"), ("closed", "open")]
    assert [event.breaker.failures for event in rig.events] == [1, 2, 3]
    assert rig.events[-1].breaker.until_ms == rig.clock.wall + 60_000
    assert rig.events[-1].breaker.last_error == "boom"


def test_a_success_between_failures_starts_the_count_anew(rig: Rig) -> None:
    rig.fail(2)
    rig.breaker.acquire().success()
    rig.fail(2)
    assert rig.breaker.state == "closed"
    assert [event.breaker.failures for event in rig.events] == [1, 2, 0, 1, 2]


def test_successes_that_change_nothing_emit_nothing(rig: Rig) -> None:
    for _ in range(5):
        rig.breaker.acquire().success()
    assert rig.events == []
    assert rig.breaker.snapshot().recent == "....."


def test_an_open_breaker_refuses_and_says_for_how_long(rig: Rig) -> None:
    rig.open()
    rig.clock.advance(45)
    error = refusal(rig.breaker.acquire)
    assert error.retry_after == pytest.approx(15)
    assert error.error_class is ErrorClass.BREAKER_OPEN
    assert "here tiny" in error.message
    assert not rig.breaker.available()


def test_time_alone_does_not_change_the_state_but_the_first_probe_does(rig: Rig) -> None:
    rig.open()
    rig.clock.advance(60)
    assert rig.breaker.state == "open"
    assert rig.breaker.available()
    assert len(rig.events) == 3
    rig.breaker.acquire()
    assert rig.steps()[-1] == ("open", "half_open")
    assert rig.events[-1].breaker.until_ms is None


def test_two_successes_close_a_half_open_breaker(rig: Rig) -> None:
    rig.half_open().success()
    assert rig.breaker.state == "half_open"
    assert rig.breaker.snapshot().successes == 1
    rig.breaker.acquire().success()
    assert rig.breaker.snapshot() == BreakerSnapshot(
        "here tiny", "endpoint", "closed", last_error="boom", recent="xxx.."
    )


def test_one_failure_opens_a_half_open_breaker_for_a_whole_cooldown(rig: Rig) -> None:
    rig.half_open().success()
    rig.breaker.acquire().failure("still down")
    assert rig.steps()[-1] == ("half_open", "open")
    assert refusal(rig.breaker.acquire).retry_after == pytest.approx(60)
    assert rig.breaker.snapshot().last_error == "still down"


async def test_a_thousand_callers_at_half_open_get_two_probes_at_a_time(rig: Rig) -> None:
    rig.open()
    rig.clock.advance(60)
    go, came, running, most, refused = asyncio.Event(), 0, 0, 0, 0

    async def call() -> None:
        nonlocal came, running, most, refused
        await asyncio.sleep(0)
        came += 1
        if came == 1000:
            go.set()
        try:
            permit = rig.breaker.acquire()
        except BreakerOpen:
            refused += 1
            return
        running += 1
        most = max(most, running)
        await go.wait()
        running -= 1
        permit.success()

    async with asyncio.TaskGroup() as group:
        for _ in range(1000):
            group.create_task(call())
    assert (most, refused) == (2, 998)
    assert rig.breaker.state == "closed"


def test_who_finds_both_probe_slots_taken_is_told_when_one_is_free_at_the_latest(rig: Rig) -> None:
    rig.half_open()
    rig.clock.advance(10)
    rig.breaker.acquire()
    error = refusal(rig.breaker.acquire)
    assert error.retry_after == pytest.approx(50)
    assert "half-open" in error.message
    assert not rig.breaker.available()


def test_a_hung_probe_gives_its_slot_back_when_its_lease_ends(rig: Rig) -> None:
    rig.half_open()
    rig.breaker.acquire()
    rig.clock.advance(60)
    assert rig.breaker.available()
    rig.breaker.acquire().success()
    rig.breaker.acquire().success()
    assert rig.breaker.state == "closed"


def test_the_report_of_a_probe_that_outlived_its_lease_still_counts(rig: Rig) -> None:
    slow = rig.half_open()
    rig.clock.advance(61)
    other = rig.breaker.acquire()
    slow.success()
    assert rig.breaker.snapshot().successes == 1
    other.success()
    assert rig.breaker.state == "closed"


def test_a_late_result_does_not_close_a_half_open_breaker(rig: Rig) -> None:
    late = [rig.breaker.acquire() for _ in range(5)]
    rig.half_open()
    for permit in late:
        permit.success()
    assert rig.breaker.state == "half_open"
    assert rig.breaker.snapshot().successes == 0


def test_a_late_failure_does_not_open_a_breaker_that_has_closed(rig: Rig) -> None:
    late = [rig.breaker.acquire() for _ in range(5)]
    rig.half_open().success()
    rig.breaker.acquire().success()
    recent = rig.breaker.snapshot().recent
    for permit in late:
        permit.failure("old news")
    assert rig.breaker.state == "closed"
    assert rig.breaker.snapshot().failures == 0
    assert rig.breaker.snapshot().recent == recent


def test_a_late_failure_does_not_restart_the_cooldown(rig: Rig) -> None:
    late = rig.breaker.acquire()
    rig.open()
    rig.clock.advance(50)
    late.failure("old news")
    assert refusal(rig.breaker.acquire).retry_after == pytest.approx(10)


def test_cancellation_counts_neither_way_and_frees_the_slot(rig: Rig) -> None:
    rig.fail(2)
    rig.breaker.acquire().cancelled()
    assert rig.breaker.snapshot().failures == 2
    rig.fail()
    rig.clock.advance(60)
    first, second = rig.breaker.acquire(), rig.breaker.acquire()
    before = len(rig.events)
    first.cancelled()
    second.cancelled()
    assert rig.breaker.state == "half_open"
    assert len(rig.events) == before
    assert "." not in rig.breaker.snapshot().recent
    rig.breaker.acquire()
    rig.breaker.acquire()


@pytest.mark.parametrize("second", ["success", "failure", "cancelled"])
def test_only_the_first_report_of_a_call_counts(rig: Rig, second: str) -> None:
    permit = rig.half_open()
    permit.success()
    getattr(permit, second)()
    permit.success()
    assert rig.breaker.state == "half_open"
    assert rig.breaker.snapshot().successes == 1


def test_forced_open_refuses_without_promising_an_end(rig: Rig) -> None:
    rig.breaker.force("open")
    rig.clock.advance(1e6)
    error = refusal(rig.breaker.acquire)
    assert error.retry_after is None
    assert "by hand" in error.message
    assert error.remedy
    assert rig.steps() == [("closed", "forced_open")]
    assert not rig.breaker.available()


def test_a_disabled_breaker_lets_every_call_pass(rig: Rig) -> None:
    rig.open()
    rig.breaker.force("disabled")
    rig.fail(10)
    assert rig.breaker.state == "disabled"
    assert rig.breaker.available()
    assert rig.breaker.snapshot().recent.endswith("x" * 10)


@pytest.mark.parametrize("mode", ["open", "disabled"])
def test_auto_after_a_forced_state_starts_afresh(rig: Rig, mode: ForceMode) -> None:
    rig.fail(2)
    rig.breaker.force(mode)
    rig.breaker.force("auto")
    assert rig.breaker.state == "closed"
    rig.fail(2)
    assert rig.breaker.state == "closed"
    rig.fail()
    assert rig.breaker.state == "open"


def test_auto_leaves_an_automatic_breaker_alone(rig: Rig) -> None:
    rig.open()
    before = (rig.breaker.snapshot(), len(rig.events))
    rig.breaker.force("auto")
    assert (rig.breaker.snapshot(), len(rig.events)) == before


def test_forced_closed_ends_a_cooldown_at_once(rig: Rig) -> None:
    rig.open()
    rig.breaker.force("closed")
    rig.breaker.acquire().success()
    assert rig.steps()[-2:] == [("open", "closed"), ("closed", "closed")]


def test_a_good_call_is_told_while_one_of_the_last_twenty_was_bad(rig: Rig) -> None:
    rig.fail()
    for _ in range(25):
        rig.breaker.acquire().success()
    told = [event.breaker.recent for event in rig.events]
    assert told == ["x" + "." * n for n in range(20)] + ["." * 20]


def test_recent_keeps_the_last_twenty_calls(rig: Rig) -> None:
    for _ in range(10):
        rig.fail()
        for _ in range(3):
            rig.breaker.acquire().success()
    assert rig.breaker.snapshot().recent == "x..." * 5


def test_a_long_error_text_is_kept_short(rig: Rig) -> None:
    rig.breaker.acquire().failure("x" * 10_000)
    assert len(rig.breaker.snapshot().last_error) == 300


def test_an_open_breaker_stays_open_over_a_restart_for_the_rest_of_its_cooldown(rig: Rig) -> None:
    rig.open()
    saved = rig.breaker.snapshot()
    rig.clock.advance(20)
    again = rig.another()
    again.restore(saved)
    assert refusal(again.acquire).retry_after == pytest.approx(40)
    assert again.snapshot() == saved
    rig.clock.advance(40)
    again.acquire()
    assert again.state == "half_open"


def test_a_wall_clock_set_back_does_not_prolong_the_cooldown(rig: Rig) -> None:
    rig.open()
    saved = rig.breaker.snapshot()
    rig.clock.wall -= 3_600_000
    again = rig.another()
    again.restore(saved)
    assert refusal(again.acquire).retry_after == pytest.approx(60)
    assert again.snapshot().until_ms == rig.clock.wall + 60_000


def test_a_wall_clock_set_back_while_running_changes_nothing(rig: Rig) -> None:
    rig.open()
    rig.clock.advance(30)
    rig.clock.wall -= 3_600_000
    assert refusal(rig.breaker.acquire).retry_after == pytest.approx(30)


def test_a_cooldown_that_ended_while_the_program_was_off_admits_a_probe(rig: Rig) -> None:
    rig.open()
    saved = rig.breaker.snapshot()
    rig.clock.wall += 86_400_000
    again = rig.another()
    again.restore(saved)
    assert again.available()
    again.acquire()


def test_a_half_open_breaker_has_no_probes_after_a_restart(rig: Rig) -> None:
    rig.half_open().success()
    rig.breaker.acquire()
    rig.breaker.acquire()
    again = rig.another()
    again.restore(rig.breaker.snapshot())
    again.acquire().success()
    assert again.state == "closed"


def test_restoring_over_running_probes_frees_their_slots(rig: Rig) -> None:
    rig.half_open()
    rig.breaker.acquire()
    rig.breaker.restore(rig.breaker.snapshot())
    rig.breaker.acquire()
    rig.breaker.acquire()


def test_restored_counts_fit_a_stricter_configuration(rig: Rig) -> None:
    rig.fail(2)
    again = rig.another(failure_threshold=1)
    again.restore(rig.breaker.snapshot())
    assert again.snapshot().failures == 0
    again.acquire().failure("x")
    assert again.state == "open"


def test_restoring_is_no_change_and_forgets_running_calls(rig: Rig) -> None:
    saved = BreakerSnapshot("here tiny", "endpoint", "forced_open", failures=-3, recent="?.x<")
    permit = rig.breaker.acquire()
    rig.breaker.restore(saved)
    permit.failure("late")
    assert rig.events == []
    assert rig.breaker.state == "forced_open"
    assert rig.breaker.snapshot().recent == ".x"
    assert rig.breaker.snapshot().failures == 0


def test_an_event_is_emitted_after_the_change_is_complete() -> None:
    clock, seen = Clock(), list[tuple[str, int]]()

    def emit(body: Body) -> None:
        assert isinstance(body, BreakerChanged)
        seen.append((breaker.state, breaker.snapshot().failures))
        assert breaker.snapshot() == body.breaker

    breaker = CircuitBreaker("k", "node", BreakerConfig(), now=clock.now, wall_ms=clock.wall_ms, emit=emit)
    for _ in range(3):
        breaker.acquire().failure("x")
    clock.advance(60)
    breaker.acquire().success()
    breaker.acquire().success()
    assert seen == [("closed", 1), ("closed", 2), ("open", 3), ("half_open", 3), ("half_open", 3), ("closed", 0)]
