"""Nodes, edges, branches and decisions in the view."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine import events as ev
from engine.view.shared import line, took, visit_of
from engine.view.values import EdgeView, Mark, NodeState, NodeView, View, VisitView


def _inner_node(view: View, path: str) -> NodeView:
    """A node that runs inside another's visit, seen for the first time."""
    graph, in_subgraph = view.graph, False
    *around, name = path.split("/")
    for each in around:
        outer = _spec(graph, each.partition("#")[0])
        if outer.get("type") == "subgraph":
            graph, in_subgraph = graph.get("graphs", {}).get(outer["config"]["graph_id"], {}), True
    spec = _spec(graph, name)
    drawn = name if around and not in_subgraph and name in view.nodes else ""
    node = NodeView(path, spec.get("type", ""), spec.get("name") or path, drawn=drawn)
    view.nodes[path] = node
    return node


def _spec(graph: dict[str, Any], name: str) -> dict[str, Any]:
    return next((node for node in graph.get("nodes", ()) if node["id"] == name), {})


def _set_state(view: View, node: NodeView, state: NodeState) -> None:
    node.state = state
    if node.drawn:
        view.nodes[node.drawn].state = state


def _node_started(view: View, event: ev.Event, body: ev.NodeStarted) -> None:
    node = view.nodes.get(body.path) or _inner_node(view, body.path)
    _set_state(view, node, "running")
    visit = visit_of(view, body.path, body.visit)
    if visit is None:
        visit = VisitView(body.visit, event.t_ms, source=body.source, message=body.message)
        node.visits.append(visit)
    elif body.attempt > visit.attempt:
        visit.restarts_ms.append(event.t_ms)
    visit.state = "running"
    visit.attempt = body.attempt
    again = f" (attempt {body.attempt})" if body.attempt > 1 else ""
    line(view, event, "start", body.path, "goes on" if body.resumed else f"started{again}")


def _node_finished(view: View, event: ev.Event, body: ev.NodeFinished) -> None:
    node, visit = view.nodes.get(body.path), visit_of(view, body.path, body.visit)
    state: NodeState = body.outcome
    if node is None or visit is None:
        return
    visit.state = state
    _set_state(view, node, next((v.state for v in reversed(node.visits) if not v.rewound), state))
    visit.finished_ms, visit.duration_ms = event.t_ms, body.duration_ms
    visit.output, visit.data, visit.error = body.content, body.data, body.error
    view.variables.update(body.variables)
    if node.type in ("model", "tool", "agent") and body.outcome == "ok":
        view.answer, view.answer_node, view.answered_by = body.content, body.path, body.path
        view.answer_model = ""
        if visit.attempts:
            view.answer_model = visit.attempts[-1].model
    mark: Mark = "ok" if body.outcome == "ok" else "error" if body.outcome == "failed" else "warn"
    words = body.error.message if body.error else f"{body.outcome} in {took(body.duration_ms)}"
    if node.type == "timeout" and body.data.get("timed_out") is True:
        mark, words = "warn", f"{words}, but what runs inside was too slow"
    line(view, event, mark, body.path, words)


def _edge_taken(view: View, event: ev.Event, body: ev.EdgeTaken) -> None:  # noqa: ARG001 - one shape for all handlers
    key = (body.source, body.target)
    edge = view.edges.setdefault(key, EdgeView(*key, condition=body.condition))
    if body.taken:
        edge.taken += 1
    else:
        edge.refused += 1


def _scope_opened(view: View, event: ev.Event, body: ev.ScopeOpened) -> None:
    line(view, event, "info", body.path, f"{len(body.branches)} branches in parallel -> {body.join}")


def _branch_ended(view: View, event: ev.Event, body: ev.BranchEnded) -> None:
    line(view, event, "warn", body.node, f"branch {body.token.branch + 1} of {body.token.scope} {body.reason}")


def _join_decided(view: View, event: ev.Event, body: ev.JoinDecided) -> None:
    words = f"{len(body.inputs)} arrived"
    if body.dead:
        words += f", {len(body.dead)} ended before"
    if body.cancelled:
        words += f", {len(body.cancelled)} not needed"
    line(view, event, "info" if body.satisfied else "warn", body.path, words)


def _subgraph_opened(view: View, event: ev.Event, body: ev.SubgraphOpened) -> None:
    view.questions[f"{body.path}#{body.visit}/"] = body.question
    line(view, event, "info", body.path, f"runs the graph {body.graph}")


def _degraded(view: View, event: ev.Event, body: ev.Degraded) -> None:
    words = (
        "skipped: the run goes on without it" if body.mode == "skip_failed" else "what there is goes to the fallback"
    )
    line(view, event, "warn", body.path, f"{words} ({body.code})")


def _route_decided(view: View, event: ev.Event, body: ev.RouteDecided) -> None:
    visit = visit_of(view, body.path, body.visit)
    if visit is not None:
        visit.route = body
    line(view, event, "info", body.path, f"route {body.route} by {body.stage} -> {body.target}")


def _gate_decided(view: View, event: ev.Event, body: ev.GateDecided) -> None:
    visit = visit_of(view, body.path, body.visit)
    if visit is not None:
        visit.gate = body
    grade = "" if body.score is None else f", {body.score:.2g} by {body.judge}"
    why = f" ({body.reason})" if body.reason else ""
    verdict = "refused" if not body.passed else "gave up" if body.gave_up else "passed"
    mark: Mark = "ok" if verdict == "passed" else "warn"
    line(view, event, mark, body.path, f"{verdict}{grade}{why} -> {body.target}")


HANDLERS: dict[type[ev.Body], Callable[[View, ev.Event, Any], None]] = {
    ev.NodeStarted: _node_started,
    ev.NodeFinished: _node_finished,
    ev.EdgeTaken: _edge_taken,
    ev.ScopeOpened: _scope_opened,
    ev.BranchEnded: _branch_ended,
    ev.JoinDecided: _join_decided,
    ev.SubgraphOpened: _subgraph_opened,
    ev.Degraded: _degraded,
    ev.RouteDecided: _route_decided,
    ev.GateDecided: _gate_decided,
}
