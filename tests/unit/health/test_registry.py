"""The registry of breakers."""

from __future__ import annotations

import pytest

from engine.config import BreakerConfig
from engine.errors import EngineError, ErrorClass
from engine.events import Body
from engine.health.registry import BreakerRegistry
from tests.unit.health.clock import Clock


def registry(clock: Clock, events: list[Body]) -> BreakerRegistry:
    return BreakerRegistry(BreakerConfig(), now=clock.now, wall_ms=clock.wall_ms, emit=events.append)


def test_a_key_always_names_the_same_breaker() -> None:
    breakers = registry(Clock(), [])
    assert breakers.get("here tiny", "endpoint") is breakers.get("here tiny", "endpoint")
    assert breakers.get("graph/node", "node").scope == "node"


def test_snapshots_come_sorted_by_key_and_restore_elsewhere() -> None:
    clock, events = Clock(), list[Body]()
    breakers = registry(clock, events)
    for key in ("b", "a"):
        for _ in range(3):
            breakers.get(key, "endpoint").acquire().failure("down")
    shots = breakers.snapshots()
    assert [shot.key for shot in shots] == ["a", "b"]
    clock.advance(10)
    later = list[Body]()
    again = registry(clock, later)
    again.restore(shots)
    assert again.snapshots() == shots
    assert later == []


def test_breakers_do_not_know_of_each_other() -> None:
    breakers = registry(Clock(), [])
    for _ in range(3):
        breakers.get("a", "endpoint").acquire().failure("down")
    breakers.get("b", "endpoint").acquire().success()
    assert [shot.state for shot in breakers.snapshots()] == ["open", "closed"]


def test_a_breaker_is_forced_by_its_key() -> None:
    events = list[Body]()
    breakers = registry(Clock(), events)
    breakers.get("a", "endpoint")
    breakers.force("a", "open")
    assert breakers.get("a", "endpoint").state == "forced_open"
    assert len(events) == 1


def test_forcing_an_unknown_breaker_names_the_known_ones() -> None:
    breakers = registry(Clock(), [])
    breakers.get("here tiny", "endpoint")
    with pytest.raises(EngineError) as caught:
        breakers.force("there tiny", "open")
    assert caught.value.error_class is ErrorClass.NOT_FOUND
    assert "here tiny" in caught.value.remedy
