"""Two hundred runs at a time against a server of which 5 % of the answers are faults; prints its figures.

`TINYLLM_FAULTS=long` is the long form: an hour instead of 500 runs.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

from tests.faults.soak import GROWTH_MB, measure
from tests.faults.soak_work import work

LONG = os.environ.get("TINYLLM_FAULTS") == "long"
FORM: dict[str, Any] = {"minutes": 60} if LONG else {"runs": 500}


def test_the_graph_of_the_soak_has_twenty_nodes() -> None:
    assert len(work().nodes) == 20


@pytest.mark.timeout(7200 if LONG else 900)
async def test_every_run_ends_committed_or_rolled_back_and_nothing_is_left_over(
    capsys: pytest.CaptureFixture[str],
) -> None:
    figures = await asyncio.to_thread(measure, **FORM, seed=1)
    with capsys.disabled():
        print(f"\nsoak:\n{figures}")
    assert figures.problems == []
    assert figures.open_ends == figures.unsound == figures.wrong_breakers == 0
    assert (figures.left_tasks, figures.left_connections, figures.left_files, figures.left_children) == (0, 0, 0, 0)
    assert figures.growth_mb < GROWTH_MB
    assert figures.runs >= 500
    assert 2.0 < figures.faults_percent < 20.0, "5 on the long run; an outage weighs more where few requests are made"
    assert len(figures.faults) >= 5, "else the server was hardly hostile"
    assert figures.breakers["closed to open"], "else no breaker was at work"
    assert {"success", "cancelled"} < set(figures.ends), "else the runs show little"
