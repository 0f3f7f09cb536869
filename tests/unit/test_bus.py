from __future__ import annotations

import asyncio

import pytest

from engine.bus import EventBus, Lagged, Subscription
from engine.events import BackendChanged, Event, NodeStarted


def event(gseq: int, tx: str | None = "a") -> Event:
    body = BackendChanged("e", "b", "ready") if tx is None else NodeStarted("n", 1, 1)
    return Event(gseq, tx, gseq if tx else 0, 0, 0, body)


def numbers(items: list[Event | Lagged]) -> list[int]:
    return [item.gseq for item in items if isinstance(item, Event)]


def test_events_come_in_the_order_in_which_they_were_published() -> None:
    bus = EventBus()
    subscription = bus.subscribe()
    for gseq in range(1, 6):
        bus.publish(event(gseq))
    assert numbers(subscription.drain()) == [1, 2, 3, 4, 5]
    assert subscription.drain() == []


def test_a_subscriber_gets_nothing_from_before_it_came() -> None:
    bus = EventBus()
    bus.publish(event(1))
    subscription = bus.subscribe()
    bus.publish(event(2))
    assert numbers(subscription.drain()) == [2]


def test_an_overrun_ring_gives_lagged_first_with_the_count_of_what_was_missed() -> None:
    bus = EventBus()
    subscription = bus.subscribe(size=3)
    for gseq in range(1, 8):
        bus.publish(event(gseq))
    first, *rest = subscription.drain()
    assert first == Lagged(missed=4, next_gseq=5)
    assert numbers(rest) == [5, 6, 7]
    bus.publish(event(8))
    assert numbers(subscription.drain()) == [8], "the lag is told once"


def test_a_slow_subscriber_takes_nothing_from_a_quick_one() -> None:
    bus = EventBus()
    slow, quick = bus.subscribe(size=1), bus.subscribe()
    for gseq in range(1, 5):
        bus.publish(event(gseq))
    assert isinstance(slow.drain()[0], Lagged)
    assert numbers(quick.drain()) == [1, 2, 3, 4]


def test_drain_takes_at_most_the_limit_and_leaves_the_rest() -> None:
    bus = EventBus()
    subscription = bus.subscribe()
    for gseq in range(1, 6):
        bus.publish(event(gseq))
    assert numbers(subscription.drain(2)) == [1, 2]
    assert numbers(subscription.drain(99)) == [3, 4, 5]


def test_a_subscriber_of_one_transaction_gets_its_events_and_the_engine_stream() -> None:
    bus = EventBus()
    one, everything = bus.subscribe(tx="a"), bus.subscribe()
    for gseq, tx in enumerate(["a", "b", None, "b", "a"], 1):
        bus.publish(event(gseq, tx))
    assert numbers(one.drain()) == [1, 3, 5]
    assert numbers(everything.drain()) == [1, 2, 3, 4, 5]


def test_a_subscriber_of_one_transaction_costs_nothing_to_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    bus = EventBus()
    for number in range(50):
        bus.subscribe(tx=f"other {number}")
    mine = bus.subscribe(tx="a")
    puts = []
    put = Subscription.put
    monkeypatch.setattr(Subscription, "put", lambda self, item: (puts.append(self), put(self, item)))
    for gseq in range(1, 11):
        bus.publish(event(gseq))
    assert puts == [mine] * 10


async def test_iteration_waits_for_events_and_ends_when_the_subscription_is_closed() -> None:
    bus = EventBus()
    subscription = bus.subscribe()
    seen: list[int] = []

    async def read() -> None:
        async for item in subscription:
            assert isinstance(item, Event)
            seen.append(item.gseq)
            if item.gseq == 2:
                second.set()

    second = asyncio.Event()
    reader = asyncio.create_task(read())
    await asyncio.sleep(0)
    bus.publish(event(1))
    bus.publish(event(2))
    await second.wait()
    bus.publish(event(3))
    bus.close()
    await reader
    assert seen == [1, 2, 3], "what was in the ring at the close is still given"
    bus.publish(event(4))
    assert subscription.drain() == []


async def test_a_cancelled_wait_leaves_the_subscription_usable() -> None:
    bus = EventBus()
    subscription = bus.subscribe()
    waiting = asyncio.create_task(subscription.wait())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    bus.publish(event(1))
    assert await subscription.wait()
    assert numbers(subscription.drain()) == [1]


def test_closing_one_subscription_leaves_the_others_of_its_transaction() -> None:
    bus = EventBus()
    first, second = bus.subscribe(tx="a"), bus.subscribe(tx="a")
    first.close()
    first.close()
    bus.publish(event(1))
    assert numbers(first.drain()) == []
    assert numbers(second.drain()) == [1]


def test_a_ring_of_no_events_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        EventBus().subscribe(size=0)
