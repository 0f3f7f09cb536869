from __future__ import annotations

import copy
from itertools import count
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engine import events as ev
from engine.errors import ErrorClass, ErrorInfo
from engine.view import SHOWN_RESULT, View, apply, fold
from engine.view.shared import took
from tests.unit.test_events import values_of

GRAPH: dict[str, Any] = {
    "id": "graph.test",
    "nodes": [
        {"id": "start", "type": "entry"},
        {"id": "m", "type": "model", "name": "Model"},
        {"id": "gate", "type": "gate"},
    ],
    "edges": [{"from_node": "start", "to_node": "m", "condition": None}, {"from_node": "m", "to_node": "gate"}],
}
ERROR = ErrorInfo(ErrorClass.SERVER, "server", "It broke.", node="m")


class Stream:
    """Events of one transaction as a log would number them, ten milliseconds apart."""

    def __init__(self) -> None:
        self.events: list[ev.Event] = []
        self._seq = count(1)

    def tx(self, *bodies: ev.Body) -> Stream:
        for body in bodies:
            seq = next(self._seq)
            self.events.append(ev.Event(len(self.events) + 1, "tx", seq, seq * 10, 1000 + seq * 10, body))
        return self

    def engine(self, body: ev.Body, wall_ms: int = 0) -> Stream:
        self.events.append(ev.Event(len(self.events) + 1, None, 0, 999_999, wall_ms, body))
        return self

    def view(self) -> View:
        return fold(self.events)


def begun(**fields: Any) -> Stream:
    return Stream().tx(ev.Begin(GRAPH, "hash", "Why?", None, **fields))


def started(path: str = "m", visit: int = 1, attempt: int = 1) -> ev.NodeStarted:
    return ev.NodeStarted(path, visit, 1, attempt=attempt)


def asked(attempt: int = 1, *, stream: bool = True, messages: tuple[tuple[str, str], ...] = ()) -> ev.ModelStarted:
    return ev.ModelStarted("m", 1, 1, attempt, "small", "e", f"hash {attempt}", messages, stream=stream)


def delta(offset: int, text: str, **fields: Any) -> ev.ModelDelta:
    return ev.ModelDelta("m", 1, 1, fields.pop("attempt", 1), offset, text, **fields)


def answered(text: str) -> ev.ModelFinished:
    return ev.ModelFinished("m", 1, 1, 1, "small", text, "stop", 5, 3, duration_ms=40)


def test_begin_sets_the_graph_with_idle_nodes_and_untaken_edges() -> None:
    snapshot = ev.BreakerSnapshot("e small", "endpoint", "open")
    view = begun(number=42, breakers=(snapshot,), models={"@math": "small"}).view()
    assert (view.tx, view.number, view.status, view.question) == ("tx", 42, "executing", "Why?")
    assert {path: (node.title, node.state) for path, node in view.nodes.items()} == {
        "start": ("start", "idle"),
        "m": ("Model", "idle"),
        "gate": ("gate", "idle"),
    }
    assert [(edge.source, edge.target, edge.taken) for edge in view.edges.values()] == [
        ("start", "m", 0),
        ("m", "gate", 0),
    ]
    assert view.breakers == {"e small": snapshot}


def test_the_engine_stream_counts_only_between_begin_and_end() -> None:
    change = ev.BackendChanged("e", "embedded", "ready", "up")
    before = Stream().engine(change).tx(ev.Begin(GRAPH, "hash", "Why?", None))
    assert before.view().backend_status == ""
    assert before.engine(change).view().backend_status == "ready"
    ended = begun().tx(ev.Committed("success", "end", "done")).engine(change).view()
    assert ended.backend_status == ""
    assert ended.events == 2


def test_the_engine_streams_own_clock_does_not_move_the_transactions_time() -> None:
    stream = begun().tx(started()).engine(ev.BackendChanged("e", "embedded", "ready"), wall_ms=1510)
    view = stream.view()
    assert view.t_ms == 20
    assert view.timeline[-1].t_ms == 500, "milliseconds since the begin by the wall clock"


def test_a_node_goes_through_running_to_its_outcome() -> None:
    stream = begun().tx(started())
    assert stream.view().nodes["m"].state == "running"
    stream.tx(ev.NodeFinished("m", 1, "failed", error=ERROR, duration_ms=7))
    node = stream.view().nodes["m"]
    assert node.state == "failed"
    assert node.last is not None
    assert (node.last.error, node.last.duration_ms, node.last.finished_ms) == (ERROR, 7, 30)


def test_long_times_are_told_in_seconds_and_minutes() -> None:
    assert [took(ms) for ms in (0, 9_999, 52_081, 125_000)] == ["0 ms", "9999 ms", "52.1 s", "2 min 05 s"]


def test_a_second_attempt_is_the_same_visit() -> None:
    node = begun().tx(started(), started(attempt=2)).view().nodes["m"]
    assert [(visit.visit, visit.attempt) for visit in node.visits] == [(1, 2)]


def test_operations_of_a_visit_are_kept_with_what_they_came_to_and_tool_calls_have_a_line() -> None:
    stream = begun().tx(
        started(), ev.OpStarted("m", 1, 1, "tool calculator", "hash", arguments='{"expression":"12*7"}')
    )
    (op,) = stream.view().nodes["m"].visits[0].ops
    assert (op.tool, op.finished_ms, op.result) == ("calculator", None, "")
    stream.tx(ev.OpFinished("m", 1, 1, "tool calculator", {"text": "84", "ok": True}))
    stream.tx(ev.OpStarted("m", 1, 2, "classify", "hash"), ev.OpFinished("m", 1, 2, "classify", {"math": 0.9}))
    stream.tx(ev.OpStarted("m", 1, 3, "tool code", "hash"), ev.OpFinished("m", 1, 3, "tool code", error=ERROR))
    view = stream.view()
    calculated, classified, failed = view.nodes["m"].visits[0].ops
    assert (calculated.result, calculated.finished_ms, calculated.error) == ("84", 40, None)
    assert (classified.tool, classified.result) == ("", '{"math": 0.9}')
    assert (failed.tool, failed.result, failed.error) == ("code", "", ERROR)
    lines = [(entry.mark, entry.text) for entry in view.timeline if entry.kind == "op_finished"]
    assert lines == [("info", 'tool calculator {"expression":"12*7"}: 84'), ("warn", "tool code: It broke.")]


def test_a_long_result_of_an_operation_is_cut_in_the_view() -> None:
    stream = begun().tx(started(), ev.OpStarted("m", 1, 1, "tool code", "hash"))
    stream.tx(ev.OpFinished("m", 1, 1, "tool code", {"text": "x" * 100_000}))
    assert len(stream.view().nodes["m"].visits[0].ops[0].result) == SHOWN_RESULT


def test_edges_count_what_was_taken_and_what_was_refused() -> None:
    view = (
        begun()
        .tx(ev.EdgeTaken("start", "m", 1, 1, target_visit=1), ev.EdgeTaken("m", "gate", 1, 2, "false", taken=False))
        .view()
    )
    assert (view.edges["start", "m"].taken, view.edges["m", "gate"].refused) == (1, 1)


def test_deltas_build_the_answer_and_the_end_overwrites_it() -> None:
    stream = begun().tx(started(), asked(), delta(0, "Hel", tokens=1), delta(3, "lo", tokens=2))
    view = stream.view()
    assert (view.answer, view.answer_node, view.answer_model) == ("Hello", "m", "small")
    stream.tx(answered("Hello, world"))
    view = stream.view()
    assert view.answer == "Hello, world"
    attempt = view.nodes["m"].visits[0].attempts[0]
    assert (attempt.text, attempt.tokens, attempt.prompt_tokens, attempt.finish) == ("Hello, world", 3, 5, "stop")


def test_a_view_without_the_deltas_ends_like_one_with_them() -> None:
    with_deltas = begun().tx(started(), asked(), delta(0, "Hel", tokens=1), answered("Hello")).view()
    without = begun().tx(started(), asked(), answered("Hello")).view()
    assert without.answer == with_deltas.answer
    assert without.nodes["m"].visits[0].attempts[0].text == with_deltas.nodes["m"].visits[0].attempts[0].text


def test_thinking_is_kept_apart_from_the_answer() -> None:
    view = begun().tx(started(), asked(), delta(0, "hm", thinking=True, tokens=1)).view()
    assert view.answer == ""
    assert view.nodes["m"].visits[0].attempts[0].thinking == "hm"


def test_text_that_is_to_be_shown_whole_is_no_answer_before_its_node_has_ended() -> None:
    stream = begun().tx(started(), asked(stream=False), delta(0, "Hel", tokens=1), answered("Hello"))
    assert stream.view().answer == ""
    stream.tx(ev.NodeFinished("m", 1, "ok", 2, "Hello"))
    view = stream.view()
    assert (view.answer, view.answered_by, view.answer_model) == ("Hello", "m", "small")


def test_a_failed_attempt_that_is_repeated_takes_its_text_back() -> None:
    failed = ev.AttemptFailed("m", 1, 1, 1, "small", ERROR, retry_in_ms=5, partial="Hel")
    view = begun().tx(started(), asked(), delta(0, "Hel", tokens=1), failed).view()
    assert view.answer == ""
    assert view.nodes["m"].visits[0].attempts[0].error == ERROR


def test_a_failed_attempt_that_is_the_last_keeps_its_partial_text() -> None:
    failed = ev.AttemptFailed("m", 1, 1, 1, "small", ERROR, partial="Hello, wo")
    view = begun().tx(started(), asked(), delta(0, "Hel", tokens=1), failed).view()
    assert view.answer == "Hello, wo"


def test_an_attempt_with_the_messages_of_the_one_before_shows_them() -> None:
    messages = (("user", "Why?"),)
    view = begun().tx(started(), asked(messages=messages), asked(2)).view()
    assert [attempt.messages for attempt in view.nodes["m"].visits[0].attempts] == [messages, messages]


def test_a_rewind_marks_what_it_takes_back_and_keeps_what_came_before() -> None:
    snapshot = ev.RunSnapshot((ev.Activation("m", 2, 2),), {"start": 1, "m": 0}, {"a": 1}, {}, {"start": 2})
    stream = begun().tx(
        started("start"),
        ev.NodeFinished("start", 1, "ok", 2, "Why?", variables={"a": 1}),
        started(),
        asked(),
        answered("bad"),
        ev.NodeFinished("m", 1, "ok", 3, "bad", variables={"b": 2}),
        started("gate"),
        ev.NodeFinished("gate", 1, "ok", 4, "bad"),
        ev.Rewound("gate", "m", 1, (4, 9), snapshot, ev.Retry("too bad")),
    )
    view = stream.view()
    assert (view.nodes["start"].state, view.nodes["m"].state, view.nodes["gate"].state) == ("ok", "idle", "idle")
    assert view.nodes["m"].visits[0].rewound
    assert not view.nodes["start"].visits[0].rewound
    assert (view.variables, view.answer, view.retries) == ({"a": 1}, "", 1)
    stream.tx(started(visit=2))
    assert [(v.visit, v.rewound) for v in stream.view().nodes["m"].visits] == [(1, True), (2, False)]


def test_a_commit_ends_the_view_with_the_text_and_the_usage() -> None:
    usage = ev.Usage(5, 3, 1)
    view = begun().tx(ev.Committed("fallback", "end", "best effort", usage=usage)).view()
    assert (view.status, view.exit, view.exit_node, view.answer) == ("committed", "fallback", "end", "best effort")
    assert view.usage == usage
    assert view.finished


def test_a_rollback_keeps_the_partial_text_drops_variables_and_stops_what_ran() -> None:
    stream = begun().tx(started(), asked(), delta(0, "Hel", tokens=1))
    stream.tx(ev.RollingBack("cancelled", ERROR))
    assert stream.view().status == "rolling_back"
    view = stream.tx(ev.RolledBack("cancelled", ERROR)).view()
    assert (view.status, view.answer, view.reason, view.variables) == ("rolled_back", "Hel", "cancelled", {})
    assert view.nodes["m"].state == "cancelled"


def test_a_pause_is_shown_until_the_run_goes_on() -> None:
    stream = begun().tx(ev.Paused("The disk is full.", "Free space."))
    assert stream.view().paused == "The disk is full. Free space."
    assert stream.tx(ev.Unpaused(12)).view().paused == ""


def test_memory_shows_the_latest_measure_and_every_pruning() -> None:
    view = (
        begun()
        .tx(
            ev.ContextPruned("m small", "full", 90, 60, 100, ("history, 30 tokens: old",)),
            ev.ContextMeasured("m small", 60, 100, 3, {"question": 60}, 20, 58, 0.9),
        )
        .view()
    )
    memory = view.memory["m small"]
    assert (memory.tokens, memory.window, memory.reported, memory.factor) == (60, 100, 58, 0.9)
    assert [prune.removed for prune in memory.prunes] == [("history, 30 tokens: old",)]


def test_a_breaker_is_on_the_timeline_when_its_state_changes_and_not_for_a_count() -> None:
    counted = ev.BreakerChanged(ev.BreakerSnapshot("k", "node", "closed", failures=1), "closed")
    opened = ev.BreakerChanged(ev.BreakerSnapshot("k", "node", "open", failures=3, last_error="It broke."), "closed")
    view = begun().engine(counted).engine(opened).view()
    assert view.breakers["k"].state == "open"
    assert [line.text for line in view.timeline if line.mark == "breaker"] == ["closed -> open: k (It broke.)"]


def test_events_of_unknown_nodes_and_visits_are_harmless() -> None:
    view = begun().tx(
        ev.NodeFinished("nobody", 1, "ok"),
        delta(0, "x"),
        answered("x"),
        started("later"),
        ev.GateDecided("m", 9, True, "m"),
    )
    assert view.view().nodes["later"].state == "running"


@given(st.lists(st.one_of([values_of(cls) for cls in ev.BODIES.values() if cls is not ev.Begin]), max_size=12))
def test_any_events_fold_the_same_twice_and_are_not_changed_by_it(bodies: list[ev.Body]) -> None:
    stream = begun().tx(*bodies)
    before = copy.deepcopy(stream.events)
    assert stream.view() == stream.view()
    assert stream.events == before


@given(st.integers(0, 8))
def test_folding_a_beginning_and_then_the_rest_is_folding_all(cut: int) -> None:
    stream = begun().tx(started(), asked(), delta(0, "H"), answered("Hi"), ev.NodeFinished("m", 1, "ok", 2, "Hi"))
    view = fold(stream.events[:cut])
    for event in stream.events[cut:]:
        apply(view, event)
    assert view == stream.view()


def asks(path: str = "m", step: int = 1, **fields: Any) -> ev.ApprovalAsked:
    return ev.ApprovalAsked(path, 1, step, "Send it?", **fields)


def answers(path: str = "m", step: int = 1, *, allowed: bool = True, **fields: Any) -> ev.ApprovalAnswered:
    return ev.ApprovalAnswered(path, 1, step, allowed, fields.pop("by", "person"), **fields)


def test_requests_for_approval_wait_in_the_order_in_which_they_came() -> None:
    stream = begun().tx(started(), asks(step=1), started("gate"), asks("gate"), asks(step=2))
    waiting = [(each.asked.path, each.asked.step, each.since_ms) for each in stream.view().approvals]
    assert waiting == [("m", 1, 30), ("gate", 1, 50), ("m", 2, 60)]
    view = stream.tx(answers(step=1)).view()
    assert [(each.asked.path, each.asked.step) for each in view.approvals] == [("gate", 1), ("m", 2)]


def test_a_node_in_which_a_person_is_asked_is_shown_as_waiting_until_every_answer_is_there() -> None:
    stream = begun().tx(started(), asks(step=1), asks("m#1/inner", step=1))
    assert stream.view().nodes["m"].shown == "waiting"
    assert stream.view().nodes["gate"].shown == "idle"
    assert stream.tx(answers(step=1)).view().nodes["m"].shown == "waiting", "inside it a person is still asked"
    assert stream.tx(answers("m#1/inner")).view().nodes["m"].shown == "running"


def test_a_rollback_ends_what_waits_for_a_person() -> None:
    view = begun().tx(started(), asks(), ev.RollingBack("interrupted"), ev.RolledBack("interrupted")).view()
    assert view.approvals == []
    assert view.nodes["m"].shown == "cancelled"


def test_the_timeline_says_what_was_asked_and_answered() -> None:
    call = asks(step=2, tool="mail", arguments='{"to": "Ann"}')
    stream = begun().tx(started(), asks(), answers(text="Hello"), call, answers(step=2, scope="host"))
    stream.tx(asks(step=3), answers(step=3, allowed=False, by="nobody", reason="Nobody there."))
    assert [entry.text for entry in stream.view().timeline[2:]] == [
        "a person is asked: Send it?",
        "a person said yes, and changed the text",
        'a person is asked: may the tool mail run? {"to": "Ann"}',
        "a person said yes, for this host",
        "a person is asked: Send it?",
        "nobody could be asked: no: Nobody there.",
    ]


def test_what_could_not_be_taken_back_is_kept_until_it_is_whatever_becomes_of_the_run() -> None:
    refused = ErrorInfo(ErrorClass.TOOL_REFUSED, "undo_conflict", "Somebody changed it.")
    broken = ErrorInfo(ErrorClass.RESOURCE, "disk", "The disk is full.")
    bodies = [
        ev.Begin(graph={"nodes": []}, graph_hash="0", question="q", session=None),
        ev.Compensated("a", 1, "c1", "file_write", refused),
        ev.Compensated("a", 1, "c2", "file_move", broken),
        ev.Compensated("a", 1, "c3", "file_copy"),
    ]
    events = [ev.Event(n, "t", n, n, n, body) for n, body in enumerate(bodies, 1)]
    view = fold(events)
    assert [(entry.mark, entry.text) for entry in view.timeline[1:]] == [
        ("error", "file_write: CANNOT be taken back: Somebody changed it."),
        ("error", "file_move: NOT taken back, for that failed: The disk is full."),
        ("undone", "file_copy: taken back"),
    ]
    assert view.uncompensated == ("file_write: Somebody changed it.", "file_move: The disk is full.")
    apply(view, ev.Event(5, "t", 5, 5, 5, ev.Compensated("a", 1, "c2", "file_move")))
    apply(view, ev.Event(6, "t", 6, 6, 6, ev.Committed(exit="success", exit_node="end", text="")))
    assert view.uncompensated == ("file_write: Somebody changed it.",)
