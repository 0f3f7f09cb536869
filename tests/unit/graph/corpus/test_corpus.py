"""A corpus of broken graphs: each is a valid graph with one mutation, and each gets one clear message."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache

import pytest

from engine.graph.loader import parse_graph
from engine.graph.problems import GraphError, Problem
from tests.unit.graph.corpus import of_config, of_form, of_shape, of_text
from tests.unit.graph.corpus.bases import Base, bases, write
from tests.unit.graph.corpus.broken import Broken
from tests.unit.graph.corpus.of_text import BrokenText


@cache
def corpus() -> tuple[Broken, ...]:
    seen: Counter[tuple[object, ...]] = Counter()
    found: list[Broken] = []
    for base in bases():
        found += of_form.mutations(base, seen)
        found += of_shape.mutations(base)
        found += of_config.mutations(base)
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
