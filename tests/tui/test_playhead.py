"""The playhead of a replay."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import events as ev
from engine.view import fold
from tests.tui.scripted_engine import ScriptedEngine, fails
from tests.tui.test_cockpit import spec
from tinyllm_tui.screens.playhead import Playhead


async def recorded() -> list[ev.Event]:
    engine = ScriptedEngine(fails)
    async with engine.open():
        run = engine.start(spec(), "what?")
        await run.result()
        return await engine.events(run.transaction)


def timed(count: int) -> list[ev.Event]:
    """Checkpoints, one every 100 ms."""
    return [ev.Event(n, "t", n, n * 100, 5000 + n * 100, ev.Checkpoint(n, n, ())) for n in range(1, count + 1)]


async def test_wherever_the_playhead_goes_the_view_is_that_of_the_events_so_far() -> None:
    events = await recorded()
    playhead = Playhead(events)
    for position in (5, 3, len(events), 0, 7, 8, 6):
        playhead.seek(position)
        assert playhead.view == fold(events[:position])


@given(st.lists(st.integers(-40, 40), max_size=12))
def test_steps_never_leave_the_recording(steps: list[int]) -> None:
    playhead = Playhead(timed(20))
    for step in steps:
        playhead.step(step)
        assert 0 <= playhead.position <= 20


async def test_node_steps_stop_at_starts_of_nodes() -> None:
    events = await recorded()
    playhead = Playhead(events)
    playhead.node(1)
    assert isinstance(events[playhead.position - 1].body, ev.NodeStarted)
    first = playhead.position
    playhead.node(1)
    playhead.node(-1)
    assert playhead.position == first
    playhead.node(-1)
    assert playhead.position == 0


def test_playing_moves_between_events_in_recorded_time() -> None:
    playhead = Playhead(timed(10))
    playhead.advance(250)
    assert (playhead.position, playhead.t_ms) == (2, 250)
    playhead.advance(49)
    assert playhead.position == 2
    playhead.advance(10_000)
    assert playhead.ended
    assert playhead.t_ms == 1000


@pytest.mark.parametrize(
    ("where", "position"),
    [("7", 7), ("50%", 5), ("0.3s", 3), ("300ms", 3), ("+0.45s", 4), ("0m1s", 10), ("99", 10), ("0", 0), ("100 %", 10)],
)
def test_places_are_events_shares_and_times(where: str, position: int) -> None:
    playhead = Playhead(timed(10))
    assert playhead.go(where)
    assert playhead.position == position


@pytest.mark.parametrize("where", ["", "soon", "-3", "1.5", "%"])
def test_what_is_no_place_is_refused(where: str) -> None:
    playhead = Playhead(timed(10))
    playhead.seek(4)
    assert not playhead.go(where)
    assert playhead.position == 4


def test_an_empty_recording_is_harmless() -> None:
    playhead = Playhead([])
    playhead.step(1)
    playhead.node(1)
    playhead.advance(100)
    assert playhead.position == 0
    assert playhead.go("50%")
