"""The proof of `test_proof` for graphs whose branches run in parallel: nested scopes, joins of every mode, and gates
that send a branch, or all of them, back.
"""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from engine.graph.spec import GraphSpec
from tests.graphs import make_graph, node
from tests.integration.test_proof import PIECES, Case, prove

JOINS: list[dict[str, Any]] = [
    {"mode": "all"},
    {"mode": "all", "on_dead": "degrade"},
    {"mode": "any"},
    {"mode": "any", "cancel_siblings": False},
    {"mode": "quorum", "quorum": 2},
    {"mode": "first_success", "success": "content == 'good'"},
    {"mode": "majority_vote", "on_dead": "degrade"},
    {"mode": "best_score", "score": "json.score"},
]


@st.composite
def graphs(draw: st.DrawFn) -> GraphSpec:
    """entry -> fan-out -> branches (one may be a fan-out itself, one may have a gate) -> join -> a gate -> exits."""
    joins = st.sampled_from(JOINS)
    kinds = st.sampled_from(["model", "model", "upper", "json_parse"])

    def branch(name: str) -> dict[str, Any]:
        kind = draw(kinds)
        return node(name, "model") if kind == "model" else node(name, "transform", operation=kind)

    names = [f"b{i}" for i in range(draw(st.integers(1, 2)))]
    nodes = [node("start", "entry"), *map(branch, names)]
    silent = draw(st.booleans())
    edges: list[Any] = [("start", "fan"), (names[0], "join", "content != 'bad '") if silent else (names[0], "join")]
    edges += [(name, "join") for name in names[1:]]
    if draw(st.booleans()):
        nodes += [
            node("inner", "fanout", targets=["x", "y"]), branch("x"), branch("y"), node("meet", "join", **draw(joins)),
        ]  # fmt: skip
        edges += [("x", "meet"), ("y", "meet"), ("meet", "join")]
        names.append("inner")
    if draw(st.booleans()):
        again = [{"expression": "content == 'good'", "target": "join"}]
        nodes += [branch("g"), node("check", "gate", conditions=again, default_target="g", max_retries=1)]
        edges += [("g", "check"), ("check", "g"), ("check", "join")]
        names.append("g")
    back = draw(st.sampled_from([names[0], "fan", "end"]))
    done = [{"expression": "content == 'good' or retries == max_retries", "target": "end"}]
    nodes += [
        node("fan", "fanout", targets=names),
        node("join", "join", **draw(joins)),
        node("gate", "gate", conditions=done, default_target=back, max_retries=1),
        node("end", "exit"),
        node("worst", "exit", status="fallback"),
    ]
    edges += [("join", "gate"), ("join", "worst", "status == 'failed'"), ("gate", "end")]
    edges += [] if back == "end" else [("gate", back)]
    return make_graph(nodes, edges, valid=False)


CASES = st.builds(
    Case,
    graphs(),
    st.lists(st.lists(PIECES, max_size=3), min_size=1, max_size=8),
    st.none() | st.integers(5, 40),
    st.sampled_from(["Why?", '{"score": 1}', "2 + 2"]),
    st.sampled_from([9, 60, 60]),
)


@settings(max_examples=10, phases=[Phase.generate])
@given(st.lists(CASES, min_size=8, max_size=8))
def test_every_fold_of_the_same_events_is_the_same_where_branches_run_in_parallel(cases: list[Case]) -> None:
    asyncio.run(prove(cases))
