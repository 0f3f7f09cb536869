"""What one step of a run changed: the difference of two views, in the order in which people ask for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from engine.events import BreakerSnapshot
from engine.message import brief_json
from engine.view import MemoryView, NodeView, View, VisitView

Part = Literal["run", "node", "route", "message", "variable", "answer", "breaker", "memory", "tokens"]
_TEXT = 400
"""Characters of a text that are kept."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is not as it was. Its words come from outside, and are not sanitised."""

    part: Part
    name: str
    """Of the node, the variable, the breaker ...; empty for the run."""
    before: str
    """Empty where there was nothing."""
    after: str
    """Empty where there is nothing any more."""


def state_diff(before: View, after: View) -> list[Change]:
    """Everything in which two views of one run differ, but for what follows from their time."""
    return [
        *_run(before, after),
        *_nodes(before, after),
        *_edges(before, after),
        *_variables(before, after),
        *_answer(before, after),
        *_breakers(before.breakers, after.breakers),
        *_memory(before.memory, after.memory),
        *_tokens(before, after),
    ]


def _changed(part: Part, name: str, before: object, after: object) -> Iterator[Change]:
    if before != after:
        yield Change(part, name, _words(before), _words(after))


def _words(value: object) -> str:
    return "" if value in (None, "") else value[:_TEXT] if isinstance(value, str) else str(value)


def _run(before: View, after: View) -> Iterator[Change]:
    yield from _changed("run", "status", before.status, after.status)
    for name, one, other in (
        ("exit", before.exit, after.exit),
        ("reason", before.reason, after.reason),
        ("error", before.error and before.error.message, after.error and after.error.message),
        ("checkpoints", before.checkpoints, after.checkpoints),
        ("retries", before.retries, after.retries),
        ("resumed", before.resumed, after.resumed),
        ("paused", before.paused, after.paused),
        ("questions to a person", len(before.approvals), len(after.approvals)),
        ("backend", before.backend_status, after.backend_status),
        ("not taken back", "; ".join(before.uncompensated), "; ".join(after.uncompensated)),
    ):
        if before.status != "created" or other:
            yield from _changed("run", name, one or "", other or "")


def _nodes(before: View, after: View) -> Iterator[Change]:
    for path, node in after.nodes.items():
        earlier = before.nodes.get(path)
        known = earlier.shown if earlier is not None else "idle"
        yield from _changed("node", path, known, node.shown)
        yield from _visits(path, earlier, node)


def _visits(path: str, earlier: NodeView | None, node: NodeView) -> Iterator[Change]:
    known = earlier.visits if earlier is not None else []
    for number, visit in enumerate(node.visits):
        last = known[number] if number < len(known) else None
        if last != visit:
            name = path if len(node.visits) == 1 else f"{path} visit {visit.visit}"
            yield from _visit(name, last, visit)


def _visit(name: str, last: VisitView | None, visit: VisitView) -> Iterator[Change]:
    yield from _changed("node", f"{name} attempt", last.attempt if last else 1, visit.attempt)
    yield from _changed("node", f"{name} taken back", last.rewound if last else False, visit.rewound)
    yield from _changed("message", name, last.output if last else "", visit.output)
    told = last.error.message if last and last.error else ""
    yield from _changed("node", f"{name} error", told, visit.error.message if visit.error else "")
    if visit.route is not None and (last is None or last.route is None):
        yield Change("route", name, "", f"{', '.join(visit.route.labels)} -> {visit.route.target}")
    if visit.gate is not None and (last is None or last.gate is None):
        verdict = "passed" if visit.gate.passed else "not passed"
        yield Change("route", name, "", f"{verdict} -> {visit.gate.target or 'no further'}")
    calls = last.attempts if last else []
    for number, call in enumerate(visit.attempts):
        one = calls[number] if number < len(calls) else None
        if one is None:
            yield Change("node", f"{name} model call", "", f"{call.model}, attempt {call.attempt}")
        failed = one.error.message if one and one.error else ""
        yield from _changed("node", f"{name} model call", failed, call.error.message if call.error else "")
    done = sum(op.finished_ms is not None for op in last.ops) if last else 0
    for op in [op for op in visit.ops if op.finished_ms is not None][done:]:
        yield Change("message", f"{name} {op.op}", "", op.error.message if op.error else op.result)


def _edges(before: View, after: View) -> Iterator[Change]:
    for key, edge in after.edges.items():
        earlier = before.edges.get(key)
        taken, refused = (earlier.taken, earlier.refused) if earlier is not None else (0, 0)
        if edge.taken > taken:
            yield Change("route", f"{edge.source} -> {edge.target}", "", "taken")
        elif edge.refused > refused:
            yield Change("route", f"{edge.source} -> {edge.target}", "", f"not taken: {edge.condition}")


def _variables(before: View, after: View) -> Iterator[Change]:
    for name in sorted({*before.variables, *after.variables}, key=str):
        one, other = before.variables.get(name), after.variables.get(name)
        if one != other:
            shown = ("" if each is None else brief_json(each, _TEXT) for each in (one, other))
            yield Change("variable", str(name), *shown)


def _answer(before: View, after: View) -> Iterator[Change]:
    if before.answer != after.answer and after.answer.startswith(before.answer):
        yield Change("answer", "", f"{len(before.answer)} characters", f"+{after.answer[len(before.answer) :][:_TEXT]}")
    else:
        yield from _changed("answer", "", before.answer, after.answer)


def _breakers(before: Mapping[str, BreakerSnapshot], after: Mapping[str, BreakerSnapshot]) -> Iterator[Change]:
    for key, breaker in after.items():
        earlier = before.get(key)
        yield from _changed("breaker", key, earlier.state if earlier else "", breaker.state)
        if earlier is not None or breaker.failures:
            failures = earlier.failures if earlier else 0
            yield from _changed("breaker", f"{key} failures", failures, breaker.failures)


def _memory(before: Mapping[str, MemoryView], after: Mapping[str, MemoryView]) -> Iterator[Change]:
    for key, memory in after.items():
        earlier = before.get(key, MemoryView(key))
        yield from _changed("memory", f"{key} tokens", earlier.tokens, memory.tokens)
        yield from _changed("memory", f"{key} messages", earlier.messages, memory.messages)
        for kind in sorted({*earlier.by_kind, *memory.by_kind}):
            yield from _changed("memory", f"{key} {kind}", earlier.by_kind.get(kind, 0), memory.by_kind.get(kind, 0))
        for prune in memory.prunes[len(earlier.prunes) :]:
            gone = len(prune.removed) + prune.unlisted
            yield Change("memory", f"{key} pruned", str(prune.tokens_before), f"{prune.tokens_after}: {gone} went")


def _tokens(before: View, after: View) -> Iterator[Change]:
    for name, one, other in zip(("prompt", "completion"), token_counts(before), token_counts(after), strict=True):
        yield from _changed("tokens", name, one, other)


def token_counts(view: View) -> tuple[int, int]:
    """(prompt, completion) tokens of all model calls so far, those that were taken back too."""
    calls = [call for node in view.nodes.values() for visit in node.visits for call in visit.attempts]
    return sum(call.prompt_tokens for call in calls), sum(call.tokens for call in calls)
