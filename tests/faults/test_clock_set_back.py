"""The wall clock is set back an hour between two processes: nothing is lost, prolonged or put in another order."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import engine
from engine import events as ev
from engine.config import EngineConfig
from engine.store.log import EventLog
from tests.graphs import chain, node, one_model
from tests.interruption import Watched, leave
from tests.running import run_in
from tests.scripted_backend import ScriptedBackend, fault
from tests.waiting import until

HOUR_S = 3600


def set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour earlier, for everybody who looks at the wall clock from now on."""
    wall, wall_ns = time.time, time.time_ns
    monkeypatch.setattr(time, "time", lambda: wall() - HOUR_S)
    monkeypatch.setattr(time, "time_ns", lambda: wall_ns() - HOUR_S * 10**9)
    monkeypatch.setitem(EventLog.__init__.__kwdefaults__ or {}, "wall", time.time)


async def test_an_interrupted_run_goes_on_and_its_own_clock_never_goes_back(
    tmp_path: Path, scripted: ScriptedBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched()
    with watched.watching():
        async with engine.open(tmp_path / "whole") as eng:
            await run_in(eng, chain(node("a", "model"), node("b", "model")))
    cut = next(n for n in watched.cuts if isinstance(watched.events[n - 1].body, ev.ModelFinished))
    await leave(watched.events[:cut], tmp_path / "cut")
    set_back(monkeypatch)
    async with engine.open(tmp_path / "cut") as eng:
        (run,) = eng.resumed
        result = await run.result()
        events = [event for event in await eng.events(run.transaction) if event.tx]
    assert result.status == "committed"
    assert events[-1].wall_ms < events[0].wall_ms - 3000 * 1000, "the clock was set back"
    assert [event.t_ms for event in events] == sorted(event.t_ms for event in events)
    assert [event.gseq for event in events] == sorted(event.gseq for event in events)
    (resumed,) = [event.body for event in events if isinstance(event.body, ev.Resumed)]
    assert resumed.away_ms == 0


async def test_runs_and_turns_stay_in_the_order_in_which_they_were(
    tmp_path: Path, scripted: ScriptedBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with engine.open(tmp_path) as eng:
        session = (await eng.create_session("mine")).id
        await run_in(eng, one_model(), "the first", session=session)
    set_back(monkeypatch)
    async with engine.open(tmp_path) as eng:
        await run_in(eng, one_model(), "the second", session=session)
        rows = await eng.transactions()
        turns = await eng.session_messages(session)
        assert (await eng.prune(older_than_s=1800)).numbers == (), "what ended in the future is not old"
        kept = await eng.prune(keep=1)
    assert [row.question for row in rows] == ["the second", "the first"]
    assert all(row.duration_ms >= 0 for row in rows)
    assert [text for role, text, _ in turns if role == "user"] == ["the first", "the second"]
    assert kept.numbers == (1,), "the newest is kept, by its number"


async def test_a_breaker_stays_open_no_longer_than_its_cooldown(
    tmp_path: Path, scripted: ScriptedBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = EngineConfig.model_validate({"breaker": {"failure_threshold": 1, "cooldown_s": 0.2}})
    scripted.answers([fault()])
    async with engine.open(tmp_path, config=config) as eng:
        await run_in(eng, one_model())
        assert [each.state for each in eng.breakers()].count("open") == 1
    set_back(monkeypatch)
    scripted.answers(["well again"])
    async with engine.open(tmp_path, config=config) as eng:
        (opened,) = [each for each in eng.breakers() if each.state == "open"]
        until_ms = opened.until_ms or 0
        assert until_ms <= time.time_ns() // 1_000_000 + 200
        await until(lambda: until_ms < time.time_ns() // 1_000_000)
        assert (await run_in(eng, one_model())).result.status == "committed"
