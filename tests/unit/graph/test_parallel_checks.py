# ruff: noqa: E501 - one mutation a line
"""Validation of what runs in parallel: every problem names its place and a remedy."""

from __future__ import annotations

import pytest

from engine.graph.loader import parse_graph
from tests.unit.graph.samples import error_of

PARALLEL = """\
id: graph.parallel
nodes:
  - {id: start, type: entry}
  - id: fan
    type: fanout
    config:
      targets: [a, b, c]
      max_branches: 4
  - {id: a, type: model}
  - {id: b, type: model}
  - {id: c, type: model}
  - id: meet
    type: join
    config:
      mode: quorum
      quorum: 2
  - {id: answer, type: exit}
  - {id: other, type: exit}
edges:
  - {from_node: start, to_node: fan}
  - {from_node: a, to_node: meet}
  - {from_node: b, to_node: meet}
  - {from_node: c, to_node: meet}
  - {from_node: meet, to_node: answer, condition: "len(content) > 0"}
  - {from_node: meet, to_node: other, condition: "len(content) == 0"}
"""

QUORUM = "mode: quorum\n      quorum: 2"

# (what is replaced, by what, words of the message, words of the remedy, text that stands at the place)
MUTATIONS = [
    ("targets: [a, b, c]", "targets: [a, b, cc]", "The fan-out `fan` leads to `cc`", "`c`", "cc]"),
    ("targets: [a, b, c]", "targets: [a, b, a, c]", "lists the target `a` twice", "Remove one", "a, c]"),
    ("targets: [a, b, c]", "targets: []", "at least 1", "", "targets"),
    ("targets: [a, b, c]", "target: [a, b, c]", "no field `target`", "`targets`", "target"),
    ("max_branches: 4", "max_branches: 2", "3 targets, but begins 2", "3 or more", "2\n  - {id: a"),
    ("max_branches: 4", "over: json..parts", "empty part", "single dots", "json..parts"),
    ("mode: quorum\n      quorum: 2", "mode: quorum", "does not say how many", "Add `quorum:`", "quorum\n"),
    ("mode: quorum\n", "mode: all\n", "does not use the field `quorum`", "mode: quorum", "quorum: 2"),
    ("quorum: 2", "quorum: 4", "waits for 4 branches, and at most 3", "3 or less", "4\n  - {id: answer"),
    ("quorum: 2", "quorum: 0", "at least 1", "", "quorum: 0"),
    ("quorum: 2", "quorum: 2\n      success: len(content) > 1", "not use the field `success`", "first_success", "len(content) > 1"),
    ("quorum: 2", "quorum: 2\n      score: points", "not use the field `score`", "best_score", "points"),
    ("quorum: 2", "quorum: 2\n      on_dead: degrade", "not use the field `on_dead`", "mode: all", "degrade"),
    (QUORUM, "mode: any\n      separator: x", "not use the field `separator`", "mode: all", "x\n"),
    (QUORUM, "mode: best_score\n      score: a..b", "empty part", "single dots", "a..b"),
    (QUORUM, "mode: best_score\n      score: ''", "empty", "single dots", "''"),
    (QUORUM, "mode: first_success\n      success: len(content", "not valid", "Use ==", "len(content\n"),
    (QUORUM, "mode: first_success\n      success: contnt == 1", "unknown field `contnt`", "`content`", "contnt"),
    (QUORUM, "mode: first_success\n      success: vars.x == 1", "not known of a message", "`content`", "vars.x"),
    (QUORUM, "mode: first_success\n      success: retries == 1", "not known of a message", "`data`", "retries"),
    (QUORUM, "mode: first_success\n      success: checks.ok", "no checks are run", "mode: checks", "checks.ok"),
    (QUORUM, "mode: most", "cannot be `most`", "`all`", "most\n"),
    (QUORUM, "mode: all\n      cancel_siblings: never", "true or false", "true or false", "never"),
    ("{from_node: c, to_node: meet}", "{from_node: c, to_node: other}", "only 2 of the 3 branches of `fan` can reach it, not `c`", "Lead `c`", "id: meet"),
    ("  - {from_node: a,", "  - {from_node: fan, to_node: other}\n  - {from_node: a,", "the fanout `fan` goes only to its own targets", "one of its targets", "from_node: fan"),
]  # fmt: skip


def test_the_graph_that_is_mutated_is_valid() -> None:
    assert parse_graph(PARALLEL, "good.yaml").id == "graph.parallel"


@pytest.mark.parametrize(("old", "new", "message", "remedy", "place"), MUTATIONS, ids=lambda value: str(value)[:24])
def test_a_problem_names_its_place_and_a_remedy(old: str, new: str, message: str, remedy: str, place: str) -> None:
    text = PARALLEL.replace(old, new, 1)
    assert text != PARALLEL, "the mutation changes nothing"
    error = error_of(text)
    start = text.index(new[:4] if place not in text else place)
    found = [problem for problem in error.problems if message in problem.message]
    assert found, str(error)
    assert found[0].line == text[:start].count("\n") + 1, str(error)
    assert found[0].column > 0
    assert remedy in found[0].remedy, found[0].remedy
    assert len(error.problems) <= 3, str(error)


@pytest.mark.parametrize(
    "new",
    [
        "mode: all\n      on_dead: degrade\n      separator: x",
        "mode: any\n      cancel_siblings: false",
        "mode: first_success\n      success: data.ok == true and len(content) > 3",
        "mode: majority_vote\n      on_dead: degrade",
        "mode: best_score\n      score: json.score",
        "mode: quorum\n      quorum: 3\n      separator: x",
    ],
)
def test_fields_of_a_mode_are_accepted(new: str) -> None:
    parse_graph(PARALLEL.replace(QUORUM, new), "good.yaml")


def test_a_list_may_have_as_many_branches_as_are_allowed() -> None:
    text = PARALLEL.replace("max_branches: 4", "over: json.parts\n      max_branches: 8")
    parse_graph(text.replace("quorum: 2", "quorum: 8"), "good.yaml")
    assert "at most 8" in str(error_of(text.replace("quorum: 2", "quorum: 9")))


def test_branches_that_never_meet_may_race_for_the_exits() -> None:
    text = PARALLEL.replace("{from_node: b, to_node: meet}", "{from_node: b, to_node: answer}")
    text = text.replace("{from_node: c, to_node: meet}", "{from_node: c, to_node: other}")
    parse_graph(text.replace(QUORUM, "mode: all"), "good.yaml")


def test_a_fan_out_in_a_branch_needs_a_join_of_its_own() -> None:
    text = PARALLEL.replace("- {id: a, type: model}", "- {id: a, type: fanout, config: {targets: [x, y]}}").replace(
        "  - {id: b, type: model}",
        "  - {id: x, type: model}\n  - {id: y, type: model}\n  - {id: b, type: model}",
    )
    edges = "{from_node: x, to_node: meet}\n  - {from_node: y, to_node: meet}"
    text = text.replace("{from_node: a, to_node: meet}", edges)
    error = error_of(text)
    assert "runs in a branch of `fan`, and both come together at `meet`" in str(error)
    assert [problem.line for problem in error.problems] == [9]
    with_join = text.replace("  - {id: answer", "  - {id: own, type: join}\n  - {id: answer").replace(
        edges,
        edges.replace("meet", "own") + "\n  - {from_node: own, to_node: meet}",
    )
    parse_graph(with_join, "good.yaml")


def test_an_edge_that_handles_a_failure_of_a_fan_out_is_no_useless_edge() -> None:
    edge = "  - {from_node: fan, to_node: other, condition: \"status == 'failed'\"}\n"
    parse_graph(PARALLEL + edge, "good.yaml")


ROUTED = """\
id: graph.routed
nodes:
  - {id: start, type: entry}
  - id: router
    type: router
    config:
      fanout_enabled: true
      multi_label: true
      max_labels: 2
      routes: [{name: a, target: a}, {name: b, target: b}, {name: c, target: c}]
  - {id: a, type: model}
  - {id: b, type: model}
  - {id: c, type: model}
  - {id: meet, type: join, config: {mode: quorum, quorum: 2}}
  - {id: answer, type: exit}
edges:
  - {from_node: start, to_node: router}
  - {from_node: a, to_node: meet}
  - {from_node: b, to_node: meet}
  - {from_node: c, to_node: meet}
  - {from_node: meet, to_node: answer}
"""


@pytest.mark.parametrize(
    ("old", "new", "message", "line"),
    [
        ("multi_label: true", "multi_label: false", "it finds one label only", 7),
        ("max_labels: 2", "max_labels: 1", "it keeps one label only", 9),
        ("quorum: 2}", "quorum: 3}", "at most 2 come together", 14),
        ("fanout_enabled: true", "fanout_enabled: false", "at most 1 come together", 14),
    ],
)
def test_a_router_that_fans_out_needs_several_labels(old: str, new: str, message: str, line: int) -> None:
    parse_graph(ROUTED, "good.yaml")
    found = [problem for problem in error_of(ROUTED.replace(old, new)).problems if message in problem.message]
    assert [problem.line for problem in found] == [line]
