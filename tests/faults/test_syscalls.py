"""Writes and syncs that fail with EIO or ENOSPC, or at which the process is killed; prints its figures.

`TINYLLM_FAULTS=long` is the long form: every call that a run makes, in every way, instead of a sample of 60.
"""

from __future__ import annotations

import asyncio
import os

import pytest

from tests.faults.syscalls import measure, why_not

CASES = None if os.environ.get("TINYLLM_FAULTS") == "long" else 60


@pytest.mark.timeout(7200 if CASES is None else 900)
async def test_whichever_system_call_fails_nothing_is_lost_and_the_message_is_clear(
    capsys: pytest.CaptureFixture[str],
) -> None:
    if reason := await asyncio.to_thread(why_not):
        pytest.skip(f"System calls cannot be made to fail here: {reason}.")
    figures = await asyncio.to_thread(measure, CASES, seed=1)
    with capsys.disabled():
        print(f"\nsystem calls that fail:\n{figures}")
    assert figures.problems == []
    assert (figures.lost, figures.torn, figures.twice, figures.astray, figures.unclear) == (0, 0, 0, 0, 0)
    assert figures.cases >= (CASES or 60)
    assert figures.struck >= figures.cases // 2, "else the calls show little"
    assert figures.killed
    assert figures.resumed
    assert {"database_failed", "disk_full"} <= set(figures.ends)
