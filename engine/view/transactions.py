"""The life of a transaction in the view: begin, checkpoints, retries, its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine import events as ev
from engine.view.shared import attempt_of, count_asks, line, took, visit_of
from engine.view.values import EdgeView, NodeView, View, VisitView


def _begin(view: View, event: ev.Event, body: ev.Begin) -> None:
    view.tx = event.tx or ""
    view.number = body.number
    view.status = "executing"
    view.session = body.session
    view.question = body.question
    view.history, view.history_left_out = body.history, body.history_left_out
    view.recalled = body.recalled
    view.graph = body.graph
    view.graph_hash = body.graph_hash
    view.backend = body.backend
    view.endpoint = body.endpoint
    view.models = body.models
    view.replaces = bool(body.replaces)
    view.started_wall_ms = event.wall_ms
    view.breakers = {b.key: b for b in body.breakers}
    for node in body.graph.get("nodes", ()):
        view.nodes[node["id"]] = NodeView(node["id"], node["type"], node.get("name") or node["id"])
    for edge in body.graph.get("edges", ()):
        key = (edge["from_node"], edge["to_node"])
        view.edges[key] = EdgeView(*key, condition=edge.get("condition") or "")
    if body.fork is not None:
        _forked(view, event, body.fork)
    else:
        line(view, event, "start", "", "begin")
    if body.history_left_out:
        words = f"{body.history_left_out} messages of the session are not told: more than any window here could take"
        line(view, event, "prune", "", words)


def _forked(view: View, event: ev.Event, fork: ev.Fork) -> None:
    """What a fork takes over is shown as done; how it was done is in the parent."""
    view.parent = (fork.number, fork.seq)
    view.variables = dict(fork.state.variables)
    view.taken_over = {f"{message.path} {message.visit}": message.content for message in fork.messages}
    for message in fork.messages:
        node = view.nodes.get(message.path)
        if node is not None and fork.state.outputs.get(message.path) == message.id:
            visit = VisitView(message.visit, event.t_ms, finished_ms=event.t_ms, state="ok", output=message.content)
            visit.data = message.data
            node.visits.append(visit)
            node.state = "ok"
    line(view, event, "fork", "", f"fork of #{fork.number} at step {fork.seq}")


def _committed(view: View, event: ev.Event, body: ev.Committed) -> None:
    view.status = "committed"
    view.exit, view.exit_node, view.answer, view.usage = body.exit, body.exit_node, body.text, body.usage
    view.paused = ""
    line(view, event, "commit", body.exit_node, f"committed ({body.exit})")


def _resumed(view: View, event: ev.Event, body: ev.Resumed) -> None:
    view.resumed += 1
    view.away_ms += body.away_ms
    while view.timeline and view.timeline[-1].seq == 0:  # the engine's, of other runs while this one was not going on
        view.timeline.pop()
    line(view, event, "resumed", "", f"goes on: {body.reason}")


def _attempt_abandoned(view: View, event: ev.Event, body: ev.AttemptAbandoned) -> None:
    attempt = attempt_of(visit_of(view, body.path, body.visit), body.step, body.attempt)
    if attempt is not None:
        attempt.finished_ms, attempt.text = event.t_ms, ""
    if view.answer_node == body.path:
        view.answer, view.answer_node, view.answer_model = "", "", ""
    line(view, event, "warn", body.path, "the model call was lost in the interruption; it is asked again")


def _rolling_back(view: View, event: ev.Event, body: ev.RollingBack) -> None:
    view.status = "rolling_back"
    view.reason, view.error = body.reason, body.error
    line(view, event, "rollback", "", f"rolling back{_later(body)}: {body.reason}")


def _rolled_back(view: View, event: ev.Event, body: ev.RolledBack) -> None:
    view.status = "rolled_back"
    view.reason, view.error, view.usage, view.exit = body.reason, body.error, body.usage, body.exit
    view.uncompensated = body.uncompensated
    view.answer = body.text or view.answer
    view.variables = {}
    view.paused = ""
    view.approvals = []
    count_asks(view)
    for node in view.nodes.values():
        if node.state == "running" and node.last is not None:
            node.state = node.last.state = "cancelled"
    line(view, event, "rollback", body.error.node if body.error else "", f"rolled back{_later(body)}: {body.reason}")


def _later(body: ev.RollingBack | ev.RolledBack) -> str:
    """That it was not the process that ran it."""
    return " at the next start" if body.error is not None and body.error.code == "interrupted" else ""


def _checkpoint(view: View, event: ev.Event, body: ev.Checkpoint) -> None:
    view.checkpoints = body.number
    line(view, event, "checkpoint", "", f"checkpoint {body.number}")


def _rewound(view: View, event: ev.Event, body: ev.Rewound) -> None:
    view.retries += 1
    view.variables = dict(body.state.variables)
    for node in view.nodes.values():
        if node.path.startswith(body.within):
            _take_back(node, body)
    for node in view.nodes.values():
        if node.drawn:
            view.nodes[node.drawn].state = node.state
    view.answer, view.answer_node = "", ""
    line(view, event, "rewind", body.by, f"back to {body.to}: {body.retry.note}")


def _take_back(node: NodeView, body: ev.Rewound) -> None:
    """Mark what a retry takes back of a node: its visits after those that are kept, or those inside such a visit."""
    outer, inside, _ = node.path[len(body.within) :].partition("/")
    name, _, number = outer.partition("#")
    kept = body.state.visits.get(body.within + name, 0)
    for visit in node.visits:
        if not visit.rewound and (int(number) if inside else visit.visit) > kept:
            visit.rewound = True
            if visit.state == "running":
                visit.state = "cancelled"
    node.state = next((v.state for v in reversed(node.visits) if not v.rewound), "idle")


def _paused(view: View, event: ev.Event, body: ev.Paused) -> None:
    view.paused = f"{body.reason} {body.remedy}".strip()
    line(view, event, "warn", "", f"paused: {body.reason}")


def _unpaused(view: View, event: ev.Event, body: ev.Unpaused) -> None:
    view.paused = ""
    line(view, event, "info", "", f"goes on after {took(body.waited_ms)}")


HANDLERS: dict[type[ev.Body], Callable[[View, ev.Event, Any], None]] = {
    ev.Begin: _begin,
    ev.Committed: _committed,
    ev.RollingBack: _rolling_back,
    ev.Resumed: _resumed,
    ev.AttemptAbandoned: _attempt_abandoned,
    ev.RolledBack: _rolled_back,
    ev.Checkpoint: _checkpoint,
    ev.Rewound: _rewound,
    ev.Paused: _paused,
    ev.Unpaused: _unpaused,
}
