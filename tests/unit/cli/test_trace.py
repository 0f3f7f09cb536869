"""Traces: the steps of a run as aligned lines."""

from __future__ import annotations

from typing import Any

from engine import events as ev
from engine.run.result import Result
from tinyllm_tui.cli.trace import Trace

GRAPH: dict[str, Any] = {
    "id": "g",
    "version": "1.0.0",
    "nodes": [{"id": "start", "type": "entry"}, {"id": "a_long_name", "type": "model"}],
    "edges": [{"from_node": "start", "to_node": "a_long_name"}],
}
USAGE = ev.Usage(prompt_tokens=12, completion_tokens=3, model_calls=1)


def lines_of(*bodies: ev.Body) -> list[str]:
    lines: list[str] = []
    trace = Trace(lines.append)
    for number, body in enumerate(bodies, 1):
        trace.feed(ev.Event(number, "t", number, 100 * number, 0, body))
    nodes = (("a_long_name", "ok", 20),)
    trace.finish(Result("t1", 7, "committed", "success", "hi", {}, USAGE, "embedded", "m", nodes))
    return lines


def begin() -> ev.Begin:
    return ev.Begin(graph=GRAPH, graph_hash="h", question="q", session=None, backend="embedded")


def test_steps_have_times_in_one_column_and_the_end_names_the_transaction_and_the_tokens() -> None:
    lines = lines_of(
        begin(),
        ev.NodeStarted("start", 1, 1),
        ev.NodeFinished("start", 1, "ok", duration_ms=1),
        ev.NodeStarted("a_long_name", 1, 2),
        ev.ModelStarted("a_long_name", 1, 1, 1, "m", "e", "h"),
        ev.ModelFinished("a_long_name", 1, 1, 1, "m", "hi", "stop", 12, 3, duration_ms=20),
        ev.NodeFinished("a_long_name", 1, "ok", content="hi", duration_ms=20),
        ev.Committed("success", "exit", "hi", usage=USAGE),
    )
    assert lines[0] == "graph g 1.0.0 on embedded"
    steps = lines[1:-2]
    assert all(line[9:11] == " s" for line in steps)
    starts = [line for line in steps if "started" in line]
    assert len({line.index("started") for line in starts}) == 1
    assert any("3 tokens in 20 ms" in line for line in steps)
    assert "transaction #7 t1 committed (exit success) in 0.800 s" in lines
    assert lines[-1] == "models m; 1 model call, 12 prompt + 3 completion tokens"


def test_a_step_is_printed_when_it_happens_and_once() -> None:
    lines: list[str] = []
    trace = Trace(lines.append)
    trace.feed(ev.Event(1, "t", 1, 0, 0, begin()))
    before = len(lines)
    trace.feed(ev.Event(2, "t", 2, 5, 0, ev.NodeStarted("start", 1, 1)))
    assert len(lines) == before + 1


def test_escape_sequences_and_line_breaks_of_a_model_server_stay_out_of_the_trace() -> None:
    from engine.errors import ErrorClass, ErrorInfo

    error = ErrorInfo(ErrorClass.SERVER, "x", "bad\x1b[2J\nthing")
    lines = lines_of(
        begin(),
        ev.NodeStarted("start", 1, 1),
        ev.NodeFinished("start", 1, "failed", error=error),
    )
    assert any(line.endswith("bad thing") for line in lines)
    assert not any("\x1b" in line or "\n" in line for line in lines)
