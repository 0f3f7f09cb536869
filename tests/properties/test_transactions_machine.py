"""Transactions in every order of what can happen to them, against a dictionary model; prints its figures.

`TINYLLM_FAULTS=long` is the long form: 1,000 machines of 60 steps instead of 25 of 20;
`--hypothesis-seed=N` takes other steps.
"""

from __future__ import annotations

import os

import pytest

from tests.properties.transactions_machine import measure

LONG = os.environ.get("TINYLLM_FAULTS") == "long"
EXAMPLES, STEPS = (1000, 60) if LONG else (25, 20)


@pytest.mark.timeout(EXAMPLES * 12)
def test_whatever_happens_to_transactions_in_whatever_order_the_model_says_what_is_left(
    capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    given = request.config.getoption("--hypothesis-seed", None)
    figures = measure(EXAMPLES, STEPS, seed=int(given) if given else None if LONG else 1)
    with capsys.disabled():
        print(f"\ntransactions against a dictionary model:\n{figures}")
    assert figures.runs >= EXAMPLES
    assert figures.states >= 20 * EXAMPLES
    assert figures.crashes_inside, "crashes between two writes are the point"
    assert all((figures.calls, figures.rewinds, figures.commits, figures.rollbacks, figures.forks))
    assert all((figures.remembered, figures.recalled, figures.rolled_back_looked_for))
    assert all((figures.resumed, figures.rolled_back_at_start, figures.pruned, figures.kept))
