"""Validation: the shape of graphs."""

from __future__ import annotations

from itertools import pairwise

import pytest

from engine.graph.loader import parse_graph
from engine.graph.spec import GraphSpec
from engine.graph.validation import STANDARD_ROLES, validate
from engine.models.catalogue import ROLES
from tests.unit.graph.samples import error_of, good, small

_GATE = """\
  - id: gate
    type: gate
    config: {conditions: [{expression: "len(content) > 3", target: answer}], default_target: talk}
"""


def test_a_valid_graph_has_no_problems() -> None:
    assert validate(good()) == []


def test_the_way_back_of_a_gate_is_a_cycle() -> None:
    text = small(nodes=_GATE).replace("{from_node: talk, to_node: answer}", "{from_node: talk, to_node: gate}")
    error = error_of(text)
    assert [problem.message for problem in error.problems] == [
        "The graph goes round in a circle: talk -> gate -> talk."
    ]
    assert parse_graph(text + "allow_cycles: true\n").allow_cycles


def test_a_node_that_leads_to_itself_is_a_cycle() -> None:
    assert "talk -> talk" in str(error_of(small(edges="  - {from_node: talk, to_node: talk}\n")))


def test_a_circle_without_a_way_to_an_exit_is_refused_even_where_cycles_are_allowed() -> None:
    nodes = "  - {id: a, type: model}\n  - {id: b, type: model}\n"
    edges = "  - {from_node: start, to_node: a}\n  - {from_node: a, to_node: b}\n  - {from_node: b, to_node: a}\n"
    error = error_of(small(nodes, edges, allow_cycles="true"))
    assert [problem.message for problem in error.problems] == ["No exit can be reached from `a`, `b`."]


def test_a_gate_without_targets_is_a_dead_end() -> None:
    nodes = "  - {id: gate, type: gate}\n"
    error = error_of(small(nodes, "  - {from_node: start, to_node: gate}\n"))
    assert ["dead end" in problem.message for problem in error.problems] == [True]


def test_without_entry_or_exit_nothing_can_run() -> None:
    text = "id: g\nnodes:\n  - {id: a, type: model}\n"
    messages = [problem.message for problem in error_of(text).problems]
    assert messages == [
        "No run can begin: there is no node of type entry.",
        "No run can end: there is no node of type exit.",
    ]


def test_without_listed_entry_points_every_entry_node_is_one() -> None:
    nodes = "  - {id: other, type: entry}\n"
    edges = "  - {from_node: other, to_node: talk}\n"
    assert parse_graph(small(nodes, edges)).entry_points == []
    assert "`other` is not in `entry_points`" in str(error_of(small(nodes, edges, entry_points="[start]")))


def test_a_default_route_may_be_a_node() -> None:
    nodes = "  - id: r\n    type: router\n    config: {default_route: answer, routes: [{name: x, target: talk}]}\n"
    edges = "  - {from_node: start, to_node: r}\n"
    assert parse_graph(small(nodes, edges)).id == "g"


@pytest.mark.parametrize("path", ["a..b", ".", "a. .b"])
def test_a_path_with_an_empty_part_is_refused(path: str) -> None:
    nodes = f"  - {{id: t, type: transform, config: {{operation: json_extract, path: '{path}'}}}}\n"
    edges = "  - {from_node: start, to_node: t}\n  - {from_node: t, to_node: answer}\n"
    assert "empty part" in str(error_of(small(nodes, edges)))


def test_a_long_chain_is_validated_without_recursion() -> None:
    count = 3000
    nodes = [{"id": "n0", "type": "entry"}]
    nodes += [{"id": f"n{i}", "type": "model"} for i in range(1, count)]
    nodes += [{"id": "end", "type": "exit"}]
    names = [node["id"] for node in nodes]
    edges = [{"from_node": a, "to_node": b} for a, b in pairwise(names)]
    assert validate(GraphSpec.model_validate({"id": "g", "nodes": nodes, "edges": edges})) == []


def test_of_an_unreachable_part_only_its_beginning_is_reported() -> None:
    nodes = "  - {id: c, type: model}\n  - {id: b, type: model}\n  - {id: a, type: model}\n"
    edges = "  - {from_node: a, to_node: b}\n  - {from_node: b, to_node: c}\n  - {from_node: c, to_node: answer}\n"
    assert [problem.message for problem in error_of(small(nodes, edges)).problems] == ["No run can reach the node `a`."]


def test_the_standard_roles_are_those_of_the_catalogue() -> None:
    assert frozenset(ROLES) == STANDARD_ROLES
