"""Fan-out: every field gives another run for another value."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine import events as ev
from engine.graph.spec import GraphSpec
from tests.graphs import chain, make_graph, node
from tests.running import Ran, ask


def fanned(targets: list[str], **fan: Any) -> GraphSpec:
    """entry -> JSON -> fan-out -> upper, strip or both -> join -> exit."""
    return make_graph(
        [
            node("start", "entry"),
            node("parse", "transform", operation="json_parse"),
            node("fan", "fanout", targets=targets, **fan),
            *(node(name, "transform", operation=name) for name in targets),
            node("join", "join", separator="|"),
            node("end", "exit"),
        ],
        [("start", "parse"), ("parse", "fan"), *((name, "join") for name in targets), ("join", "end")],
    )


def branches(ran: Ran) -> list[str]:
    (opened,) = ran.all(ev.ScopeOpened)
    return list(opened.branches)


QUESTION = json.dumps({"a": ["x", {"k": "ü"}, 3], "b": ["y", "z"], "c": {"d": ["deep"]}})


async def test_targets_begin_one_branch_each_with_the_message() -> None:
    ran = await ask(fanned(["strip", "upper"]), '["x"]')
    assert (ran.result.text, branches(ran)) == ('["x"]|["X"]', ["strip", "upper"])
    assert branches(await ask(fanned(["upper"]), '["x"]')) == ["upper"]
    assert ran.all(ev.MessageAdded) == [] or [m.content for m in ran.all(ev.MessageAdded)] == ['["x"]'] * 2


@pytest.mark.parametrize(
    ("over", "answer"),
    [("json.a", 'x|{"k": "ü"}|3'), ("json.b", "y|z"), ("json.c.d", "deep")],
)
async def test_over_names_the_list(over: str, answer: str) -> None:
    assert (await ask(fanned(["strip"], over=over), QUESTION)).result.text == answer


async def test_every_item_goes_to_every_target_and_knows_its_number() -> None:
    ran = await ask(fanned(["strip", "upper"], over="json.b"), QUESTION)
    assert ran.result.text == "y|Y|z|Z"
    assert [body.data["item"] for body in ran.all(ev.MessageAdded)] == [0, 0, 1, 1]
    items = {body.content: body.data["item"] for body in ran.all(ev.NodeFinished) if body.path in ("strip", "upper")}
    assert items == {"y": 0, "Y": 0, "z": 1, "Z": 1}


@pytest.mark.parametrize(("allowed", "text"), [(3, ""), (4, "y|Y|z|Z")])
async def test_max_branches_bounds_items_times_targets(allowed: int, text: str) -> None:
    ran = await ask(fanned(["strip", "upper"], over="json.b", max_branches=allowed), QUESTION)
    assert (ran.result.error is None) == bool(text)
    if text:
        assert ran.result.text == text
    else:
        assert ran.result.error is not None
        assert ran.result.error.code == "too_many_branches"
        assert "4 branches; 3 are allowed" in ran.result.error.message


async def test_the_log_grows_with_the_length_of_a_list_and_not_with_its_square() -> None:
    graph = chain(
        node("split", "transform", operation="split", separator=" "),
        node("fan", "fanout", targets=["strip"], over="items", max_branches=100),
        node("strip", "transform", operation="strip"),
        node("join", "join"),
    )
    ran = await ask(graph, "word " * 100)
    items = [body.data["items"] for body in ran.all(ev.NodeFinished) if body.path == "strip"]
    assert items == [None] * 100
    assert all(body.data["items"] is None for body in ran.all(ev.MessageAdded))


@pytest.mark.parametrize("over", ["json", "json.c", "json.missing", "missing.too", "item"])
async def test_what_is_no_list_is_an_error(over: str) -> None:
    ran = await ask(fanned(["strip"], over=over), QUESTION)
    assert ran.result.error is not None
    assert (ran.result.error.code, ran.result.error.node) == ("nothing_to_fan_out", "fan")
