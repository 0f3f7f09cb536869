"""Which node can lead to which."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from engine.graph.topology import drawn_links, find_cycles, links, reachable, successors
from tests.unit.graph.samples import good


def test_targets_of_routers_and_gates_are_links_like_edges() -> None:
    following = successors(good())
    assert following["router"] == ("coder", "talker")
    assert following["check"] == ("answer", "router", "best_effort")
    assert following["answer"] == ()


def test_a_link_knows_where_it_is_written() -> None:
    link = next(each for each in links(good()) if each.kind == "condition" and each.target == "router")
    assert link.label == "retries < max_retries"
    assert link.location == ("nodes", 5, "config", "conditions", 1, "target")


def test_an_edge_that_only_repeats_a_target_is_not_drawn_twice() -> None:
    drawn = [
        (each.kind, each.label) for each in drawn_links(good()) if (each.source, each.target) == ("router", "coder")
    ]
    assert drawn == [("route", "code"), ("compound", "code + talk")]


_NODES = [f"n{i}" for i in range(6)]
_GRAPHS = st.fixed_dictionaries({node: st.lists(st.sampled_from(_NODES), max_size=3) for node in _NODES})


@given(_GRAPHS)
def test_a_cycle_is_found_exactly_where_some_node_can_reach_itself(following: dict[str, list[str]]) -> None:
    cycles = find_cycles(following)
    for cycle in cycles:
        assert cycle[0] == cycle[-1]
        assert all(b in following[a] for a, b in pairwise(cycle))
    somewhere = any(node in reachable(following[node], following) for node in _NODES)
    assert bool(cycles) == somewhere
