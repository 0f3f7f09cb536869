"""The difference between two graphs: everything that differs, nothing else, in a fixed order."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.graph.diff import EdgeChange, GraphDiff, InnerGraphChange, NodeChange, PromptChange, diff_graphs
from engine.graph.field_changes import FieldChange, field_changes
from engine.graph.spec import GraphSpec
from tests.unit.graph.samples import good

DOCUMENT: dict[str, Any] = {
    "id": "graph.sample",
    "nodes": [
        {"id": "start", "type": "entry"},
        {"id": "router", "type": "router", "config": {"routes": [
            {"name": "code", "target": "coder"}, {"name": "talk", "target": "talker"},
        ]}},
        {"id": "coder", "type": "model", "config": {"prompt_id": "code", "max_tokens": 64}},
        {"id": "talker", "type": "model", "config": {"model": "small", "temperature": 0.5}},
        {"id": "check", "type": "gate", "config": {"conditions": [{"expression": "checks.ok", "target": "end"}]}},
        {"id": "end", "type": "exit"},
    ],
    "edges": [
        {"from_node": "start", "to_node": "router"},
        {"from_node": "coder", "to_node": "check", "condition": "len(content) > 0"},
        {"from_node": "coder", "to_node": "end", "condition": "len(content) == 0"},
        {"from_node": "talker", "to_node": "check"},
    ],
    "prompts": {"code": {"id": "code", "system": "You write code."}},
    "graphs": {"inner": {"id": "graph.inner", "nodes": [{"id": "only", "type": "entry"}]}},
}  # fmt: skip


def graph(change: Callable[[dict[str, Any]], object] = lambda document: None) -> GraphSpec:
    document = json.loads(json.dumps(DOCUMENT))
    change(document)
    return GraphSpec.model_validate(document)


def diff(change: Callable[[dict[str, Any]], object]) -> GraphDiff:
    return diff_graphs(graph(), graph(change))


def renaming(old: str, new: str) -> Callable[[dict[str, Any]], None]:
    """Gives a node another id, wherever the document says it."""

    def change(document: dict[str, Any]) -> None:
        for node in document["nodes"]:
            node["id"] = new if node["id"] == old else node["id"]
        for route in document["nodes"][1]["config"]["routes"]:
            route["target"] = new if route["target"] == old else route["target"]
        for edge in document["edges"]:
            edge |= {end: new for end in ("from_node", "to_node") if edge[end] == old}

    return change


def test_a_graph_is_equal_to_itself_and_to_a_copy() -> None:
    assert diff_graphs(good(), good()) == diff_graphs(graph(), graph()) == GraphDiff()
    assert diff_graphs(graph(), graph()).equal


def test_fields_of_the_graph_are_named_with_both_values() -> None:
    found = diff(lambda d: d.update(version="1.1.0", name="Sample", metadata={"team": {"lead": "Ada"}}))
    assert found == GraphDiff(
        fields=(
            FieldChange("version", "changed", "1.0.0", "1.1.0"),
            FieldChange("name", "changed", "", "Sample"),
            FieldChange("metadata.team.lead", "added", None, "Ada"),
        )
    )
    assert not found.equal


def test_a_changed_node_names_the_dotted_fields() -> None:
    def change(document: dict[str, Any]) -> None:
        document["nodes"][3]["config"] |= {"temperature": 0.2, "retry": {"attempts": 1}}
        document["nodes"][1]["config"]["routes"][0] |= {"target": "talker", "domains": ["fence"]}
        document["nodes"][4]["config"]["conditions"][0]["expression"] = "checks.not_empty"

    assert diff(change).nodes == (
        NodeChange("changed", "router", "router", fields=(
            FieldChange("config.routes.code.target", "changed", "coder", "talker"),
            FieldChange("config.routes.code.domains", "changed", [], ["fence"]),
        )),
        NodeChange("changed", "talker", "model", fields=(
            FieldChange("config.retry", "changed", None, {"attempts": 1, "base_delay_ms": 500}),
            FieldChange("config.temperature", "changed", 0.5, 0.2),
        )),
        NodeChange("changed", "check", "gate", fields=(
            FieldChange("config.conditions.0.expression", "changed", "checks.ok", "checks.not_empty"),
        )),
    )  # fmt: skip


def test_a_node_that_came_or_went_is_shown_with_what_it_sets() -> None:
    def change(document: dict[str, Any]) -> None:
        document["nodes"][3] = {"id": "shout", "type": "transform", "config": {"operation": "upper"}}

    assert diff(change).nodes == (
        NodeChange("removed", "talker", "model", fields=(
            FieldChange("config.model", "removed", "small"), FieldChange("config.temperature", "removed", 0.5),
        )),
        NodeChange("added", "shout", "transform", fields=(FieldChange("config.operation", "added", None, "upper"),)),
    )  # fmt: skip


def test_a_node_of_another_type_is_changed_in_its_type_and_in_what_is_set() -> None:
    def change(document: dict[str, Any]) -> None:
        document["nodes"][3] |= {"type": "transform", "config": {"operation": "upper"}}

    (node,) = diff(change).nodes
    assert (node.kind, node.id, node.type) == ("changed", "talker", "transform")
    assert [(f.field, f.kind) for f in node.fields] == [
        ("type", "changed"),
        ("config.model", "removed"),
        ("config.temperature", "removed"),
        ("config.operation", "added"),
    ]


def test_a_node_whose_id_alone_changed_is_renamed_and_its_edges_are_the_same() -> None:
    found = diff(renaming("coder", "programmer"))
    assert found.nodes == (
        NodeChange("changed", "router", "router", fields=(
            FieldChange("config.routes.code.target", "changed", "coder", "programmer"),
        )),
        NodeChange("renamed", "programmer", "model", old_id="coder"),
    )  # fmt: skip
    assert (found.fields, found.edges) == ((), ())


def test_neighbours_that_are_renamed_together_are_both_renamed() -> None:
    def change(document: dict[str, Any]) -> None:
        renaming("talker", "chatter")(document)
        renaming("check", "verify")(document)

    renames = {(n.old_id, n.id) for n in diff(change).nodes if n.kind == "renamed"}
    assert renames == {("talker", "chatter"), ("check", "verify")}


def other_edge(document: dict[str, Any]) -> None:
    renaming("coder", "programmer")(document)
    document["edges"][1]["to_node"] = "end"


def other_content(document: dict[str, Any]) -> None:
    renaming("coder", "programmer")(document)
    document["nodes"][2]["config"]["max_tokens"] = 65


def a_twin(document: dict[str, Any]) -> None:
    renaming("coder", "programmer")(document)
    document["nodes"].append(document["nodes"][2] | {"id": "twin"})


@pytest.mark.parametrize("change", [other_edge, other_content, a_twin])
def test_what_may_be_another_node_is_no_rename(change: Callable[[dict[str, Any]], object]) -> None:
    kinds = {n.id: n.kind for n in diff(change).nodes}
    assert (kinds["coder"], kinds["programmer"]) == ("removed", "added")


def test_a_node_without_edges_is_renamed_where_another_names_it_in_the_same_place() -> None:
    def looped(body: str, other: str = "") -> GraphSpec:
        loop = {"id": "again", "type": "loop", "config": {"body": [body] if not other else [other, body]}}
        return graph(lambda d: d["nodes"].extend([loop, {"id": body, "type": "transform", "config": UPPER}]))

    (_, node) = diff_graphs(looped("shout"), looped("cry")).nodes
    assert node == NodeChange("renamed", "cry", "transform", old_id="shout")
    kinds = {n.id: n.kind for n in diff_graphs(looped("shout"), looped("cry", "coder")).nodes}
    assert (kinds["shout"], kinds["cry"]) == ("removed", "added")


UPPER = {"operation": "upper"}


def test_edges_are_told_by_their_ends_and_their_condition() -> None:
    def change(document: dict[str, Any]) -> None:
        document["edges"][0]["weight"] = 2.0
        document["edges"][1]["condition"] = "len(content) > 9"
        document["edges"][3]["to_node"] = "end"

    assert diff(change).edges == (
        EdgeChange("removed", "talker", "check", None),
        EdgeChange("changed", "start", "router", None, (FieldChange("weight", "changed", 1.0, 2.0),)),
        EdgeChange("changed", "coder", "check", "len(content) > 9", (
            FieldChange("condition", "changed", "len(content) > 0", "len(content) > 9"),
        )),
        EdgeChange("added", "talker", "end", None),
    )  # fmt: skip


def test_a_second_edge_between_the_same_nodes_is_added_and_the_first_stays() -> None:
    second = {"from_node": "coder", "to_node": "check", "condition": "status == 'error'", "weight": 3.0}
    found = diff(lambda d: d["edges"].insert(0, second))
    change = EdgeChange("added", "coder", "check", "status == 'error'", (FieldChange("weight", "added", None, 3.0),))
    assert found == GraphDiff(edges=(change,))


def test_another_order_of_nodes_or_edges_is_a_difference() -> None:
    def change(document: dict[str, Any]) -> None:
        document["nodes"].reverse()
        document["edges"][0:2] = document["edges"][1::-1]

    nodes, edges = diff(change).fields
    assert (nodes.field, nodes.kind) == ("nodes", "reordered")
    assert nodes.new == nodes.old[::-1] == [node["id"] for node in DOCUMENT["nodes"][::-1]]
    assert (edges.field, edges.kind) == ("edges", "reordered")
    assert edges.new[:2] == ["coder -> check if len(content) > 0", "start -> router"]


def test_prompts_that_came_went_or_changed_are_listed_by_name() -> None:
    assert diff(lambda d: d["prompts"]["code"].update(system="Write code.\n", version="1.1.0")).prompts == (
        PromptChange("changed", "code", (
            FieldChange("version", "changed", "1.0.0", "1.1.0"),
            FieldChange("system", "changed", "You write code.", "Write code.\n"),
        )),
    )  # fmt: skip
    found = diff(lambda d: d.update(prompts={"other": {"id": "other"}})).prompts
    assert found == (
        PromptChange("removed", "code", (
            FieldChange("id", "removed", "code"), FieldChange("system", "removed", "You write code."),
        )),
        PromptChange("added", "other", (FieldChange("id", "added", None, "other"),)),
    )  # fmt: skip


def test_graphs_inside_the_graph_have_a_difference_of_their_own() -> None:
    def change(document: dict[str, Any]) -> None:
        document["graphs"]["inner"]["nodes"].append({"id": "end", "type": "exit"})
        document["graphs"]["second"] = {"id": "s", "version": "2.0.0", "nodes": [{"id": "only", "type": "entry"}]}

    inner = GraphDiff(nodes=(NodeChange("added", "end", "exit"),))
    assert diff(change).graphs == (
        InnerGraphChange("changed", "inner", "1.0.0", inner),
        InnerGraphChange("added", "second", "2.0.0"),
    )


def test_a_difference_is_json() -> None:
    found = diff(lambda d: d.update(version="2.0.0", nodes=d["nodes"][1:], edges=[], prompts={}, graphs={}))
    assert json.loads(json.dumps(dataclasses.asdict(found)))["fields"][0] == {
        "field": "version", "kind": "changed", "old": "1.0.0", "new": "2.0.0",
    }  # fmt: skip


LEAVES = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.0, 1.0, -0.0, "", "a", "b"])
KEYS = st.sampled_from(["name", "a", "b.c"])
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=12
)


@given(JSON, JSON)
def test_values_have_no_changes_exactly_where_their_canonical_json_is_the_same(old: Any, new: Any) -> None:
    canonical = [json.dumps(value, sort_keys=True) for value in (old, new)]
    assert (list(field_changes(old, new)) == []) == (canonical[0] == canonical[1])


def shuffled(items: list[Any]) -> st.SearchStrategy[list[Any]]:
    """Some of the items, in any order."""
    return st.permutations(items).flatmap(lambda order: st.integers(1, len(order)).map(lambda n: order[:n]))


@st.composite
def variants(draw: st.DrawFn) -> GraphSpec:
    """The sample with some of its nodes and edges, in some order, some of them renamed or changed."""
    document = json.loads(json.dumps(DOCUMENT))
    document["nodes"], document["edges"] = draw(shuffled(document["nodes"])), draw(shuffled(document["edges"]))
    for node in document["nodes"]:
        node["description"] = draw(st.sampled_from(["", "x"]))
        node["id"] = draw(st.sampled_from([node["id"], f"{node['id']}2"]))
    for edge in document["edges"]:
        edge["weight"] = draw(st.sampled_from([1.0, 2.0]))
    document["prompts"]["code"]["system"] = draw(st.sampled_from(["You write code.", ""]))
    return GraphSpec.model_validate(document)


@given(variants(), variants())
def test_graphs_are_equal_exactly_where_their_hashes_are(old: GraphSpec, new: GraphSpec) -> None:
    assert diff_graphs(old, new).equal == (old.content_hash() == new.content_hash())
    assert diff_graphs(old, old).equal
