"""Routers with `fanout_enabled`: several labels, several routes at once."""

from __future__ import annotations

import json
from typing import Any

import pytest

import engine
from engine import events as ev
from engine.graph.spec import GraphSpec
from tests.graphs import make_graph, node
from tests.running import Ran, ask, run_in
from tests.scripted_backend import ScriptedBackend, fault, model


def routed(names: str = "abc", *, targets: dict[str, str] | None = None, **config: Any) -> GraphSpec:
    """entry -> router -> a transform per route, which says its name -> join -> exit."""
    led_to = {name: (targets or {}).get(name, name) for name in names}
    fields = {"multi_label": True, "fanout_enabled": True, "method": "model", **config}
    others = {compound["target"] for compound in config.get("compound_routes", ())}
    nodes = sorted({*led_to.values(), *others})
    return make_graph(
        [
            node("start", "entry"),
            node("router", "router", routes=[{"name": n, "target": t} for n, t in led_to.items()], **fields),
            *(node(each, "transform", operation="template", template=each) for each in nodes),
            node("join", "join", separator=" "),
            node("end", "exit"),
        ],
        [("start", "router"), *((each, "join") for each in nodes), ("join", "end")],
    )


def labels(scripted: ScriptedBackend, *names: str) -> None:
    scripted.answers([json.dumps({"labels": names})])


def decision(ran: Ran) -> tuple[str, str]:
    (decided,) = ran.all(ev.RouteDecided)
    return decided.route, decided.target


BOTH = [{"domains": ["a", "b"], "target": "both"}]


async def test_the_routes_of_all_labels_run_in_parallel(scripted: ScriptedBackend) -> None:
    labels(scripted, "a", "b")
    ran = await ask(routed())
    assert (ran.result.text, decision(ran)) == ("a b", ("a+b", "a+b"))
    (opened,) = ran.all(ev.ScopeOpened)
    assert (opened.path, opened.branches) == ("router", ("a", "b"))
    assert ran.result.data["compound_route"] is False
    assert ran.result.data["routes"] == ["a", "b"]


async def test_without_it_the_priority_decides(scripted: ScriptedBackend) -> None:
    labels(scripted, "a", "b")
    ran = await ask(routed(fanout_enabled=False))
    assert (ran.result.text, decision(ran)) == ("a", ("a", "a"))


async def test_one_label_has_one_route(scripted: ScriptedBackend) -> None:
    labels(scripted, "b")
    ran = await ask(routed(default_route="c"))
    assert (ran.result.text, decision(ran), ran.all(ev.ScopeOpened)) == ("b", ("b", "b"), [])


async def test_a_compound_route_wins_where_it_covers_all_labels(scripted: ScriptedBackend) -> None:
    labels(scripted, "a", "b")
    ran = await ask(routed(compound_routes=BOTH))
    assert (ran.result.text, decision(ran)) == ("both", ("a+b", "both"))
    assert ran.result.data["compound_route"] is True
    labels(scripted, "a", "b", "c")
    ran = await ask(routed(compound_routes=BOTH))
    assert (ran.result.text, decision(ran)) == ("a b c", ("a+b+c", "a+b+c"))


async def test_labels_beyond_the_limit_are_left_out(scripted: ScriptedBackend) -> None:
    labels(scripted, "c", "b", "a")
    assert (await ask(routed(max_labels=2))).result.text == "c b"


async def test_routes_with_one_target_reach_it_once(scripted: ScriptedBackend) -> None:
    labels(scripted, "a", "b", "c")
    ran = await ask(routed(targets={"c": "a"}))
    assert (ran.result.text, decision(ran)) == ("a b", ("a+b+c", "a+b"))
    labels(scripted, "a", "c")
    ran = await ask(routed(targets={"c": "a"}))
    assert (ran.result.text, decision(ran)) == ("a", ("a", "a"))


@pytest.mark.parametrize(
    ("refused", "route"),
    [(("b",), "a+c"), (("a", "b"), "c"), (("c+b+a",), "a"), (("a", "b", "c"), "a"), (("a+b",), "a+b+c")],
)
async def test_what_was_refused_before_is_left_out(
    scripted: ScriptedBackend, monkeypatch: pytest.MonkeyPatch, refused: tuple[str, ...], route: str
) -> None:
    note = ev.Retry(note="no good", excluded_routes=refused, ordinal=2)
    monkeypatch.setattr("engine.run.visit.Visit.notes", property(lambda _self: [note]))
    labels(scripted, "a", "b", "c")
    ran = await ask(routed())
    assert decision(ran)[0] == route
    (decided,) = ran.all(ev.RouteDecided)
    if route == "a+c":
        assert decided.reason == "b was refused before"


async def test_routes_behind_an_open_breaker_are_left_out(scripted: ScriptedBackend) -> None:
    labels(scripted, "a", "b", "c")
    async with engine.open() as eng:
        await run_in(eng, routed())  # the breakers are known from the first run on
        eng.force_breaker("graph.test/b", "open")
        ran = await run_in(eng, routed())
    assert (ran.result.text, decision(ran)) == ("a c", ("a+c", "a+c"))
    (decided,) = ran.all(ev.RouteDecided)
    assert decided.reason == "the breaker of b is open"


async def test_a_router_that_finds_nothing_takes_the_default_route_alone(scripted: ScriptedBackend) -> None:
    scripted.installed = [model("able", parameters_b=3)]
    scripted.answers([fault()])
    ran = await ask(routed(method="auto", default_route="c"))
    assert (ran.result.text, decision(ran)) == ("c", ("c", "c"))
