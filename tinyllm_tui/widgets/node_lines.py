"""What a node is and what it did, as lines: a function of (view, now)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from engine.events import GateDecided
from engine.view import AttemptView, NodeView, OpView, View, VisitView
from tinyllm_tui.sanitize import one_line, sanitize
from tinyllm_tui.widgets.op_lines import arguments_words, op_state
from tinyllm_tui.widgets.route_lines import route_lines
from tinyllm_tui.words import NODE_TONES, UNICODE, Glyphs, Line, Tone, cut, duration, speed, wrapped

_VISITS = 5
"""Visits that are shown; the latest ones."""
_ROWS = 40
"""Rows of one text that are shown."""
_TEXT = 8_000
"""Characters of one text that are looked at."""


def node_lines(view: View, node: str, now_ms: float, width: int, signs: Glyphs = UNICODE) -> list[Line]:
    """What is known of `node`; `now_ms` is in the transaction's time."""
    spec: Mapping[str, Any] = next((each for each in view.graph.get("nodes", ()) if each["id"] == node), {})
    lines = list(_about(spec, width))
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
            yield ((label, "faint"), (cut(one_line(text), max(width - len(label), 8), signs.ellipsis), "text"))


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
            yield from _attempt(step, now_ms, width, signs)
        else:
            yield from _op(step, visit, now_ms, width, signs)
    if visit.error is not None:
        yield from _fact("error", visit.error.message, width, "error")
        if visit.error.remedy:
            yield from _fact("remedy", visit.error.remedy, width)
    if visit.output and not (visit.attempts and visit.attempts[-1].text == visit.output):
        yield from _text("output", visit.output, width)


def _gate(gate: GateDecided, width: int, signs: Glyphs) -> Iterator[Line]:
    verdict = "passed" if gate.passed else "refused"
    why = f": {gate.reason}" if gate.reason else ""
    tries = f" {signs.dot} retry {gate.retries} of {gate.max_retries}" if gate.retries else ""
    yield from _fact("gate", f"{verdict}{why}, to {gate.target}{tries}", width)
    if gate.judge:
        grade = "no grade that can be used" if gate.score is None else f"{gate.score:.2g} of 1"
        yield from _fact("judge", f"{grade} by {gate.judge}", width)
    if gate.checks:
        checks = (f"{signs.nodes['ok' if good else 'failed']} {name}" for name, good in gate.checks.items())
        yield from _fact("checks", f" {signs.dot} ".join(checks), width)


def _op(op: OpView, visit: VisitView, now_ms: float, width: int, signs: Glyphs) -> Iterator[Line]:
    kind, name = ("tool", op.tool) if op.tool else ("step", op.op)
    yield from _fact(kind, f"{name} {signs.dot} {op_state(op, visit, now_ms)}", width)
    yield from _text("arguments", arguments_words(op), width, "dim")
    if op.error is None:
        yield from _text("result", op.result, width)
    else:
        yield from _fact("error", op.error.message, width, "error")
        if op.error.remedy:
            yield from _fact("remedy", op.error.remedy, width)


def _attempt(attempt: AttemptView, now_ms: float, width: int, signs: Glyphs) -> Iterator[Line]:
    words = [attempt.model, f"attempt {attempt.attempt}" if attempt.attempt > 1 else ""]
    words += [f"{attempt.prompt_tokens} tokens in" if attempt.prompt_tokens else "", f"{attempt.tokens} out"]
    words += [
        speed(attempt, now_ms),
        f"first after {duration(attempt.first_token_ms)}" if attempt.first_token_ms else "",
    ]
    words += [f"finish {attempt.finish}" if attempt.finish else ""]
    yield from _fact("model", f" {signs.dot} ".join(word for word in words if word), width)
    for role, content in attempt.messages:
        yield from _text(role, content, width, "dim")
    yield from _text("answer", attempt.text, width)
    if attempt.error is not None:
        yield from _fact("error", attempt.error.message, width, "error")


def _fact(name: str, text: str, width: int, tone: Tone = "text") -> Iterator[Line]:
    label = f"  {one_line(name, 40)} "
    yield from wrapped(((label, "faint"), (one_line(text), tone)), width, indent=4)


def _text(name: str, text: str, width: int, tone: Tone = "text") -> Iterator[Line]:
    """A text of several lines under its name, cut where it is long."""
    if not text.strip():
        return
    yield ((f"  {one_line(name, 40)}", "faint"),)
    rows = [
        row
        for line in sanitize(text[:_TEXT]).strip("\n").split("\n")
        for row in wrapped(((line, tone),), max(width - 4, 8))
    ]
    for row in rows[:_ROWS]:
        yield (("    ", "text"), *row)
    if len(rows) > _ROWS or len(text) > _TEXT:
        yield ((f"    ({len(text):,} characters)", "faint"),)
