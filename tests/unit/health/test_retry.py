"""Back-off and retry budget."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.health.retry import RetryBudget, RetryPolicy

POLICY = RetryPolicy(attempts=3, base_s=0.5, cap_s=30.0)


class Highest(random.Random):
    """Draws the upper bound each time."""

    def uniform(self, a: float, b: float) -> float:
        return b


def test_the_bound_doubles_with_each_attempt_up_to_the_cap() -> None:
    assert [POLICY.bound(n) for n in (1, 2, 3, 6, 7, 5000)] == [0.5, 1.0, 2.0, 16.0, 30.0, 30.0]


def test_the_last_attempt_is_not_followed_by_another() -> None:
    rng = Highest()
    assert [POLICY.delay(n, None, rng) for n in (1, 2, 3)] == [0.5, 1.0, None]


@given(st.integers(1, 200), st.integers())
def test_the_wait_lies_between_nothing_and_the_bound(attempt: int, seed: int) -> None:
    policy = RetryPolicy(attempts=1000, base_s=0.5, cap_s=30.0)
    wait = policy.delay(attempt, None, random.Random(seed))
    assert wait is not None
    assert 0 <= wait <= policy.bound(attempt) <= 30


def test_the_jitter_is_full() -> None:
    rng = random.Random(1)
    waits = [POLICY.delay(1, None, rng) or 0.0 for _ in range(400)]
    assert min(waits) < 0.02
    assert max(waits) > 0.48
    assert sum(waits) / len(waits) == pytest.approx(0.25, abs=0.03)


def test_retry_after_is_waited_at_least_up_to_the_cap() -> None:
    assert POLICY.delay(1, 12.0, Highest()) == 12.0
    assert POLICY.delay(1, 45.0, Highest()) == 30.0
    assert POLICY.delay(1, math.inf, Highest()) == 30.0
    assert POLICY.delay(2, 0.1, Highest()) == 1.0


@pytest.mark.parametrize("nonsense", [-5.0, math.nan])
def test_a_retry_after_that_makes_no_sense_is_ignored(nonsense: float) -> None:
    assert POLICY.delay(1, nonsense, Highest()) == 0.5


def test_there_is_no_retry_that_would_begin_after_the_deadline() -> None:
    assert POLICY.delay(1, None, Highest(), left=0.5) is None
    assert POLICY.delay(1, None, Highest(), left=0.51) == 0.5
    assert POLICY.delay(1, 20.0, Highest(), left=19.0) is None


def test_an_idle_endpoint_has_a_small_floor_of_retries() -> None:
    budget = RetryBudget(ratio=0.2, floor=3)
    assert [budget.take() for _ in range(5)] == [True, True, True, False, False]


def test_five_calls_earn_one_retry() -> None:
    budget = RetryBudget(ratio=0.2, floor=1)
    assert budget.take()
    for _ in range(4):
        budget.called()
    assert not budget.take()
    budget.called()
    assert budget.take()


@given(st.lists(st.booleans(), max_size=300))
def test_retries_never_exceed_the_floor_and_a_fifth_of_the_calls(steps: list[bool]) -> None:
    budget = RetryBudget(ratio=0.2, floor=10)
    calls = retries = 0
    for is_call in steps:
        if is_call:
            calls += 1
            budget.called()
        else:
            retries += budget.take()
        assert retries <= 10 + 0.2 * calls + 1e-6
        assert 0 <= budget.tokens <= 10
