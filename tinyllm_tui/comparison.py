"""Two runs beside each other: what they were asked, who answered, how, in which time; a function of rows and views."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.store.rows import TransactionRow
from engine.view import View, VisitView
from tinyllm_tui.row_words import outcome_words, parent_words
from tinyllm_tui.state_diff import token_counts
from tinyllm_tui.words import answer_attempt, duration, speed

_NOTHING = "-"


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of the comparison. Its words come from outside, and are not sanitised."""

    name: str
    one: str
    other: str

    @property
    def differs(self) -> bool:
        return self.one != self.other


def compared(one: tuple[TransactionRow, View], other: tuple[TransactionRow, View]) -> list[Fact]:
    """Everything that can be said of two runs in a line each, then one line for each node that ran in either."""
    first, second = _facts(*one), _facts(*other)
    facts = [Fact(name, first[name], second[name]) for name in first]
    return facts + node_facts(one[1], other[1])


def _facts(row: TransactionRow, view: View) -> dict[str, str]:
    prompt, completion = token_counts(view)
    attempt = answer_attempt(view)
    graph = f"{view.graph.get('name') or view.graph.get('id', '')} {view.graph.get('version', '')}".strip()
    return {
        "question": row.question,
        "outcome": outcome_words(row),
        "graph": f"{graph} ({view.graph_hash[:6]})",
        "route": " > ".join(route_of(view)) or _NOTHING,
        "answered by": view.answered_by or _NOTHING,
        "model": view.answer_model or _NOTHING,
        "took": duration(view.t_ms),
        "first token": duration(attempt.first_token_ms) if attempt is not None and attempt.first_token_ms else _NOTHING,
        "speed": speed(attempt, float(view.t_ms)) or _NOTHING,
        "tokens": f"{prompt} read, {completion} written",
        "model calls": str(sum(len(visit.attempts) for visit in _visits(view))),
        "failed attempts": str(sum(call.error is not None for visit in _visits(view) for call in visit.attempts)),
        "retries": str(view.retries),
        "fork": parent_words(row.parent, imported=bool(row.origin)).removeprefix("fork of ") or _NOTHING,
    }


def route_of(view: View) -> list[str]:
    """The nodes of the graph that ran, in order; those that a retry took back are left out."""
    ran = [(visit.started_ms, node.path) for node in view.nodes.values() if "/" not in node.path
           for visit in node.visits if not visit.rewound]  # fmt: skip
    return [path for _, path in sorted(ran, key=lambda each: each[0])]


def _visits(view: View) -> list[VisitView]:
    return [visit for node in view.nodes.values() for visit in node.visits]


def node_facts(one: View, other: View) -> list[Fact]:
    """One line for each node that ran in either: how it ended, how often it ran, and how long that took."""
    paths = dict.fromkeys(path for view in (one, other) for path, node in view.nodes.items() if node.visits)
    return [Fact(f"node {path}", _node(one, path), _node(other, path)) for path in paths]


def _node(view: View, path: str) -> str:
    node = view.nodes.get(path)
    if node is None or not node.visits:
        return _NOTHING
    again = f", {len(node.visits)} visits" if len(node.visits) > 1 else ""
    return f"{node.state} {duration(sum(visit.duration_ms for visit in node.visits))}{again}"


def differing(facts: Sequence[Fact]) -> list[str]:
    """Names of what is not the same."""
    return [fact.name for fact in facts if fact.differs]
