"""kill -9 at random instants of runs with branches, loops, retries and effects; prints its figures.

`TINYLLM_FAULTS=long` is the long form: 5,000 kills instead of 200.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

import engine
from engine.config import EngineConfig
from engine.run.compensation import forget_copies
from tests.approvers import Person, yes
from tests.faults.kills import measure
from tests.faults.workload import inputs_of, write
from tests.graphs import chain
from tests.running import run_in

KILLS = 5000 if os.environ.get("TINYLLM_FAULTS") == "long" else 200


@pytest.mark.timeout(KILLS * 4)
async def test_whenever_a_process_is_killed_nothing_acknowledged_is_lost_and_nothing_is_done_twice(
    capsys: pytest.CaptureFixture[str],
) -> None:
    figures = await asyncio.to_thread(measure, KILLS, seed=1)
    with capsys.disabled():
        print(f"\nkill -9 at random instants:\n{figures}")
    assert figures.problems == []
    assert (figures.lost, figures.torn, figures.twice, figures.astray, figures.failed_workers) == (0, 0, 0, 0, 0)
    assert figures.kills == KILLS
    assert figures.between_intent_and_outcome >= 20, "else the kills show little"
    assert figures.effect_had_happened, "effects that had happened, and nobody knew, are the point"
    assert figures.while_taking_back
    assert figures.while_opening
    assert figures.resumed
    assert figures.rolled_back_at_start
    assert figures.acknowledged >= KILLS


async def test_undo_copies_of_a_run_that_ended_together_with_its_process_are_removed_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "workspace").mkdir()
    undo = tmp_path / "data" / "undo"
    config = EngineConfig(workspace=tmp_path / "workspace")

    async def killed(_tools: object) -> None:
        """The process ends here."""

    monkeypatch.setattr("engine.run.driver.forget_copies", killed)
    async with engine.open(tmp_path / "data", config=config) as eng:
        ran = await run_in(eng, chain(write("write", "a")), inputs=inputs_of("run"), approver=Person(yes))
    assert ran.result.status == "committed"
    (undo / "of somebody else").mkdir()
    assert sorted(path.name for path in undo.iterdir()) == sorted([ran.result.transaction, "of somebody else"])
    monkeypatch.setattr("engine.run.driver.forget_copies", forget_copies)
    async with engine.open(tmp_path / "data", config=config):
        assert [path.name for path in undo.iterdir()] == ["of somebody else"]
