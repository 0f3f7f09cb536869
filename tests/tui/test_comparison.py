"""Two runs beside each other, without a screen: facts, and the playhead that both share."""

from __future__ import annotations

from engine import events as ev
from tests.tui.scripted_engine import ScriptedEngine, answers, fails
from tests.tui.test_cockpit import spec
from tinyllm_tui.comparison import compared, differing
from tinyllm_tui.screens.shared_playhead import SharedPlayhead
from tinyllm_tui.widgets.compare_lines import answer_lines, fact_lines
from tinyllm_tui.word_diff import word_diff
from tinyllm_tui.words import ASCII, plain


def timed(*at: int) -> list[ev.Event]:
    return [ev.Event(n, "t", n, t, 5000 + t, ev.Checkpoint(n, n, ())) for n, t in enumerate(at, 1)]


async def test_facts_tell_what_is_not_the_same() -> None:
    engine = ScriptedEngine(answers)
    async with engine.open():
        await engine.start(spec(), "What is 2 + 2?").result()
        engine.script = fails
        await engine.start(spec(), "What is 2 + 2?").result()
        rows = [await engine.transaction(ref) for ref in ("1", "2")]
        views = [await engine.view(row.tx) for row in rows]
    facts = compared((rows[0], views[0]), (rows[1], views[1]))
    by_name = {fact.name: fact for fact in facts}
    assert not by_name["question"].differs
    assert (by_name["outcome"].one, by_name["outcome"].other) == ("committed", "rolled back, failed")
    assert by_name["route"].one == "start > router > general > check > answer"
    assert by_name["route"].other == "start > router > math"
    assert by_name["failed attempts"].other == "3"
    assert by_name["node general"].other == "-"
    assert {"outcome", "route", "answered by", "failed attempts"} <= set(differing(facts))
    lines = [plain(line) for line in fact_lines(facts, ("#1", "#2"), 80, ASCII)]
    assert "#1" in lines[0]
    assert "#2" in lines[0]
    assert lines[1].startswith("= question")
    assert lines[2].startswith("! outcome")
    assert not any(fact.differs for fact in compared((rows[0], views[0]), (rows[0], views[0])))


def test_by_time_both_are_at_the_same_moment_and_by_share_equally_far() -> None:
    head = SharedPlayhead(timed(0, 100, 200), timed(0, 1000))
    head.to(150)
    assert [each.position for each in head.heads] == [2, 1]
    head.to_end()
    assert head.ended
    head.measure("share")
    assert head.ended
    head.to(0.5)
    assert [each.position for each in head.heads] == [2, 1]
    assert head.share == 0.5
    assert head.go("100%")
    assert head.ended
    assert head.go("0.5s")
    assert head.share == 0.5
    assert not head.go("soon")


def test_steps_stop_where_something_happens_in_either_and_lead_back_the_same_way() -> None:
    head = SharedPlayhead(timed(0, 100, 200), timed(0, 150))
    head.to_start()
    places = [head.position]
    while not head.ended:
        head.step(1)
        places.append(head.position)
    assert places == [0, 1, 2, 3, 4]
    assert [each.position for each in head.heads] == [3, 2]
    for place in (3, 2, 1, 0, 0):
        head.step(-1)
        assert head.position == place
    assert [each.position for each in head.heads] == [0, 0]
    head.advance(120)
    assert [each.position for each in head.heads] == [2, 1]


def test_an_answer_is_marked_by_brackets_and_one_that_has_nothing_in_common_is_not() -> None:
    one, other = "It is \x1b[31mParis.\nSo.", "It is Rome.\nSo."
    lines = [plain(line) for line in answer_lines(other, word_diff(one, other), first=False, width=40)]
    assert lines == ["It is {+Rome.+}", "So."]
    lines = [plain(line) for line in answer_lines(one, word_diff(one, other), first=True, width=40)]
    assert lines == ["It is [-Paris.-]", "So."]
    apart = word_diff("one two three four five six", "seven")
    assert "none is marked" in plain(answer_lines("seven", apart, first=False, width=80)[0])
