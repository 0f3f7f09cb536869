"""The lanes of a timeline, as what they are: functions of a view and a stretch of time."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from engine import events as ev
from engine.errors import ErrorClass, ErrorInfo
from engine.view import NodeView, TimelineEntry, View, VisitView, apply
from tests.tui.timeline_runs import (
    BUSY,
    BUSY_NODES,
    Timed,
    answered,
    begin,
    breaker,
    broke,
    calls,
    events_of,
    finished,
    started,
    view_of,
)
from tinyllm_tui.lanes import MAX_ROWS, RUN, Lane, Lanes, Window, lane_name, roomy
from tinyllm_tui.lanes_drawing import Look, label_width, lane_lines, lane_state, marker_at, scale_line
from tinyllm_tui.words import ASCII, MARK_TONES, UNICODE, Glyphs, Line, plain


def look_at(lanes: Lanes, width: int = 80, signs: Glyphs = UNICODE, playhead: float | None = None) -> Look:
    label = label_width(lanes.lanes, width)
    window = Window(0, max(lanes.end_ms, 10), max(width - label, 1))
    return Look(window, label, signs, playhead if playhead is not None else lanes.end_ms, playhead)


def drawn(lane: Lane, look: Look) -> list[Line]:
    return lane_lines(lane, look, lane_state("ok" if lane.name else None, look.signs))


def text_of(lane: Lane, look: Look) -> list[str]:
    return [plain(line)[look.label :] for line in drawn(lane, look)]


def lane(lanes: Lanes, name: str) -> Lane:
    return next(each for each in lanes.lanes if each.name == name)


def stretch(text: str, characters: str) -> range:
    found = [n for n, each in enumerate(text) if each in characters]
    return range(found[0], found[-1] + 1)


def test_two_parallel_branches_overlap() -> None:
    lanes = Lanes.of(view_of(BUSY, *BUSY_NODES))
    look = look_at(lanes)
    code, math = (stretch(text_of(lane(lanes, name), look)[0], "━╸╺") for name in ("code", "math"))
    assert max(code.start, math.start) < min(code.stop, math.stop)


def test_lanes_stand_in_the_order_in_which_their_nodes_began_and_inner_nodes_below_their_own() -> None:
    names = [each.name for each in Lanes.of(view_of(BUSY, *BUSY_NODES)).lanes]
    assert names == [
        "",
        "start",
        "router",
        "code",
        "math",
        "essay",
        "join",
        "polish",
        "polish/draft",
        "check",
        "answer",
    ]


def test_every_attempt_of_a_call_has_a_row_of_its_own() -> None:
    lanes = Lanes.of(view_of(BUSY, *BUSY_NODES))
    rows = text_of(lane(lanes, "code"), look_at(lanes))
    assert len(rows) == 3
    ends = [stretch(row, "━╸╺").stop for row in rows]
    assert ends == sorted(ends)
    assert [row.count("✗") for row in rows] == [1, 1, 0]


def test_a_node_that_is_tried_again_is_stacked_too() -> None:
    lanes = Lanes.of(view_of([(0, started("a")), (500, started("a", attempt=2)), (900, finished("a"))], "a"))
    assert [(each.row, each.start_ms, each.end_ms) for each in lane(lanes, "a").intervals] == [
        (0, 0, 500),
        (1, 500, 900),
    ]


def test_waiting_in_the_queue_is_dim_and_dotted_and_running_is_solid() -> None:
    lanes = Lanes.of(view_of([(0, started("a")), (600, calls("a", queued_ms=600)), (1000, finished("a"))], "a"))
    intervals = lane(lanes, "a").intervals
    assert [(each.kind, each.start_ms, each.end_ms) for each in intervals] == [("queued", 0, 600), ("run", 600, 1000)]
    cells = [(each, tone) for text, tone in drawn(lane(lanes, "a"), look_at(lanes))[0] for each in text]
    assert ("┄", "queued") in cells
    assert ("━", "run") in cells


def test_between_a_failed_attempt_and_the_next_one_it_waits() -> None:
    kinds = [(each.kind, each.row) for each in lane(Lanes.of(view_of(BUSY, *BUSY_NODES)), "code").intervals]
    assert kinds == [("run", 0), ("run", 0), ("queued", 0), ("run", 1), ("queued", 1), ("run", 2)]


def test_the_failure_stands_at_the_end_of_the_attempt_that_failed() -> None:
    failed: Timed = [
        (0, started("a")), (0, calls("a")), (400, broke("a", retry_in_ms=0)), (400, calls("a", attempt=2)),
        (900, answered("a", attempt=2)), (900, finished("a")),
    ]  # fmt: skip
    errors = [each for each in lane(Lanes.of(view_of(failed, "a")), "a").markers if each.mark == "error"]
    assert [(each.t_ms, each.row) for each in errors] == [(400, 0)]


def gate_retry() -> Timed:
    state = ev.RunSnapshot((), {}, {}, {}, {})
    rewound = ev.Rewound("check", "a", 1, (2, 5), state, ev.Retry("too short"))
    return [
        (0, started("a")), (300, finished("a")), (300, started("check")), (310, rewound),
        (320, started("a", visit=2)), (700, finished("a", visit=2)),
    ]  # fmt: skip


def test_what_a_retry_took_back_is_drawn_as_such_and_the_retry_is_stacked_below_it() -> None:
    lanes = Lanes.of(view_of(gate_retry(), "a", "check"))
    assert [(each.kind, each.row) for each in lane(lanes, "a").intervals] == [("taken_back", 0), ("run", 1)]
    taken_back, again = text_of(lane(lanes, "a"), look_at(lanes))
    assert "╍" in taken_back
    assert "╍" not in again
    assert any(each.mark == "rewind" for each in lane(lanes, "check").markers)


def test_a_visit_that_a_retry_cut_off_ends_there() -> None:
    lanes = Lanes.of(view_of(gate_retry(), "a", "check"))
    assert [(each.start_ms, each.end_ms) for each in lane(lanes, "check").intervals] == [(300, 310)]


def test_visits_of_one_node_at_the_same_time_do_not_hide_each_other() -> None:
    view = view_of(
        [(0, started("a")), (100, started("a", visit=2)), (800, finished("a")), (900, finished("a", visit=2))], "a"
    )
    assert [each.row for each in lane(Lanes.of(view), "a").intervals] == [0, 1]


def test_what_goes_on_ends_now_and_a_run_that_is_over_closes_it() -> None:
    view = view_of([(0, started("a")), (500, ev.Checkpoint(1, 2, ()))], "a")
    lanes = Lanes.of(view)
    assert lane(lanes, "a").open
    apply(view, ev.Event(9, "t", 9, 900, 1_000_900, ev.RolledBack("cancelled")))
    lanes.update(view)
    assert not lane(lanes, "a").open
    assert [(each.end_ms, each.state) for each in lane(lanes, "a").intervals] == [(900, "cancelled")]


def test_every_kind_of_marker_has_a_sign_and_the_runs_own_stand_in_its_lane() -> None:
    run: Timed = [
        (0, started("a")),
        (100, ev.Compensated("a", 1, "c", "write_file")),
        (200, ev.ContextPruned("a m", "over 80 %", 9, 5, 10, ("x",))),
        (300, breaker("closed", "open")),
        (400, ev.Checkpoint(1, 2, ())),
        (500, ev.RollingBack("failed")),
    ]  # fmt: skip
    lanes = Lanes.of(view_of(run, "a"))
    assert [each.mark for each in lane(lanes, RUN).markers] == ["start", "breaker", "checkpoint", "rollback"]
    assert [each.mark for each in lane(lanes, "a").markers] == ["start", "undone", "prune"]
    for signs in (UNICODE, ASCII):
        look = look_at(lanes, signs=signs)
        assert [each for each in text_of(lane(lanes, RUN), look)[0] if each not in "─- "] == [
            signs.marks[mark] for mark in ("start", "breaker", "checkpoint", "rollback")
        ]
        for sign in (signs.marks["undone"], signs.marks["prune"]):
            assert sign in text_of(lane(lanes, "a"), look)[0]


@given(
    st.lists(st.sampled_from(sorted(set(MARK_TONES) - {"info", "imported", "error"})), max_size=8), st.integers(0, 8)
)
def test_a_marker_never_hides_an_error(marks: list[str], place: int) -> None:
    view = View(nodes={"a": NodeView("a", "model", "a", visits=[VisitView(1, 0, finished_ms=1000, state="ok")])})
    marks.insert(min(place, len(marks)), "error")
    view.timeline = [TimelineEntry(n, n, 500, mark, mark, "a", "") for n, mark in enumerate(marks, 1)]  # type: ignore[arg-type]
    lanes = Lanes.of(view)
    a, window = lane(lanes, "a"), Window(0, 1000, 10)
    assert "✗" in text_of(a, Look(window, 4, UNICODE, 1000))[0]
    shown = marker_at(a, 0, window.column(500), window)
    assert shown is not None
    assert shown.mark == "error"


def test_what_is_yet_to_come_in_a_replay_is_faint_and_the_playhead_is_a_line_through_all_lanes() -> None:
    lanes = Lanes.of(view_of(BUSY, *BUSY_NODES))
    look = look_at(lanes, playhead=1400)
    column = look.label + look.window.column(1400)
    for each in lanes.lanes:
        for line in drawn(each, look):
            assert plain(line)[column] == "│"
            cells = [tone for text, tone in line for _ in text]
            assert set(cells[column + 1 :]) <= {"faint"}
    assert "│1.40s" in plain(scale_line(look))


@pytest.mark.parametrize("moment", [0, 700, 1010, 4100, 4230])
def test_the_moment_of_a_replay_stands_on_the_scale_apart_from_its_numbers(moment: int) -> None:
    lanes = Lanes.of(view_of(BUSY, *BUSY_NODES))
    words = plain(scale_line(look_at(lanes, playhead=moment))).split()
    assert any(word.strip("│") == f"{moment / 1000:.2f}s" for word in words)
    assert all(word.startswith("╵") or "│" in word for word in words)


def test_the_playhead_never_covers_a_marker() -> None:
    lanes = Lanes.of(view_of(BUSY, *BUSY_NODES))
    look = look_at(lanes, playhead=1100)
    assert text_of(lane(lanes, "code"), look)[0][look.window.column(1100)] == "✗"


def test_new_events_change_only_the_lanes_that_they_are_about() -> None:
    events = events_of(BUSY, *BUSY_NODES)
    view, lanes = View(), Lanes()
    for event in events[:20]:
        apply(view, event)
    lanes.update(view)
    before = {each.name: each.revision for each in lanes.lanes}
    assert not lanes.update(view)
    apply(view, events[20])
    assert lanes.update(view)
    changed = {each.name for each in lanes.lanes if before[each.name] != each.revision}
    assert changed <= {"code", "math", "essay"}


def test_lanes_taken_event_by_event_are_those_of_the_whole_view() -> None:
    for run in (BUSY, gate_retry()):
        view, lanes = View(), Lanes()
        for event in events_of(run, *BUSY_NODES, "a"):
            apply(view, event)
            lanes.update(view)
        whole = Lanes.of(view)
        assert [each.name for each in lanes.lanes] == [each.name for each in whole.lanes]
        for ours, theirs in zip(lanes.lanes, whole.lanes, strict=True):
            assert ours.intervals == theirs.intervals
            assert {(each.index, each.mark) for each in ours.markers} == {(m.index, m.mark) for m in theirs.markers}


def test_another_run_is_begun_anew() -> None:
    lanes = Lanes.of(view_of(BUSY, *BUSY_NODES))
    lanes.update(view_of([(0, started("a"))], "a"))
    assert [each.name for each in lanes.lanes] == ["", "a"]


def test_visits_of_a_loop_share_one_lane() -> None:
    assert lane_name("loop#3/draft") == "loop/draft"
    assert lane_name("odd#3") == "odd#3"
    run = [(n * 10, started(f"loop#{n}/draft")) for n in range(1, 9)]
    lanes = Lanes.of(view_of([(0, started("loop")), *run], "loop"))
    assert [each.name for each in lanes.lanes] == ["", "loop", "loop/draft"]
    assert lane(lanes, "loop/draft").path == "loop#8/draft"


def test_the_numbers_of_the_scale_stand_apart_and_at_their_moments() -> None:
    for span in (10, 250, 1_000, 9_999, 61_000, 4_000_000):
        for cells in (12, 40, 150):
            window = Window(0, span, cells)
            line = plain(scale_line(Look(window, 0, UNICODE, span)))
            assert len(line) == cells
            assert line[0] == "╵"
            assert all(line[n - 1] == " " for n, each in enumerate(line) if each == "╵" and n)


def test_the_room_for_a_run_that_goes_on_holds_it_and_seldom_changes() -> None:
    rooms = {roomy(end) for end in range(0, 60_000, 10)}
    assert all(roomy(end) >= end for end in range(0, 60_000, 100))
    assert len(rooms) < 25


ERROR = ErrorInfo(ErrorClass.TIMEOUT, "timeout", "It took too long.", "Wait.")
NAMES = st.sampled_from(["a", "日本語のとても長い名前", "x" * 60, "loop#1/inner", "e\u0301t\u00e9", "\x1b[31mred"])


@st.composite
def views(draw: st.DrawFn) -> View:
    """Views of nodes with any visits and attempts, in any state."""
    body: list[tuple[int, ev.Body]] = []
    at = 0
    for n in range(draw(st.integers(0, 12))):
        at += draw(st.integers(0, 5_000))
        name, visit = draw(NAMES), draw(st.integers(1, 3))
        kind = draw(st.integers(0, 6))
        choices: list[ev.Body] = [
            started(name, visit, attempt=draw(st.integers(1, 9))),
            finished(name, visit, *draw(st.sampled_from([("ok", None), ("failed", ERROR), ("cancelled", None)]))),
            calls(name, attempt=draw(st.integers(1, 9)), queued_ms=draw(st.integers(0, 9_000)), visit=visit),
            broke(name, attempt=1),
            breaker("closed", "open"),
            ev.Checkpoint(n, n, ()),
            ev.RolledBack("failed", ERROR),
        ]
        body.append((at, choices[kind]))
    return view_of(body, "a")


@settings(max_examples=150, deadline=None)
@given(views(), st.integers(1, 200), st.sampled_from([UNICODE, ASCII]), st.floats(0, 60_000), st.floats(1, 60_000))
def test_lanes_fit_whatever_happened(view: View, width: int, signs: Glyphs, start: float, span: float) -> None:
    lanes = Lanes.of(view)
    label = label_width(lanes.lanes, width)
    window = Window(start, span, max(width - label, 1))
    for playhead in (None, start + span / 2):
        look = Look(window, label, signs, lanes.end_ms, playhead)
        assert cell_len(plain(scale_line(look))) == label + window.cells
        for each in lanes.lanes:
            lines = drawn(each, look)
            assert len(lines) == each.rows <= MAX_ROWS
            for line in lines:
                assert cell_len(plain(line)) == label + window.cells
                assert "\x1b" not in plain(line)


def test_a_wide_name_is_cut_and_keeps_the_columns() -> None:
    lanes = Lanes.of(view_of([(0, started("写作写作写作写作写作写作")), (100, finished("写作写作写作写作写作写作"))]))
    look = look_at(lanes, width=40)
    assert all(cell_len(plain(line)) == 40 for each in lanes.lanes for line in drawn(each, look))


@pytest.mark.parametrize("signs", [ASCII])
def test_ascii_lanes_are_ascii(signs: Glyphs) -> None:
    lanes = Lanes.of(view_of(BUSY, *BUSY_NODES))
    look = look_at(lanes, signs=signs, playhead=900)
    assert plain(scale_line(look)).isascii()
    assert all(plain(line).isascii() for each in lanes.lanes for line in drawn(each, look))


def test_a_run_without_nodes_has_the_lane_of_the_run() -> None:
    lanes = Lanes.of(view_of([]))
    assert [each.name for each in lanes.lanes] == [RUN]
    assert Lanes.of(View()).lanes == []
    assert begin().question == "why?"
