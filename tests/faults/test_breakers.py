"""Circuit breakers against a reference, and before crowds of 1,000 callers; prints its figures.

`TINYLLM_FAULTS=long` is the long form: a million steps instead of 20,000.
"""

from __future__ import annotations

import asyncio
import os

import pytest

from tests.faults.breakers import measure

LONG = os.environ.get("TINYLLM_FAULTS") == "long"
STEPS, CROWDS = (1_000_000, 50) if LONG else (20_000, 3)


@pytest.mark.timeout(7200 if LONG else 600)
async def test_breakers_agree_with_a_reference_and_never_let_more_than_two_probes_through(
    capsys: pytest.CaptureFixture[str],
) -> None:
    figures = await asyncio.to_thread(measure, STEPS, CROWDS, seed=1)
    with capsys.disabled():
        print(f"\ncircuit breakers:\n{figures}")
    assert figures.problems == []
    assert (figures.differences, figures.too_many_probes, figures.stuck) == (0, 0, 0)
    assert figures.steps == STEPS
    assert figures.most_probes == figures.most_probes_of_the_pool == 2
    assert min(figures.late, figures.cancelled, figures.set_back, figures.forced, figures.restarts) >= STEPS // 200
    assert figures.hung_probes
    assert figures.half_open >= 3 * CROWDS
    assert set(figures.states) == {"closed", "disabled", "forced_open", "half_open", "open"}
