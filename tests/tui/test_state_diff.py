"""What one step changed."""

from __future__ import annotations

from engine.view import fold
from tests.tui.test_playhead import recorded
from tinyllm_tui.screens.playhead import Playhead
from tinyllm_tui.state_diff import Change, state_diff
from tinyllm_tui.widgets.state_diff_lines import diff_lines
from tinyllm_tui.words import ASCII, plain


async def test_every_step_of_a_run_is_told_by_what_it_changed() -> None:
    events = await recorded()
    told = {}
    for n, event in enumerate(events, 1):
        told.setdefault(event.kind, state_diff(fold(events[: n - 1]), fold(events[:n])))
    assert Change("run", "status", "created", "executing") in told["begin"]
    assert told["node_started"] == [Change("node", "start", "idle", "running")]
    assert Change("memory", "math smollm2:135m tokens", "0", "1790") in told["context_measured"]
    (pruned,) = [change for change in told["context_pruned"] if change.name.endswith("pruned")]
    assert (pruned.before, pruned.after) == ("1790", "1228: 2 went")
    assert Change("tokens", "completion", "0", "7") in told["model_delta"]
    assert any(change.part == "answer" for change in told["model_delta"])
    assert Change("breaker", "embedded smollm2:135m", "", "open") in told["breaker_changed"]
    assert Change("route", "start -> router", "", "taken") in told["edge_taken"]
    assert Change("run", "status", "rolling_back", "rolled_back") in told["rolled_back"]


async def test_the_playhead_knows_the_view_before_its_step() -> None:
    events = await recorded()
    playhead = Playhead(events)
    for position in (len(events), 9, 1, 0):
        playhead.seek(position)
        assert playhead.before() == fold(events[: max(position - 1, 0)])


async def test_lines_have_a_sign_beside_each_colour_and_outside_text_in_them_is_harmless() -> None:
    (event, *_) = await recorded()
    changes = [
        Change("variable", "\x1b[2Jname", "", "\x1b]0;title\x07new"),
        Change("node", "a", "idle", "running"),
        Change("variable", "b", "1", ""),
    ]
    lines = [plain(line) for line in diff_lines(event, changes, 60, ASCII)]
    assert lines[1:] == [" + variable name: new", " ~ node     a: idle -> running", " - variable b: 1"]
    assert "changed nothing" in plain(diff_lines(event, [], 60, ASCII)[-1])
    assert "Nothing has happened" in plain(diff_lines(None, [], 60, ASCII)[0])
