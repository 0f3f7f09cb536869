"""Operations of visits as people read them: which tool was called with what, what came back, and how long it took."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from rich.cells import cell_len

from engine.view import OpView, View, VisitView
from tinyllm_tui.sanitize import one_line
from tinyllm_tui.words import Glyphs, Line, Span, cut, short_duration

_TRACED = 4
"""Tool calls that are named under an answer; the latest ones."""
_ARGUMENTS = 1_000
"""Characters of arguments that are looked at."""


def arguments_words(op: OpView, *, brief: bool = False) -> str:
    """`expression: 12*(3+4)`; arguments that were cut stay the JSON text that they are.

    `brief`: where there is only one, it is not named.
    """
    text = op.arguments
    try:
        given = json.loads(text) if len(text) <= _ARGUMENTS else None
    except ValueError:
        given = None
    if not isinstance(given, dict):
        return one_line(text, _ARGUMENTS)
    words = {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in given.items()
    }
    if brief and len(words) == 1:
        return one_line(next(iter(words.values())), _ARGUMENTS)
    return one_line(", ".join(f"{name}: {text}" for name, text in words.items()), _ARGUMENTS)


def said_words(op: OpView) -> str:
    """What came back; code that only defines something, as `None`, would look as if that were the answer."""
    return "ran without output" if op.tool == "code" and op.result == "None" else op.result


def op_state(op: OpView, visit: VisitView, now_ms: float) -> str:
    """How long it took, or takes; or that nobody knows how it ended."""
    if op.finished_ms is not None:
        return short_duration(op.finished_ms - op.started_ms)
    if visit.state != "running" or any(later.step == op.step for later in visit.ops[visit.ops.index(op) + 1 :]):
        return "interrupted"
    return f"running {short_duration(now_ms - op.started_ms)}"


def trace_lines(view: View, now_ms: float, width: int, signs: Glyphs) -> list[Line]:
    """The tool calls of a run, one on each line, oldest first; `now_ms` is in the transaction's time."""
    calls = sorted(_tool_calls(view), key=lambda call: call[1].started_ms)
    lines = [_trace_line(visit, op, now_ms, width, signs) for visit, op in calls[-_TRACED:]]
    if len(calls) > _TRACED:
        earlier = len(calls) - _TRACED
        lines.insert(0, ((f"  and {earlier} earlier tool call{'s' if earlier > 1 else ''}", "faint"),))
    return lines


def _tool_calls(view: View) -> Iterator[tuple[VisitView, OpView]]:
    """Those that led to the answer: what a retry took back is in the timeline."""
    for node in view.nodes.values():
        for visit in node.visits:
            for op in visit.ops:
                if op.tool and not visit.rewound:
                    yield visit, op


def _trace_line(visit: VisitView, op: OpView, now_ms: float, width: int, signs: Glyphs) -> Line:
    state = op_state(op, visit, now_ms)
    sign: Span
    if op.error is not None:
        sign, said = (signs.nodes["failed"], "error"), op.error.message
    elif op.finished_ms is not None:
        sign, said = (signs.nodes["ok"], "ok"), said_words(op)
    else:
        sign, said = (signs.marks["warn"] if state == "interrupted" else signs.nodes["running"], "warn"), ""
    name, ending = one_line(op.tool, 40), f" {signs.dot} {state}"
    room = max(width - 4 - cell_len(name) - len(ending), 16)
    said = one_line(said, 400) and f" {signs.result} {one_line(said, 400)}"
    # the shorter of the two is kept whole
    given = " " + arguments_words(op, brief=True) if op.arguments.strip("{} ") else ""
    given = cut(given, max(room - cell_len(said), room // 2), signs.ellipsis)
    said = cut(said, room - cell_len(given), signs.ellipsis)
    spans: Sequence[Span] = (
        ("  ", "text"),
        sign,
        (f" {name}", "primary"),
        (given, "dim"),
        (said, "error" if op.error is not None else "text"),
        (ending, "faint"),
    )
    return tuple(span for span in spans if span[0])
