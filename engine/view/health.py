"""Contexts, breakers and backends in the view."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine import events as ev
from engine.view.shared import line
from engine.view.values import Mark, MemoryView, PruneView, View


def _context_measured(view: View, event: ev.Event, body: ev.ContextMeasured) -> None:  # noqa: ARG001 - one shape for all handlers
    memory = view.memory.setdefault(body.selection, MemoryView(body.selection))
    memory.tokens, memory.window, memory.messages = body.tokens, body.window, body.messages
    memory.by_kind, memory.reserved, memory.pinned = body.by_kind, body.reserved, body.pinned
    memory.reported, memory.factor = body.reported, body.factor


def _context_pruned(view: View, event: ev.Event, body: ev.ContextPruned) -> None:
    memory = view.memory.setdefault(body.selection, MemoryView(body.selection))
    memory.tokens, memory.window = body.tokens_after, body.window
    node = body.selection.split(" ", 1)[0]
    prune = PruneView(
        t_ms=event.t_ms,
        selection=body.selection,
        reason=body.reason,
        tokens_before=body.tokens_before,
        tokens_after=body.tokens_after,
        removed=body.removed,
        messages=body.messages,
        unlisted=body.unlisted,
        question=_asked(view, node),
        summary=body.summary,
    )
    memory.prunes.append(prune)
    gone = len(body.removed) + body.unlisted
    instead = f", {summary_words(body.summary)}" if body.summary is not None else ""
    line(view, event, "prune", node, f"pruned {gone}: {body.tokens_before} -> {body.tokens_after} tokens{instead}")


def summary_words(summary: ev.Summary) -> str:
    """What became of the summary of what was pruned, in a few words."""
    if summary.problem:
        return f"no summary by {summary.model}: {summary.problem}"
    of = f", without the {summary.left_out} oldest" if summary.left_out else ""
    return f"summary by {summary.model}, {summary.tokens} tokens{of}"


def _asked(view: View, path: str) -> str:
    """What the graph was asked, or the sub-graph, in which a node is."""
    around = path.rpartition("/")[0]
    while around and f"{around}/" not in view.questions:
        around = around.rpartition("/")[0]
    return view.questions[f"{around}/"] if around else view.question


def _breaker_changed(view: View, event: ev.Event, body: ev.BreakerChanged) -> None:
    view.breakers[body.breaker.key] = body.breaker
    if body.breaker.state != body.previous:
        why = f" ({body.breaker.last_error})" if body.breaker.last_error and body.breaker.state == "open" else ""
        line(view, event, "breaker", "", f"{body.previous} -> {body.breaker.state}: {body.breaker.key}{why}")


def _backend_changed(view: View, event: ev.Event, body: ev.BackendChanged) -> None:
    view.backend_status, view.backend_detail = body.status, body.detail
    mark: Mark = "info" if body.status == "ready" else "warn"
    line(view, event, mark, "", f"{body.endpoint}: {body.status} {body.detail}".rstrip())


HANDLERS: dict[type[ev.Body], Callable[[View, ev.Event, Any], None]] = {
    ev.ContextMeasured: _context_measured,
    ev.ContextPruned: _context_pruned,
    ev.BreakerChanged: _breaker_changed,
    ev.BackendChanged: _backend_changed,
}
