"""Warnings about utterances: which routes can hardly be learnt, and no false alarm."""

from __future__ import annotations

from typing import Any

import pytest

from engine.graph.loader import load_graph
from engine.graph.shipped import shipped_graphs
from engine.graph.spec import GraphSpec
from engine.routing import utterance_checks
from engine.routing.utterance_checks import utterance_warnings
from tests.graphs import make_graph, node
from tests.routing_graph import BIRDS, STONES, birds_or_stones


def graph_of(*, compound: tuple[str, ...] = (), method: str = "auto", **utterances: tuple[str, ...]) -> GraphSpec:
    """A graph with these routes."""
    routes = [{"name": name, "target": "end", "utterances": list(texts)} for name, texts in utterances.items()]
    config: dict[str, Any] = {"routes": routes, "multi_label": True, "method": method}
    if compound:
        config["compound_routes"] = [{"domains": list(utterances)[:2], "target": "end", "utterances": list(compound)}]
    return make_graph(
        [node("start", "entry"), node("router", "router", **config), node("end", "exit")],
        [("start", "router"), ("router", "end")],
    )


def told(graph: GraphSpec) -> list[str]:
    return [each.message for each in utterance_warnings(graph)]


def test_the_shipped_graphs_and_a_well_made_one_have_no_warnings() -> None:
    for name in shipped_graphs():
        assert told(load_graph(name)) == [], name
    assert told(birds_or_stones()) == []


@pytest.mark.parametrize(("count", "words"), [(0, "no utterances"), (1, "only 1 utterance"), (4, "only 4 utterances")])
def test_a_route_with_few_utterances_is_named(count: int, words: str) -> None:
    graph = graph_of(birds=BIRDS, stones=(*STONES[:count], " "))
    assert told(graph) == [f"The route `stones` of `router` has {words}."]
    assert told(graph_of(birds=BIRDS, stones=STONES[:5])) == []


def test_repeated_utterances_count_once() -> None:
    assert told(graph_of(birds=BIRDS, stones=STONES[:1] * 9)) == [
        "The route `stones` of `router` has only 1 utterance."
    ]


def test_a_route_that_is_reached_by_a_rule_or_by_default_needs_no_utterances() -> None:
    document = birds_or_stones().model_dump()
    router = next(each for each in document["nodes"] if each["type"] == "router")
    router["config"]["routes"] += [{"name": "sums", "target": "birds", "domains": ["arithmetic"]}]
    router["config"]["routes"] += [{"name": "rest", "target": "stones"}]
    router["config"]["default_route"] = "rest"
    assert told(GraphSpec.model_validate(document)) == []


def test_a_router_that_does_not_learn_has_no_warnings() -> None:
    assert told(graph_of(birds=(), stones=())) == []
    assert told(graph_of(method="model", birds=BIRDS, stones=BIRDS[:2])) == []


def test_the_same_utterance_under_two_routes_is_told_with_its_place_unless_it_is_meant() -> None:
    both = BIRDS[2].upper()
    graph = graph_of(birds=BIRDS, stones=(*STONES, both))
    (warning,) = utterance_warnings(graph)
    assert warning.message == f"The routes `birds` and `stones` of `router` have the same utterance: “{both}”."
    assert warning.location == ("nodes", 1, "config", "routes", 1, "utterances", len(STONES))
    assert told(graph_of(birds=BIRDS, stones=(*STONES, both), compound=(both,))) == []


def test_utterances_that_are_nearly_those_of_another_route_are_told_together() -> None:
    alike = tuple(f"{text[:-1]} now?" for text in BIRDS[:4])
    (message,) = told(graph_of(birds=BIRDS, stones=(*STONES, *alike)))
    assert message.startswith("The routes `birds` and `stones` of `router` have utterances that are alike: “")
    assert message.count("is like") == 3
    assert message.endswith("; and 1 more.")


def test_routes_with_the_same_subject_are_told() -> None:
    subjects = ("cherries", "plums", "apples", "pears", "figs", "grapes")
    ask, tell = (
        (f"Which soil do {each} need in a garden" for each in subjects),
        (f"Write down which soil {each} need in a small garden" for each in subjects),
    )
    (message,) = told(graph_of(ask=tuple(ask), tell=tuple(tell), birds=BIRDS))
    assert message.startswith("The routes `ask` and `tell` of `router` have utterances that are alike")


def test_the_routers_of_sub_graphs_are_looked_at() -> None:
    outer = birds_or_stones().model_copy(update={"graphs": {"inner": graph_of(birds=BIRDS, stones=STONES[:2])}})
    (warning,) = utterance_warnings(outer)
    assert warning.location[:4] == ("graphs", "inner", "nodes", 1)


def test_more_utterances_than_can_be_learnt_in_time_are_told_and_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(utterance_checks, "MOST", 10)
    (message,) = told(graph_of(birds=BIRDS, stones=(*BIRDS, *STONES)))
    assert message == "The router `router` has 18 utterances: learning from them takes minutes."
