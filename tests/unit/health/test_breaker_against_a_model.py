"""The circuit breaker against an independent model of DESIGN section 6, under random sequences of calls."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from itertools import takewhile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.config import BreakerConfig
from engine.errors import BreakerOpen
from engine.events import Body, BreakerChanged
from engine.health.breaker import CircuitBreaker, Permit
from tests.unit.health.clock import Clock

THRESHOLD, COOLDOWN, SUCCESSES, PROBES = 3, 60.0, 2, 2


@dataclass
class Model:
    """The rules written down as plainly as possible: a history of epochs, each with its own calls."""

    state: str = "closed"
    epoch: int = 0
    opened_at: float = 0.0
    streak: list[str] = field(default_factory=list)
    """Results that counted in this epoch."""
    probes: dict[int, float] = field(default_factory=dict)
    """Call -> when its probe began."""
    epoch_of: dict[int, int] = field(default_factory=dict)

    def _move(self, state: str, now: float) -> None:
        self.state, self.epoch, self.streak, self.probes = state, self.epoch + 1, [], {}
        self.opened_at = now

    def begin(self, call: int, now: float) -> bool:
        if self.state == "open":
            if now - self.opened_at < COOLDOWN:
                return False
            self._move("half_open", now)
        if self.state == "half_open":
            if sum(now - began < COOLDOWN for began in self.probes.values()) >= PROBES:
                return False
            self.probes[call] = now
        self.epoch_of[call] = self.epoch
        return True

    def end(self, call: int, how: str, now: float) -> None:
        if self.epoch_of.pop(call) != self.epoch:
            return
        self.probes.pop(call, None)
        if how == "cancelled":
            return
        self.streak.append(how)
        tolerated = {"closed": THRESHOLD, "half_open": 1, "open": math.inf}[self.state]
        if trailing_failures(self.streak) >= tolerated:
            self._move("open", now)
        elif self.state == "half_open" and self.streak.count("success") == SUCCESSES:
            self._move("closed", now)


def trailing_failures(streak: list[str]) -> int:
    return len(list(takewhile(lambda how: how == "failure", reversed(streak))))


class Pair:
    """The breaker and the model, driven together and compared after every step."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.clock.seconds = 0.0
        self.model = Model()
        self.states: list[str] = []
        self.breaker = CircuitBreaker(
            "k", "endpoint", BreakerConfig(), now=self.clock.now, wall_ms=self.clock.wall_ms, emit=self._emit
        )
        self.running: dict[int, Permit] = {}
        self.calls = 0

    def _emit(self, body: Body) -> None:
        assert isinstance(body, BreakerChanged)
        if body.previous != body.breaker.state:
            self.states.append(body.breaker.state)

    def begin(self) -> None:
        self.calls += 1
        expected = self.model.begin(self.calls, self.clock.seconds)
        assert self.breaker.available() is expected
        if expected:
            self.running[self.calls] = self.breaker.acquire()
        else:
            with pytest.raises(BreakerOpen) as refusal:
                self.breaker.acquire()
            assert refusal.value.retry_after is not None
            assert 0 < refusal.value.retry_after <= COOLDOWN
        self.compare()

    def end(self, pick: int, how: str) -> None:
        if not self.running:
            return
        call = sorted(self.running)[pick % len(self.running)]
        permit = self.running.pop(call)
        permit.failure("x") if how == "failure" else getattr(permit, how)()
        permit.failure("reported twice")
        self.model.end(call, how, self.clock.seconds)
        self.compare()

    def compare(self) -> None:
        assert self.breaker.state == self.model.state
        assert len(self.states) == self.model.epoch
        shot = self.breaker.snapshot()
        if self.model.state == "half_open":
            assert shot.successes == self.model.streak.count("success")
        if self.model.state == "closed":
            assert shot.failures == trailing_failures(self.model.streak)


STEPS = st.one_of(
    st.just(("begin", 0, "")),
    st.tuples(st.just("end"), st.integers(0, 30), st.sampled_from(["success", "failure", "failure", "cancelled"])),
    st.tuples(st.just("wait"), st.sampled_from([1, 20, 59, 60, 61]), st.just("")),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(STEPS, max_size=80))
def test_the_breaker_agrees_with_the_model_after_any_short_sequence(steps: list[tuple[str, int, str]]) -> None:
    pair = Pair()
    for what, number, how in steps:
        if what == "begin":
            pair.begin()
        elif what == "end":
            pair.end(number, how)
        else:
            pair.clock.advance(number)


@pytest.mark.parametrize("seed", range(4))
def test_the_breaker_agrees_with_the_model_over_thousands_of_calls(seed: int) -> None:
    rng, pair = random.Random(seed), Pair()
    mood = 0.5
    for step in range(3000):
        if step % 100 == 0:
            mood = rng.choice([0.05, 0.5, 0.95])  # the endpoint is well, unsteady or down for a while
        draw = rng.random()
        if draw < 0.4:
            pair.begin()
        elif draw < 0.9:
            how = "cancelled" if rng.random() < 0.1 else "failure" if rng.random() < mood else "success"
            pair.end(rng.randrange(1000), how)
        else:
            pair.clock.advance(math.ceil(rng.expovariate(1 / 20)))
    assert {"open", "half_open", "closed"} <= set(pair.states)
