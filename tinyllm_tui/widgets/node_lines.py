"""What a node is and what it did, as lines: a function of (view, now)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from rich.cells import cell_len

from engine.events import BreakerSnapshot, GateDecided
from engine.view import AttemptView, NodeView, OpView, View, VisitView
from tinyllm_tui.sanitize import one_line
from tinyllm_tui.widgets.attempt_lines import WHOLE, attempt_lines, fact, text_lines
from tinyllm_tui.widgets.breakers import state_words
from tinyllm_tui.widgets.node_breakers import BREAKER_TONES, breakers_of
from tinyllm_tui.widgets.op_lines import arguments_words, op_state, said_words
from tinyllm_tui.widgets.route_lines import route_lines
from tinyllm_tui.words import NODE_TONES, UNICODE, Glyphs, Line, cut, duration, plain, wrapped

_VISITS = 5
"""Visits that are shown; the latest ones."""


def node_lines(
    view: View,
    node: str,
    now_ms: float,
    width: int,
    signs: Glyphs = UNICODE,
    breakers: Mapping[str, BreakerSnapshot] | None = None,
) -> list[Line]:
    """What is known of a node.

    Args:
        view: of the run.
        node: its path, or its id in the graph.
        now_ms: in the transaction's time.
        width: columns.
        signs: how it is drawn.
        breakers: by key; default: those of the view.
    """
    spec = spec_of(view.graph, node)
    lines = list(_about(spec, width))
    lines += _breakers(view, node, now_ms, width, signs, view.breakers if breakers is None else breakers)
    paths = [path for path in view.nodes if path == node or view.nodes[path].drawn == node]
    ran = [path for path in paths if view.nodes[path].visits]
    inside = [path for path in view.nodes if path.startswith(f"{node}#") and view.nodes[path].visits]
    if not ran:
        lines += [(), (("It has not run yet.", "faint"),)]
    for path in ran:
        lines += _visits(view.nodes[path], now_ms, width, signs)
    if inside:
        lines += [(), (("Inside it", "title"),)]
        for path in inside:
            lines.append(_headline(one_line(path), view.nodes[path], now_ms, width, signs))
    return [*lines, *_config(spec, width, signs)]


def node_text(view: View, node: str, now_ms: float, signs: Glyphs = UNICODE) -> str:
    """The same as plain text, with nothing cut: what is copied."""
    return "\n".join(plain(line).rstrip() for line in node_lines(view, node, now_ms, WHOLE, signs)) + "\n"


def spec_of(graph: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    """The node at `path` in the JSON form of a graph; of an inner node the one that it is, in its sub-graph too."""
    *around, name = path.split("/")
    for each in around:
        outer = _named(graph, each.partition("#")[0])
        if outer.get("type") == "subgraph":
            graph = graph.get("graphs", {}).get(outer["config"]["graph_id"], {})
    return _named(graph, name)


def _named(graph: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return next((node for node in graph.get("nodes", ()) if node["id"] == name), {})


def _breakers(
    view: View, node: str, now_ms: float, width: int, signs: Glyphs, breakers: Mapping[str, BreakerSnapshot]
) -> Iterator[Line]:
    """Its breakers: its own, and those of the models that it calls."""
    wall_ms = round(view.started_wall_ms + view.away_ms + now_ms)
    for breaker in breakers_of(view, node, breakers):
        recent = "".join(signs.good if call == "." else signs.bad for call in breaker.recent[-20:])
        words = f"{signs.breakers[breaker.state]} {state_words(breaker, wall_ms)} {signs.dot} {breaker.key} {recent}"
        yield from fact("breaker", words.rstrip(), width, BREAKER_TONES[breaker.state])
        if breaker.last_error and breaker.state != "closed":
            yield from fact("its last error", breaker.last_error, width, "error")


def _about(spec: Mapping[str, Any], width: int) -> Iterator[Line]:
    kind = one_line(str(spec.get("type", "")))
    yield (("type ", "faint"), (kind, "strong"))
    for word in (spec.get("name"), spec.get("description")):
        if word:
            yield from wrapped(((one_line(str(word)), "text"),), width)


def _config(spec: Mapping[str, Any], width: int, signs: Glyphs) -> Iterator[Line]:
    """How it is configured, below what it did: that is what people look for."""
    given = {name: value for name, value in (spec.get("config") or {}).items() if value not in (None, "", [], {}, ())}
    if given:
        yield ()
        yield (("Configuration", "title"),)
        for name, value in given.items():
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            label = f"  {one_line(name, 40)} "
            yield ((label, "faint"), (cut(one_line(text), max(width - cell_len(label), 8), signs.ellipsis), "text"))


def _headline(name: str, node: NodeView, now_ms: float, width: int, signs: Glyphs) -> Line:
    last = node.last
    took = "" if last is None else duration(_took(last, now_ms))
    words = f"{node.shown} {took}" + (f" x{len(node.visits)}" if len(node.visits) > 1 else "")
    return ((f"{signs.nodes[node.shown]} ", NODE_TONES[node.shown]), (cut(f"{name} {words}", width - 2), "text"))


def _took(visit: VisitView, now_ms: float) -> float:
    return now_ms - visit.started_ms if visit.finished_ms is None else visit.duration_ms


def _visits(node: NodeView, now_ms: float, width: int, signs: Glyphs) -> Iterator[Line]:
    left_out = len(node.visits) - _VISITS
    for visit in reversed(node.visits[-_VISITS:]):
        words = [f"visit {visit.visit}", visit.state, duration(_took(visit, now_ms))]
        words += [f"from {one_line(visit.source)}" if visit.source else ""]
        words += ["taken back by a retry" if visit.rewound else ""]
        name = f"{one_line(node.path)} " if "/" in node.path else ""
        yield ()
        yield (
            (f"{signs.nodes[visit.state]} ", NODE_TONES[visit.state]),
            (cut(name + f" {signs.dot} ".join(word for word in words if word), width - 2, signs.ellipsis), "strong"),
        )
        yield from _visit(visit, now_ms, width, signs)
    if left_out > 0:
        yield ()
        yield ((f"and {left_out} earlier visits", "faint"),)


def _visit(visit: VisitView, now_ms: float, width: int, signs: Glyphs) -> Iterator[Line]:
    if visit.route is not None:
        yield from route_lines(visit.route, width, signs)
    if visit.gate is not None:
        yield from _gate(visit.gate, width, signs)
    # what a router found out in its step is shown above, as its decision
    ops = [op for op in visit.ops if visit.route is None or op.tool or op.error is not None]
    steps: list[AttemptView | OpView] = [*visit.attempts, *ops]
    for step in sorted(steps, key=lambda each: each.started_ms):
        if isinstance(step, AttemptView):
            yield from attempt_lines(step, now_ms, width, signs)
        else:
            yield from _op(step, visit, now_ms, width, signs)
    if visit.error is not None:
        yield from fact("error", visit.error.message, width, "error")
        if visit.error.remedy:
            yield from fact("remedy", visit.error.remedy, width)
    if visit.output and not (visit.attempts and visit.attempts[-1].text == visit.output):
        yield from text_lines("output", visit.output, width)


def _gate(gate: GateDecided, width: int, signs: Glyphs) -> Iterator[Line]:
    verdict = "passed" if gate.passed else "refused"
    why = f": {gate.reason}" if gate.reason else ""
    tries = f" {signs.dot} retry {gate.retries} of {gate.max_retries}" if gate.retries else ""
    yield from fact("gate", f"{verdict}{why}, to {gate.target}{tries}", width)
    if gate.judge:
        grade = "no grade that can be used" if gate.score is None else f"{gate.score:.2g} of 1"
        yield from fact("judge", f"{grade} by {gate.judge}", width)
    if gate.checks:
        checks = (f"{signs.nodes['ok' if good else 'failed']} {name}" for name, good in gate.checks.items())
        yield from fact("checks", f" {signs.dot} ".join(checks), width)


def _op(op: OpView, visit: VisitView, now_ms: float, width: int, signs: Glyphs) -> Iterator[Line]:
    kind, name = ("tool", op.tool) if op.tool else ("step", op.op)
    yield from fact(kind, f"{name} {signs.dot} {op_state(op, visit, now_ms)}", width)
    yield from text_lines("arguments", arguments_words(op), width, "dim")
    if op.error is None:
        yield from text_lines("result", said_words(op), width)
    else:
        yield from fact("error", op.error.message, width, "error")
        if op.error.remedy:
            yield from fact("remedy", op.error.remedy, width)
