"""Who may ask a model next: order, ageing, endpoints, giving way, and slots that are never lost."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.config import Priority
from engine.models.admission import AGEING_S, Admission, Lease, Place
from tests.unit.health.clock import Clock

RANK: dict[Priority, int] = {"interactive": 0, "graph": 1, "evaluation": 2}
CLASSES: list[Priority] = list(RANK)


@dataclass
class Hall:
    """An admission, and what came of those who asked."""

    places: list[Place] = field(default_factory=lambda: [Place("here", 1)])
    clock: Clock = field(default_factory=Clock)
    order: list[int] = field(default_factory=list)
    leases: dict[int, Lease] = field(default_factory=dict)
    tasks: dict[int, asyncio.Task[None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.admission = Admission(self.places, self.clock.now)

    async def come(self, who: int, priority: Priority = "graph", **options: object) -> None:
        async def wait() -> None:
            self.leases[who] = await self.admission.acquire(priority, **options)  # type: ignore[arg-type]
            self.order.append(who)

        self.tasks[who] = asyncio.create_task(wait())
        await turn()

    async def leave(self, who: int) -> None:
        self.leases.pop(who).release()
        await turn()

    async def cancel(self, who: int) -> None:
        self.tasks[who].cancel()
        await asyncio.wait([self.tasks[who]])
        await turn()


async def turn() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


# -- order ------------------------------------------------------------------------------------------------------------


async def test_more_urgent_calls_go_first_and_equals_in_the_order_of_their_coming() -> None:
    hall = Hall()
    await hall.come(0)
    for who, priority in enumerate(["evaluation", "graph", "interactive", "evaluation", "graph", "interactive"], 1):
        await hall.come(who, priority)  # type: ignore[arg-type]
    for _ in range(7):
        await hall.leave(hall.order[-1])
    assert hall.order == [0, 3, 6, 2, 5, 1, 4]


async def test_an_old_evaluation_goes_before_a_fresh_question() -> None:
    hall = Hall()
    await hall.come(0)
    await hall.come(1, "evaluation")
    hall.clock.advance(2 * AGEING_S - 0.001)
    await hall.come(2, "interactive")
    hall.clock.advance(0.002)
    await hall.come(3, "interactive")
    for _ in range(4):
        await hall.leave(hall.order[-1])
    assert hall.order == [0, 2, 1, 3]


ARRIVALS = st.tuples(st.just("come"), st.sampled_from(CLASSES), st.floats(0, 40))
STEPS = st.lists(st.one_of(ARRIVALS, st.tuples(st.just("leave")), st.tuples(st.just("cancel"), st.integers(0))))


@settings(max_examples=150, deadline=None)
@given(steps=STEPS, slots=st.integers(1, 3))
def test_any_arrivals_departures_and_cancellations_agree_with_a_plain_reference_queue(
    steps: list[tuple[object, ...]], slots: int
) -> None:
    async def play() -> None:
        hall = Hall([Place("here", slots)])
        waiting: list[tuple[float, int]] = []
        inside: list[int] = []

        def expect() -> None:
            """Those whose class and age make the smallest sum go in, as long as there is room."""
            while waiting and len(inside) < slots:
                waiting.sort()
                inside.append(waiting.pop(0)[1])

        for who, step in enumerate(steps):
            match step:
                case ("come", priority, seconds):
                    hall.clock.advance(seconds)  # type: ignore[arg-type]
                    waiting.append((hall.clock.now() + RANK[priority] * AGEING_S, who))  # type: ignore[index]
                    expect()
                    await hall.come(who, priority)  # type: ignore[arg-type]
                case ("leave",) if inside:
                    leaving = inside.pop(0)
                    expect()
                    await hall.leave(leaving)
                case ("cancel", index) if waiting:
                    victim = sorted(waiting)[index % len(waiting)]  # type: ignore[operator]
                    waiting.remove(victim)
                    await hall.cancel(victim[1])
            assert sorted(hall.leases) == sorted(inside)
            assert (hall.admission.busy("here"), hall.admission.waiting) == (len(inside), len(waiting))
            assert hall.admission.busy("here") <= slots
        for task in hall.tasks.values():
            task.cancel()
        await asyncio.gather(*hall.tasks.values(), return_exceptions=True)

    asyncio.run(play())


async def test_nothing_starves_while_more_urgent_calls_keep_coming() -> None:
    hall = Hall()
    await hall.come(0)
    await hall.come(1, "evaluation")
    for who in range(2, 1000):
        await hall.come(who, "interactive")
        hall.clock.advance(1.0)
        await hall.leave(hall.order[-1])
        if 1 in hall.order:
            break
    assert hall.order.index(1) <= 2 * AGEING_S + 2


async def test_a_thousand_waiters_are_all_served_with_never_more_at_once_than_slots() -> None:
    admission, inside, most, served = Admission([Place("a", 3), Place("b", 1)]), 0, 0, 0

    async def one(number: int) -> None:
        nonlocal inside, most, served
        lease = await admission.acquire(CLASSES[number % 3])
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0)
        inside -= 1
        served += 1
        lease.release()

    async with asyncio.TaskGroup() as group:
        for number in range(1000):
            group.create_task(one(number))
    assert (served, most, admission.busy("a"), admission.busy("b"), admission.waiting) == (1000, 4, 0, 0, 0)


# -- cancellation -----------------------------------------------------------------------------------------------------


async def test_who_is_cancelled_in_the_moment_of_the_grant_leaks_no_slot() -> None:
    hall = Hall()
    await hall.come(0)
    await hall.come(1)
    hall.leases.pop(0).release()  # grants the slot to 1, who has not run yet
    hall.tasks[1].cancel()
    await asyncio.wait([hall.tasks[1]])
    assert hall.admission.busy("here") == 0
    await hall.come(2)
    assert hall.order == [0, 2]


async def test_a_lease_that_is_released_twice_frees_one_slot() -> None:
    hall = Hall([Place("here", 2)])
    await hall.come(0)
    await hall.come(1)
    lease = hall.leases[0]
    lease.release()
    lease.release()
    assert hall.admission.busy("here") == 1


# -- endpoints --------------------------------------------------------------------------------------------------------


async def test_the_least_busy_endpoint_for_its_size_is_taken() -> None:
    hall = Hall([Place("small", 1), Place("large", 3)])
    for who in range(4):
        await hall.come(who)
    assert [hall.leases[who].endpoint for who in range(4)] == ["small", "large", "large", "large"]
    await hall.leave(2)
    await hall.come(4)
    assert hall.leases[4].endpoint == "large"


async def test_an_endpoint_whose_breaker_is_open_is_passed_over_even_if_others_are_busy() -> None:
    hall = Hall([Place("open", 1, lambda: False), Place("fine", 1)])
    await hall.come(0)
    await hall.come(1)
    assert (hall.leases[0].endpoint, hall.order) == ("fine", [0])
    await hall.leave(0)
    assert hall.leases[1].endpoint == "fine"


async def test_where_all_breakers_are_open_nobody_is_kept_waiting_for_the_refusal() -> None:
    hall = Hall([Place("open", 1, lambda: False), Place("too", 1, lambda: False)])
    await hall.come(0)
    assert hall.order == [0]


async def test_an_endpoint_to_be_avoided_is_taken_only_where_no_other_is_free() -> None:
    hall = Hall([Place("a", 1), Place("b", 1)])
    await hall.come(0, avoid=frozenset({"a"}))
    await hall.come(1, avoid=frozenset({"b"}))
    await hall.come(2, avoid=frozenset({"a"}))
    await hall.leave(1)
    assert [hall.leases[who].endpoint for who in (0, 2)] == ["b", "a"]


async def test_an_endpoint_that_is_added_serves_those_who_wait() -> None:
    hall = Hall()
    await hall.come(0)
    await hall.come(1)
    hall.admission.set_places([Place("here", 1), Place("there", 1)])
    await turn()
    assert hall.leases[1].endpoint == "there"


# -- giving way -------------------------------------------------------------------------------------------------------


def yields(hall: Hall, who: int) -> list[int]:
    asked: list[int] = []
    hall.leases[who].preemptible(lambda: asked.append(who))
    return asked


async def test_an_evaluation_is_asked_to_make_room_for_a_question() -> None:
    hall = Hall()
    await hall.come(0, "evaluation")
    asked = yields(hall, 0)
    await hall.come(1, "graph")
    assert asked == []
    await hall.come(2, "interactive")
    await hall.come(3, "interactive")
    assert asked == [0]
    await hall.leave(0)
    assert hall.order == [0, 2]


async def test_one_evaluation_makes_room_for_each_question_the_latest_first() -> None:
    hall = Hall([Place("here", 3)])
    asked = []
    for who in range(3):
        await hall.come(who, "evaluation")
        hall.clock.advance(1)
        asked.append(yields(hall, who))
    await hall.come(3, "interactive")
    assert asked == [[], [], [2]]
    await hall.come(4, "interactive")
    assert asked == [[], [1], [2]]


async def test_an_evaluation_that_begins_to_stream_while_a_question_waits_makes_room_at_once() -> None:
    hall = Hall()
    await hall.come(0, "evaluation")
    await hall.come(1, "interactive")
    assert yields(hall, 0) == [0]


@pytest.mark.parametrize("priority", ["graph", "interactive"])
async def test_only_evaluations_make_room(priority: Priority) -> None:
    hall = Hall()
    await hall.come(0, priority)
    asked = yields(hall, 0)
    await hall.come(1, "interactive")
    assert asked == []


async def test_an_evaluation_that_has_waited_long_enough_is_not_asked_to_yield_again() -> None:
    hall = Hall()
    await hall.come(0, "evaluation", since=hall.clock.now() - 2 * AGEING_S - 1)
    asked = yields(hall, 0)
    await hall.come(1, "interactive")
    assert asked == []


async def test_what_has_ended_is_not_asked_to_yield() -> None:
    hall = Hall()
    await hall.come(0, "evaluation")
    asked = yields(hall, 0)
    hall.leases[0].settled()
    await hall.come(1, "interactive")
    assert asked == []
