"""What the graph shows of a view: states, live details, breakers and taken edges, of one graph or of a sub-graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from engine.view import NodeView, View
from tinyllm_tui.graph_layout import GraphShape
from tinyllm_tui.node_paths import leaf, outer_node
from tinyllm_tui.widgets.node_breakers import BREAKER_TONES, worst_breaker
from tinyllm_tui.words import NODE_TONES, Glyphs, Span, Tone, duration, node_detail

if TYPE_CHECKING:
    from engine.events import BreakerSnapshot
    from tinyllm_tui.graph_watch import Revision


@dataclass(frozen=True, slots=True)
class Lit:
    """What colours the drawing: the part of a view that the graph shows."""

    nodes: Mapping[str, tuple[str, Tone, str]]
    """Node -> (sign, tone, detail)."""
    taken: frozenset[tuple[str, str]]
    """Edges that a message went along."""
    breakers: Mapping[str, Span] = field(default_factory=dict)
    """Node -> the sign of its worst breaker, where one is not closed."""


NOTHING = Lit({}, frozenset())


@dataclass(frozen=True, slots=True)
class Level:
    """The graph that is drawn: the run's own, or one of its sub-graphs."""

    graph: Mapping[str, Any]
    """In JSON form."""
    prefix: str = ""
    """What the paths of its nodes begin with, such as `research#2/`."""
    inside: tuple[str, ...] = ()
    """The nodes that were opened to come here, the outermost first."""


def level_of(view: View, inside: Sequence[str]) -> Level:
    """The graph inside the latest visits of the sub-graph nodes `inside`; as deep as there are such nodes."""
    graph: Mapping[str, Any] = view.graph
    prefix, opened = "", []
    for node in inside:
        inner = subgraph(graph, node)
        if inner is None:
            break
        path = next((p for p, each in view.nodes.items() if each.drawn == node and each.visits), prefix + node)
        ran = view.nodes.get(path)
        visit = ran.last.visit if ran is not None and ran.last is not None else 1
        graph, prefix = inner, f"{path}#{visit}/"
        opened.append(node)
    return Level(graph, prefix, tuple(opened))


def subgraph(graph: Mapping[str, Any], node: str) -> Mapping[str, Any] | None:
    """The graph that `node` runs; None where it is no sub-graph node."""
    nothing: Mapping[str, Any] = {}
    spec = next((each for each in graph.get("nodes", ()) if each["id"] == node), nothing)
    if spec.get("type") != "subgraph":
        return None
    found: Mapping[str, Any] | None = (graph.get("graphs") or {}).get((spec.get("config") or {}).get("graph_id"))
    return found


def lit(
    view: View,
    now_ms: float,
    signs: Glyphs,
    shape: GraphShape | None = None,
    *,
    prefix: str = "",
    breakers: Mapping[str, BreakerSnapshot] | None = None,
) -> Lit:
    """What the graph shows of `view`.

    A node inside which others run says which of them runs; one that is drawn and runs inside another has its state.

    Args:
        view: of the run.
        now_ms: in the transaction's time.
        signs: the characters of states.
        shape: of the graph that is drawn; it says what runs inside others.
        prefix: of the paths of its nodes, where it is a sub-graph.
        breakers: by key; default: those of the view.
    """
    nodes: dict[str, tuple[str, Tone, str]] = {}
    visited: set[str] = set()
    for path, node in view.nodes.items():
        if not path.startswith(prefix):
            continue
        name = path[len(prefix) :]
        shown = (signs.nodes[node.shown], NODE_TONES[node.shown], _detail(node, now_ms))
        nodes[node.drawn or name] = nodes[name] = shown
        if node.drawn and node.visits:
            visited.add(node.drawn)
        outer = outer_node(name)
        if outer != name and node.state == "running" and outer in nodes:
            nodes[outer] = (*nodes[outer][:2], f"{leaf(path)} {shown[2]}")
    strip = len(prefix)
    taken = {
        (source[strip:], target[strip:])
        for (source, target), edge in view.edges.items()
        if edge.taken and source.startswith(prefix) and target.startswith(prefix)
    }
    taken |= {edge for edge, inside in shape.inner if inside in visited} if shape is not None else set()
    known = view.breakers if breakers is None else breakers
    return Lit(nodes, frozenset(taken), _breakers(view, nodes, prefix, known, signs))


def _breakers(
    view: View, nodes: Mapping[str, object], prefix: str, breakers: Mapping[str, BreakerSnapshot], signs: Glyphs
) -> dict[str, Span]:
    """The sign of the worst breaker of every node that has one which is not closed."""
    if all(breaker.state == "closed" for breaker in breakers.values()):
        return {}
    found = {node: worst_breaker(view, prefix + node, breakers) for node in nodes}
    return {node: (signs.breakers[each.state], BREAKER_TONES[each.state]) for node, each in found.items() if each}


def drawn(view: View, upcoming: Revision | None) -> View:
    """What is drawn: a run keeps its own graph until the next one begins.

    Only where it was no fork, and its graph was edited, the edited one is drawn as soon as the run is over.
    """
    if upcoming is None or upcoming.key == view.graph_hash:
        return view
    own = not view.finished or view.parent is not None or view.graph.get("id") != upcoming.graph.id
    if view.graph and own:
        return view
    return View(graph=dict(upcoming.form), graph_hash=upcoming.key)


def _detail(node: NodeView, now_ms: float) -> str:
    """What a node does or did; while a model answers its speed, attempt and time, the most telling first."""
    detail, visit = node_detail(node, now_ms), node.last
    if node.state == "running" and visit is not None and not node.asks:
        tries = max([visit.attempt, *(attempt.attempt for attempt in visit.attempts)])
        again = f"try {tries}" if tries > 1 and not detail.startswith("try") else ""
        elapsed = duration(now_ms - visit.started_ms)
        return " ".join(word for word in (detail, again, elapsed if elapsed != detail else "") if word)
    visits = len(node.visits)
    return f"{detail} x{visits}" if visits > 1 and detail else detail
