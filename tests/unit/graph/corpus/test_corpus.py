"""A corpus of broken graphs: each is a valid graph with one mutation, and each gets one clear message."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache

import pytest
from pydantic import BaseModel

from engine.graph.fields import NodeConfig
from engine.graph.loader import parse_graph
from engine.graph.problems import GraphError, Problem
from engine.graph.spec import CONFIGS
from tests.unit.graph.corpus import of_config, of_form, of_inner, of_shape, of_text
from tests.unit.graph.corpus.bases import Base, bases, write
from tests.unit.graph.corpus.broken import Broken
from tests.unit.graph.corpus.of_text import BrokenText
from tests.unit.graph.corpus.spots import owners

_OF_A_SHIPPED_GRAPH = 2
"""So many mutations of each kind are made of a shipped graph; the bases of the corpus get all of them."""


@cache
def corpus() -> tuple[Broken, ...]:
    seen: Counter[tuple[object, ...]] = Counter()
    found: list[Broken] = []
    for base in bases():
        made = [*of_form.mutations(base, seen), *of_shape.mutations(base)]
        made += [*of_config.mutations(base), *of_inner.mutations(base)]
        kinds: Counter[str] = Counter()
        for broken in made:
            kinds[broken.kind] += 1
            if base.own or kinds[broken.kind] <= _OF_A_SHIPPED_GRAPH:
                found.append(broken)
    return tuple(found)


def clear(error: GraphError) -> Problem:
    """The problem of an error that has one, in words that can be shown anywhere."""
    assert len(error.problems) == 1, str(error)
    (problem,) = error.problems
    assert problem.file == "bad.yaml"
    assert problem.line > 0
    assert problem.column > 0
    assert problem.message
    assert problem.remedy
    for text in (problem.message, problem.remedy):
        assert text.isprintable(), "one line, without control characters"
        assert len(text) <= 1000
    return problem


KINDS = {
    "missing id": ("missing field",),
    "duplicate id": ("duplicate id",),
    "dangling edge": ("dangling edge", "missing node", "unknown node"),
    "wrong type": ("wrong type", "misspelt value"),
    "circle": ("circle", "no way out"),
    "unreachable": ("unreachable", "missing edge"),
    "unsatisfiable join": ("unsatisfiable join", "join of two fan-outs"),
    "unknown field": ("unknown field", "misspelt field"),
    "unknown prompt": ("unknown prompt",),
}
"""What the corpus must have -> kinds of its mutations that are that."""


def test_the_corpus_is_large_and_each_mutation_is_another() -> None:
    texts = [broken.text for broken in corpus()]
    assert len(set(texts)) == len(texts) >= 900
    assert len({broken.name for broken in corpus()}) == len(texts)
    there = Counter(broken.kind for broken in corpus())
    for kinds in KINDS.values():
        assert sum(there[kind] for kind in kinds) >= 5, kinds


def test_the_graphs_that_are_broken_use_every_node_type_and_every_field() -> None:
    used: dict[type[BaseModel], set[str]] = {}
    for base in bases():
        for owner in owners(base.data):
            used.setdefault(owner.model, set()).update(owner.data)
    common = set(NodeConfig.model_fields)
    needed = {model: set(model.model_fields) - common for model in (*CONFIGS.values(), *used)}
    assert {model.__name__: names - used.get(model, set()) for model, names in needed.items()} == {
        model.__name__: set() for model in needed
    }
    assert common <= {name for names in used.values() for name in names}


@pytest.mark.parametrize("base", bases(), ids=lambda base: base.name)
def test_the_graphs_that_are_broken_are_valid(base: Base) -> None:
    spec = parse_graph(write(base.data), "good.yaml", search=[base.folder])
    assert spec.id == base.data["id"]


@pytest.mark.parametrize("broken", corpus(), ids=lambda broken: broken.name)
def test_a_broken_graph_gets_one_clear_message_that_names_the_place(broken: Broken) -> None:
    with pytest.raises(GraphError) as caught:
        parse_graph(broken.text, "bad.yaml", search=[broken.base.folder])
    problem = clear(caught.value)
    assert problem.line == broken.lines.start, f"{problem} is not on line {broken.lines.start}"
    assert [word for word in broken.words if word not in problem.message] == [], str(problem)
    assert [word for word in broken.remedy if word not in problem.remedy] == [], str(problem)


@pytest.mark.parametrize("broken", [each for base in bases() for each in of_text.mutations(base)], ids=lambda b: b.name)
def test_a_broken_text_gets_one_clear_message_that_names_the_place(broken: BrokenText) -> None:
    with pytest.raises(GraphError) as caught:
        parse_graph(broken.text, "bad.yaml", search=[broken.base.folder])
    problem = clear(caught.value)
    # a quote or bracket that is not closed is noticed later; the message then also says where it begins
    said = re.search(rf"line {broken.line}\b", str(problem))
    assert problem.line in (broken.line, broken.line + 1) or said, str(problem)
    assert [word for word in broken.words if word not in problem.message] == [], str(problem)
    assert [word for word in broken.remedy if word not in problem.remedy] == [], str(problem)
