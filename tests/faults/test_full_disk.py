"""A disk that is full while the engine and the cockpit work on it, and has space again; prints its figures.

`TINYLLM_FAULTS=long` is the long form: 10 rounds instead of one.
"""

from __future__ import annotations

import asyncio
import os

import pytest

from tests.faults.full_disk import LEVELS, measure, why_not

ROUNDS = 10 if os.environ.get("TINYLLM_FAULTS") == "long" else 1


@pytest.mark.timeout(120 + 120 * ROUNDS)
async def test_on_a_full_disk_everybody_is_told_and_everything_goes_on_when_there_is_space(
    capsys: pytest.CaptureFixture[str],
) -> None:
    if reason := await asyncio.to_thread(why_not):
        pytest.skip(f"No small disk can be made here: {reason}.")
    figures = await asyncio.to_thread(measure, ROUNDS)
    with capsys.disabled():
        print(f"\na full disk:\n{figures}")
    assert figures.problems == []
    assert (figures.lost, figures.torn, figures.astray, figures.unclear) == (0, 0, 0, 0)
    rounds = ROUNDS * len(LEVELS)
    assert (figures.pauses, figures.screens, figures.begun_while_full) == (2 * rounds, rounds, rounds)
    assert figures.went_on == 3 * rounds
    assert figures.refused >= 2 * rounds
