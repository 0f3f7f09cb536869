"""A model server that does everything wrong: classes, retries, breakers and left-overs; prints its figures.

`TINYLLM_FAULTS=long` is the long form: every case 100 times instead of 10.
"""

from __future__ import annotations

import os

import pytest

from engine.errors import ErrorClass
from tests.faults.hostile import measure

ROUNDS = 100 if os.environ.get("TINYLLM_FAULTS") == "long" else 10
NEVER_FROM_A_SERVER = {
    ErrorClass.TOOL_REFUSED,
    ErrorClass.BREAKER_OPEN,
    ErrorClass.BUDGET_EXHAUSTED,
    ErrorClass.INTERNAL,
}


@pytest.mark.timeout(7200 if ROUNDS > 10 else 600)
async def test_whatever_a_server_does_is_classified_retried_and_cleaned_up_as_the_table_says(
    capsys: pytest.CaptureFixture[str],
) -> None:
    figures = await measure(ROUNDS, seed=1)
    with capsys.disabled():
        print(f"\na hostile model server:\n{figures}")
    assert figures.problems == []
    assert figures.as_in_table == figures.cases
    assert figures.cases >= 280 * ROUNDS
    assert set(figures.rows) == {each.value for each in ErrorClass} - NEVER_FROM_A_SERVER | {"accepted"}
    assert min(figures.rows.values()) >= 2 * ROUNDS, "every class comes in both dialects and in every round"
    assert figures.longest_second_s < 3.0
    assert (figures.left_tasks, figures.left_connections, figures.left_children) == (0, 0, 0)
    assert figures.refused_by_breakers, "else no breaker was ever open"
    assert figures.once_changed >= 20 * ROUNDS
