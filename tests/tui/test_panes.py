"""The panes as what they are: functions of (view, now)."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Any

import pytest
from rich.cells import cell_len

from engine import events as ev
from engine.config import BreakerConfig
from engine.store.rows import ParentRow, TransactionRow
from engine.view import AttemptView, MemoryView, NodeView, PruneView, TimelineEntry, View, VisitView, apply
from tinyllm_tui.graph_layout import shape_of
from tinyllm_tui.keymap import KEYS
from tinyllm_tui.node_paths import innermost, short_path
from tinyllm_tui.transaction_filter import read_filter
from tinyllm_tui.transaction_line import transaction_line
from tinyllm_tui.widgets.breakers import EMPTY, breaker_lines, breakers_summary, shown_breakers
from tinyllm_tui.widgets.chat.footer import footer_lines
from tinyllm_tui.widgets.graph_view import lit
from tinyllm_tui.widgets.memory import memory_lines
from tinyllm_tui.widgets.status import BackendState, status_line
from tinyllm_tui.widgets.timeline import timeline_line
from tinyllm_tui.words import ASCII, UNICODE, Glyphs, duration, node_detail, parameters, plain, wrapped

WIDTHS = [24, 40, 58, 120]


def open_breaker(**changes: object) -> ev.BreakerSnapshot:
    values: dict[str, object] = {
        "key": "embedded smollm2:135m", "scope": "endpoint", "state": "open", "failures": 3, "until_ms": 61_000,
        "last_error": "it broke\x1b[31m", "recent": "..x.xxx",
    }  # fmt: skip
    return ev.BreakerSnapshot(**{**values, **changes})  # type: ignore[arg-type]


def test_the_countdown_of_an_open_breaker_is_a_function_of_now() -> None:
    breakers = [open_breaker()]
    assert "OPEN 1m00s left" in plain(breaker_lines(breakers, 1_000, 60)[0])
    assert "OPEN 11.0s left" in plain(breaker_lines(breakers, 50_000, 60)[0])
    assert "trial next" in plain(breaker_lines(breakers, 61_000, 60)[0])


def test_a_breaker_shows_its_last_calls_and_error_without_escape_sequences() -> None:
    lines = [plain(line) for line in breaker_lines([open_breaker()], 0, 60)]
    assert "▮▮✗▮✗✗✗" in lines[1]
    assert lines[2].strip() == "it broke"
    well = open_breaker(state="closed", until_ms=None, failures=0)
    assert plain(breaker_lines([well], 0, 60)[2]).strip() == "earlier: it broke", "it is over"


def test_the_worst_breaker_comes_first() -> None:
    closed = open_breaker(key="a", state="closed", until_ms=None, failures=0)
    breakers = {"a": closed, "b": open_breaker(key="b")}
    assert [breaker.key for breaker in shown_breakers(breakers)] == ["b", "a"]
    assert breakers_summary(breakers) == "1 of 2 not closed"


def test_nodes_of_other_graphs_are_shown_only_while_they_are_not_well() -> None:
    well = open_breaker(state="closed", until_ms=None, failures=0)
    every = [
        open_breaker(key="graph.other/solver", scope="node"),
        dataclasses.replace(well, key="embedded tiny"),
        dataclasses.replace(well, key="graph.mine/writer", scope="node"),
        dataclasses.replace(well, key="graph.other/writer", scope="node"),
    ]
    breakers = {breaker.key: breaker for breaker in every}
    shown = shown_breakers(breakers, "graph.mine")
    assert [breaker.key for breaker in shown] == ["graph.other/solver", "embedded tiny", "graph.mine/writer"]
    assert shown_breakers(breakers) == [*shown, every[3]]
    assert "1 of other graphs" in plain(breaker_lines(shown, 0, 60, others=1)[-1])


def test_without_breakers_the_pane_says_what_they_are() -> None:
    assert EMPTY in plain(breaker_lines([], 0, 60)[0])


@pytest.mark.parametrize("state", ["closed", "open", "half_open", "forced_open", "disabled"])
def test_every_breaker_state_is_told_by_a_sign_and_a_word_too(state: str) -> None:
    for signs in (UNICODE, ASCII):
        text = plain(breaker_lines([open_breaker(state=state)], 0, 60, signs)[0])
        assert text.startswith(signs.breakers[state])
        assert state.replace("_", " ").split()[0] in text.lower().replace("-", " ")


def full_memory() -> MemoryView:
    memory = MemoryView("general smollm2:135m", tokens=1740, window=2048, messages=9)
    memory.by_kind = {"system": 100, "question": 40, "history": 1600}
    memory.prunes.append(PruneView(1500, memory.selection, "over 80 %", 1740, 1200, tuple("abcdef")))
    return memory


def test_the_memory_gauge_has_its_mark_at_80_percent() -> None:
    for width in (40, 105):
        gauge = plain(memory_lines({"m": full_memory()}, width)[1])[: width - 5]
        assert gauge.index("│") == round(len(gauge) * 0.8)
        assert len(gauge) - gauge.count("░") == round(len(gauge) * 1740 / 2048)


@pytest.mark.parametrize("signs", [UNICODE, ASCII])
def test_kinds_of_tokens_are_told_apart_without_colour(signs: Glyphs) -> None:
    memory = MemoryView("general smollm2:135m", tokens=1600, window=2048, messages=9)
    kinds = ("system", "question", "history", "upstream", "note", "recalled", "tool", "summary")
    memory.by_kind = dict.fromkeys(kinds, 200)
    _, gauge, legend, _ = (plain(line) for line in memory_lines({"m": memory}, 160, signs))
    fills = [legend[legend.index(f" {kind} 200") - 1] for kind in kinds]
    assert len(set(fills)) == len(kinds)
    assert all(gauge.count(fill) >= 10 for fill in fills)
    assert not {signs.empty, signs.limit} & set(fills)
    assert signs is UNICODE or legend.isascii()


def test_the_empty_memory_pane_says_what_it_will_show() -> None:
    text = " ".join(plain(line) for line in memory_lines({}, 60))
    assert "How many tokens of which kind" in text


def test_memory_says_what_was_pruned_and_why() -> None:
    text = "\n".join(plain(line) for line in memory_lines({"m": full_memory()}, 60))
    assert "1.7k/2.0k tokens" in text
    assert "pruned 6: 1.7k to 1.2k tokens" in text
    assert "why: over 80 %" in text
    assert "and 2 more" in text


def test_reported_tokens_count_more_than_estimated_ones() -> None:
    memory = MemoryView("a b", tokens=100, window=1000, reported=200)
    assert "200/1.0k" in plain(memory_lines({"m": memory}, 60)[0])


@pytest.mark.parametrize("width", WIDTHS)
def test_no_pane_is_wider_than_it_may_be(width: int) -> None:
    entry = TimelineEntry(1, 1, 1_000_000, "error", "k", "a_rather_long_node_name", "x" * 300)
    lines = [
        *breaker_lines([open_breaker(last_error="y" * 300)], 0, width, selected="embedded smollm2:135m", others=3),
        *breaker_lines([], 0, width),
        *memory_lines({"m": full_memory()}, width),
        *memory_lines({}, width),
    ]
    if width >= 40:
        lines.append(timeline_line(entry, None, width, 14))
        lines.append(
            status_line("graph" * 20, BackendState("ready", "embedded", "m" * 90), View(), None, 0, width, UNICODE)
        )
    assert max(cell_len(plain(line)) for line in lines) <= width


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_the_warning_about_a_very_small_model_is_never_dropped(width: int) -> None:
    backend = BackendState("ready", "embedded", "smollm2-135m", "a 135M toy: simple answers", "toy")
    view = View(status="executing", number=1234)
    for recorded in (True, False):
        text = plain(
            status_line("Multi-domain assistant", backend, view, 1234, 9_000, width, UNICODE, recorded=recorded)
        )
        assert "toy" in text
        assert cell_len(text) <= width
        assert ("not recorded" in text) is not recorded
    assert ("simple answers" in text) is (width == 200 or (width == 120 and recorded))


def test_the_timeline_names_a_node_where_it_changes() -> None:
    first = TimelineEntry(1, 1, 10, "start", "k", "math", "started")
    second = TimelineEntry(2, 2, 20, "ok", "k", "math", "ok")
    assert "math" in plain(timeline_line(first, None, 60, 8))
    assert "math" not in plain(timeline_line(second, first, 60, 8))


def writing(**changes: object) -> NodeView:
    attempt = AttemptView(1, 1, "m", "e", started_ms=1000, tokens=50, first_token_ms=0)
    for name, value in changes.items():
        setattr(attempt, name, value)
    return NodeView("math", "model", "Math", "running", [VisitView(1, 1000, attempts=[attempt])])


def test_a_node_that_writes_shows_its_speed_and_one_that_waits_its_time() -> None:
    assert node_detail(writing(), 3000) == "25 tok/s"
    assert node_detail(writing(tokens=0), 3000) == "2.00s"
    assert node_detail(writing(tokens=0, attempt=2), 3000) == "try 2"


def test_the_graph_lights_edges_that_were_taken_and_tells_states_by_signs() -> None:
    from engine.view import EdgeView

    view = View(nodes={"math": writing()})
    view.edges = {("a", "math"): EdgeView("a", "math", taken=1), ("a", "code"): EdgeView("a", "code", refused=1)}
    shown = lit(view, 3000, UNICODE)
    assert shown.nodes["math"][0] == "▶"
    assert shown.taken == {("a", "math")}


def committed(exit_: ev.ExitStatus = "success", **data: Any) -> View:
    view = View(status="committed", exit=exit_, exit_node="end", answered_by="math", t_ms=1500, answer="x")
    view.nodes["end"] = NodeView("end", "exit", "End", "ok", [VisitView(1, 1400, state="ok", data=data)])
    return view


def footer(view: View, *, recorded: bool = True) -> str:
    return "\n".join(plain(line) for line in footer_lines(view, 3, 1500, recorded=recorded))


def test_the_footer_of_a_fallback_answer_says_so() -> None:
    view = committed("fallback")
    assert "#3" in footer(view)
    assert "fallback answer: the best there was" in footer(view)
    assert "gate" not in footer(view)
    view.nodes["check"] = NodeView("check", "gate", "Check", "ok", [VisitView(1, 1300)])
    view.nodes["check"].visits[0].gate = ev.GateDecided(path="check", visit=1, passed=False, target="end")
    assert "though the quality gate refused it" in footer(view)


@pytest.mark.parametrize(
    ("exit_", "data", "words"),
    [
        ("fallback", {"partial": True, "skipped": ["math", "loop#1/re\x1b[31mvise"]}, "(skipped: math, loop#1/revise)"),
        ("fallback", {"partial": True, "failed": "math", "error": "timeout"}, "partial answer (failed: math)"),
        ("success", {"partial": True, "joined": 2, "dead": 1}, "(1 of 3 branches ended without an answer)"),
        ("success", {"partial": True}, "partial answer"),
        ("success", {"partial": True, "skipped": 7}, "partial answer"),
    ],
)
def test_the_footer_of_a_partial_answer_says_what_is_missing(
    exit_: ev.ExitStatus, data: dict[str, Any], words: str
) -> None:
    text = footer(committed(exit_, **data))
    assert words in text
    assert text.startswith("! ")
    assert "partial answer" in text


def test_the_footer_of_a_whole_answer_speaks_of_nothing_partial() -> None:
    for data in ({}, {"partial": False, "joined": 2, "dead": 0}, {"skipped": ["math"]}):
        assert footer(committed(**data)) == "✓ math · 1.50s · #3 · committed"
    assert footer(committed(), recorded=False).endswith("answered (not recorded)")


def row(**changes: Any) -> TransactionRow:
    values = {
        "number": 1, "tx": "t", "status": "committed", "session": None, "graph_id": "graph.g", "question": "why?",
        "answer": "", "exit": "success", "reason": "", "error": "", "backend": "embedded", "started_ms": 0,
        "duration_ms": 5, "events": 3, "usage": ev.Usage(),
    }  # fmt: skip
    return TransactionRow(**{**values, **changes})


def line_of(row: TransactionRow, width: int, signs: Glyphs) -> str:
    return plain(transaction_line(row, width, signs))


def matches(row: TransactionRow, words: str) -> bool:
    return read_filter(words, datetime.now().astimezone()).takes(row)


@pytest.mark.parametrize("signs", [UNICODE, ASCII])
def test_a_partial_answer_is_marked_in_the_list_at_every_width_and_found_by_its_words(signs: Glyphs) -> None:
    whole, partial = row(), row(exit="fallback")
    for width in (40, 70, 120):
        assert f"{signs.marks['warn']} " in line_of(partial, width, signs)
        assert f"{signs.marks['warn']} " not in line_of(whole, width, signs)
    assert "committed, fallback" in line_of(partial, 70, signs)
    assert [matches(partial, words) for words in ("committed", "fallback", "success")] == [True, True, False]
    assert not matches(whole, "fallback")


@pytest.mark.parametrize("signs", [UNICODE, ASCII])
def test_where_a_run_comes_from_is_said_with_a_sign_at_every_width_and_no_row_is_too_long(signs: Glyphs) -> None:
    fork = row(parent=ParentRow("p", 12, 31, kept=True), origin="imported", question="Why is it so? " * 20)
    for width in (37, 77, 117, 160):
        plain = line_of(fork, width, signs)
        assert f"{signs.marks['fork']} " in plain
        assert signs.marks["imported"] in plain
        assert "#12" in plain
        assert len(plain) <= width
    assert "imported" in line_of(fork, 160, signs)
    assert "fork of #12 at step 31" in line_of(fork, 160, signs)
    assert matches(fork, "imported fork #12")


def test_inner_nodes_are_named_readably() -> None:
    assert [short_path("loop#1/revise", width) for width in (20, 13, 12, 8, 5)] == [
        "loop#1/revise", "loop#1/revise", "…/revise", "…/revise", "revi…",
    ]  # fmt: skip
    assert short_path("a#1/b#2/c", 6) == "…/c"
    assert short_path("a#1/b#2/c", 7) == "…/b#2/c"
    assert innermost(["loop", "loop#1/revise", "loop#12", "other"]) == ["loop#1/revise", "loop#12", "other"]
    entry = TimelineEntry(1, 1, 10, "start", "k", "loop#1/revise", "started")
    assert "…/revise" in plain(timeline_line(entry, None, 60, 10))


@pytest.mark.parametrize(
    ("ms", "words"), [(-5, "0.00s"), (340, "0.34s"), (12_340, "12.3s"), (125_000, "2m05s"), (3_780_000, "1h03m")]
)
def test_durations_are_written_one_way(ms: float, words: str) -> None:
    assert duration(ms) == words


def test_model_sizes_are_written_as_people_say_them() -> None:
    assert [parameters(b) for b in (0.135, 3.0, 1.5)] == ["135M", "3B", "1.5B"]


def test_wrapping_loses_nothing_and_keeps_tones() -> None:
    rows = wrapped((("one two ", "ok"), ("x" * 25, "error")), 10)
    assert all(cell_len(plain(row)) <= 10 for row in rows)
    assert "".join(plain(row) for row in rows).replace(" ", "") == "onetwo" + "x" * 25
    assert {tone for row in rows for _, tone in row} == {"ok", "error"}


def test_every_key_has_an_id_of_its_own() -> None:
    ids = [key.id for keys in KEYS.values() for key in keys]
    assert len(ids) == len(set(ids))
    assert all(ids)


def test_a_loop_says_which_of_its_nodes_runs_and_that_one_has_its_state() -> None:
    form = {
        "nodes": [
            {"id": "loop", "type": "loop", "config": {"body": ["draft", "revise"]}},
            {"id": "draft", "type": "model"},
            {"id": "revise", "type": "model"},
        ]
    }
    view = View(graph=form, nodes={n["id"]: NodeView(n["id"], n["type"], n["id"]) for n in form["nodes"]})  # type: ignore[index]
    for seq, path in enumerate(("loop", "loop#1/draft", "loop#1/revise"), 1):
        apply(view, ev.Event(seq, "t", seq, seq * 1000, 0, ev.NodeStarted(path=path, visit=1, message=1)))
        if path == "loop#1/draft":
            done = ev.NodeFinished(path=path, visit=1, outcome="ok", duration_ms=700)
            apply(view, ev.Event(seq, "t", seq, seq * 1000, 0, done))
    shown = lit(view, 4000, UNICODE, shape_of(form))
    assert shown.nodes["loop"] == ("▶", "node_running", "revise 1.00s")
    assert shown.nodes["draft"] == ("✓", "node_ok", "0.70s")
    assert shown.nodes["revise"] == ("▶", "node_running", "1.00s")
    assert shown.taken == {("loop", "draft"), ("draft", "revise"), ("revise", "loop")}


def test_what_ran_in_a_node_that_is_not_drawn_breaks_no_pane() -> None:
    view = View(status="executing", nodes={"sub": NodeView("sub", "subgraph", "Sub")})
    for seq, path in enumerate(("sub", "sub#2/router", "nowhere#1/x"), 1):
        apply(view, ev.Event(seq, "t", seq, seq * 1000, 0, ev.NodeStarted(path=path, visit=1, message=1)))
    assert lit(view, 4000, UNICODE).nodes["sub"][2] == "router 2.00s"
    assert plain(footer_lines(view, 1, 4000)[0]) == "◐ sub#2/router, nowhere#1/x · 4.00s"


def test_the_configured_limits_of_breakers_are_named() -> None:
    limits = BreakerConfig(failure_threshold=5, success_threshold=1, cooldown_s=2.5)
    empty = " ".join(plain(line) for line in breaker_lines([], 0, 200, limits=limits))
    assert "5 failures in a row open a breaker: its calls fail at once, for 2.5 s and until a trial succeeds." in empty
    assert "0/1 trials" in plain(breaker_lines([open_breaker(state="half_open")], 0, 60, limits=limits)[0])
