# ruff: noqa: E501 - one mutation a line
"""A corpus of broken graphs: each is one mutation of a good one, and gives one clear error that names the place."""

from __future__ import annotations

import dataclasses
import json

import pytest

from tests.unit.graph.samples import GOOD, error_of, good

# (what is replaced, by what, words of the message, words of the remedy, text that stands on the line that is named)
MUTATIONS = [
    ("id: graph.sample\n", "", "needs the field `id`", "Add `id:`", "version: 1.0.0"),
    ("version: 1.0.0", "version: 1.0", "such as 1.0.0", "x.y.z", "version"),
    ("version: 1.0.0", "version: latest", "cannot be `latest`", "x.y.z", "version"),
    ("name: Sample", "nmae: Sample", "no field `nmae`", "`name`", "nmae"),
    ("name: Sample", "name: 5", "must be a text, not the number 5", "quotes", "name: 5"),
    ("name: Sample", "name: a\nname: b", "there twice", "Remove or rename", "name: b"),
    ("id: start", "id: sta rt", "cannot be `sta rt`", "letters", "id: sta rt"),
    ("id: start", "id: talker", "`talker` is there twice", "id of its own", "- id: talker\n    type: model"),
    ("  - id: start\n    type: entry", "  - type: entry", "node number 1 needs the field `id`", "Add `id:`", "- type: entry"),
    ("type: entry", "type: entri", "cannot be `entri`", "`entry`", "entri"),
    ("id: start\n    type: entry", "id: start", "node `start` needs the field `type`", "Add `type:`", "- id: start"),
    ("required_fields: [question]", "required_fields: question", "must be a list", "- item", "required_fields"),
    ("required_fields: [question]", "required_fields: [5]", "must be a text", "quotes", "required_fields"),
    ("input_schema: {type: object}", "input_schema: {type: objekt}", "no valid JSON Schema", "Correct", "objekt"),
    ("{type: object}", '{$ref: "http://example.org/x"}', "schema elsewhere", "$defs", "example.org"),
    ('model: "@router"', 'model: "@ruter"', "no such role", "`@router`", "@ruter"),
    ('model: "@router"', 'model: ""', "names no model", "@general", 'model: ""'),
    ('model: "@router"', "model: [a]", "must be a text, not a list", "quotes", "model: [a]"),
    ("multi_label: true", "multi_label: yes", "true or false, not the text `yes`", "true or false", "multi_label"),
    ("multi_label: true", "multi_label: false", "never be taken", "multi_label: true", "compound_routes:"),
    ("max_labels: 2", "max_labels: 0", "at least 1", "Correct", "max_labels"),
    ("max_labels: 2", "max_labels: 1", "never be taken", "2 or more", "max_labels"),
    ("max_labels: 2", "max_labels: 010", "whole number, not the text `010`", "plain digits", "max_labels"),
    ("max_labels: 2", "max_labels: 1.5", "whole number", "plain digits", "max_labels"),
    ("max_labels: 2", "max_label: 2", "no field `max_label`", "`max_labels`", "max_label"),
    ("default_route: talk", "default_route: tlak", "`tlak`", "`talk`", "tlak"),
    ("- name: code", "- name: talk", "two routes named `talk`", "name of its own", "- name: talk\n          target: talker"),
    ("- name: code\n", "- description: x\n", "route number 1 of node `router` needs the field `name`", "Add `name:`", "description: x"),
    ("target: talker", "target: talkre", "leads to `talkre`", "`talker`", "talkre"),
    ("target: talker\n", "targt: talker\n", "no field `targt`", "`target`", "targt: talker"),
    ("domains: [code, talk]", "domains: [code, tlak]", "`tlak`", "`talk`", "tlak"),
    ("domains: [code, talk]", "domains: [code]", "at least 2 items", "Correct", "domains: [code]\n"),
    ("domains: [code, talk]", "domains: [code, code]", "one route only", "two or more", "domains: [code, code]"),
    ("\n      input: [router]", "\n      input: [rooter]", "names the node `rooter`", "`router`", "rooter"),
    ('fallback_models: ["@worker"]', 'fallback_models: ["@slave"]', "no such role", "@worker", "@slave"),
    ("max_tokens: 64", "max_tokens: -1", "at least 1", "Correct", "max_tokens"),
    ("max_tokens: 64", "max_tokens: many", "whole number, not the text `many`", "plain digits", "max_tokens"),
    ("max_tokens: 64", "max_tokens:", "not empty", "plain digits", "max_tokens"),
    ("stream: true", "stream: no", "not the text `no`", "true or false", "stream"),
    ("temperature: 0.5", "temperature: 3", "at most 2", "Correct", "temperature"),
    ("temperature: 0.5", "temperature: hot", "a number, not the text `hot`", "plain number", "temperature"),
    ("timeout_ms: 1000", "timeout: 1000", "no field `timeout`", "`timeout_ms`", "timeout"),
    ("timeout_ms: 1000", "retry: {attempts: 50}", "at most 20", "Correct", "attempts: 50"),
    ("operation: template", "operation: templat", "cannot be `templat`", "`template`", "templat\n"),
    ("operation: template", "operation: upper", "does not use the field `template`", "Remove", "template: "),
    ("operation: template", "operation: truncate", "needs the field `length`", "Add `length:`", "operation"),
    ("operation: template", "operation: json_extract", "needs the field `path`", "Add `path:`", "operation"),
    ("{{ question }}", "{{ qestion }}", "unknown name `qestion`", "`question`", "qestion"),
    ("{{ data.route }}", "{{ route }}", "unknown name `route`", "`data.route`", "{{ route }}"),
    ("{{ data.route }}", "{{ content.route }}", "`content` is a text", "{{ content }}", "content.route"),
    ("{{ data.route }}", "{data.route}", "single braces", "{{ data.route }}", "{data.route}"),
    ("{{ data.route }}", "{{ data.route", "no Jinja2 template", "Correct it", "{{ data.route"),
    ("{{ data.route }}", "{{ data.route | uper }}", "unknown filter `uper`", "`upper`", "uper"),
    ("{{ data.route }}", "{% include 'x' %}", "uses `include`", "no other templates", "include"),
    ("mode: checks", "mode: check", "cannot be `check`", "`checks`", "mode: check\n"),
    ("mode: checks", "mode: expression", "no checks are run here", "mode: checks", "expression: checks.ok"),
    ("expression: checks.ok", "expression: checks.okay", "unknown check `checks.okay`", "`checks.ok`", "checks.okay"),
    ("expression: checks.ok", "expression: chekcs.ok", "unknown field", "`checks`", "chekcs"),
    ("expression: checks.ok", 'expression: ""', "it is empty", "Use ==", 'expression: ""'),
    ("expression: retries < max_retries", "expression: retries = 1", "is not valid", "Use ==", "retries = 1"),
    ("expression: retries < max_retries", "expression: open('x')", "not allowed", "Use ==", "open("),
    ("default_target: best_effort", "default_target: best", "leads to `best`", "`best_effort`", "default_target"),
    ("target: router", "target: rotuer", "leads to `rotuer`", "`router`", "rotuer"),
    ("status: fallback", "status: fallbak", "cannot be `fallbak`", "`fallback`", "fallbak"),
    ("{from_node: start, to_node: router}", "{from_node: start}", "needs the field `to_node`", "Add", "from_node: start"),
    ("from_node: shape", "from_node: shap", "comes from `shap`", "`shape`", "from_node: shap,"),
    ("{from_node: shape, to_node: check}", "{from_node: shape, to_node: chek}", "leads to `chek`", "`check`", "chek}"),
    ("to_node: shape}", "to_node: shape, weight: heavy}", "a number, not the text", "plain number", "heavy"),
    ('"len(content) > 0"', '"len(contnt) > 0"', "unknown field `contnt`", "`content`", "contnt"),
    ('"len(content) > 0"', '"content > "', "is not valid", "Use ==", "content > "),
    ("  - {from_node: shape, to_node: check}\n", "", "`shape` is a dead end", "Add an edge", "- id: shape"),
    ("  - {from_node: start, to_node: router}\n", "", "`start` is a dead end", "Add an edge", "- id: start"),
    ("  - {from_node: coder, to_node: shape}\n", "  - {from_node: coder, to_node: check}\n", "reach the node `shape`", "leads to it", "- id: shape"),
    ("to_node: check}\nentry", "to_node: check}\n  - {from_node: answer, to_node: check}\nentry", "a run ends at the exit", "Remove the edge", "from_node: answer"),
    ("to_node: check}\nentry", "to_node: check}\n  - {from_node: router, to_node: answer}\nentry", "only to its own targets", "target of a route", "to_node: answer"),
    ("to_node: check}\nentry", "to_node: check}\n  - 5\nentry", "edge number 6 must be a mapping", "fields under it", "- 5"),
    ("entry_points: [start]", "entry_points: [strat]", "no such node", "`start`", "entry_points"),
    ("entry_points: [start]", "entry_points: [coder]", "type model, not entry", "`start`", "entry_points"),
    ("exit_points: [answer, best_effort]", "exit_points: [answer]", "`best_effort` is not in `exit_points`", "Add it", "- id: best_effort"),
    ("exit_points: [answer, best_effort]", "exit_points: [answer, answer, best_effort]", "twice", "Remove", "exit_points"),
    ("allow_cycles: true", "allow_cycles: false", "in a circle", "allow_cycles: true", "target: router"),
    ("allow_cycles: true", "allow_cycle: true", "no field `allow_cycle`", "`allow_cycles`", "allow_cycle"),
    ("allow_cycles: true", "metadata: [1]", "must be a mapping", "fields under it", "metadata"),
    ("entry_points: [start]", "entry_points: [start", "not YAML", "brackets", "exit_points"),
    ("  - id: start", "\t- id: start", "not YAML", "spaces instead of tabs", "- id: start"),
]  # fmt: skip


def test_the_graph_that_is_mutated_is_valid() -> None:
    assert good().id == "graph.sample"


@pytest.mark.parametrize(("old", "new", "message", "remedy", "place"), MUTATIONS, ids=lambda value: str(value)[:24])
def test_a_broken_graph_gives_one_error_that_names_place_and_remedy(
    old: str, new: str, message: str, remedy: str, place: str
) -> None:
    assert GOOD.count(old) >= 1, "the mutation changes nothing"
    text = GOOD.replace(old, new, 1)
    error = error_of(text)
    line = text[: text.index(place)].count("\n") + 1
    found = [problem for problem in error.problems if message in problem.message]
    assert found, str(error)
    assert any(problem.line == line and problem.column > 0 for problem in found), str(error)
    assert any(remedy in problem.remedy for problem in found), str(error)
    assert all(problem.remedy for problem in error.problems)
    assert "bad.yaml" in str(error)
    assert f"line {line}," in str(error)
    json.dumps([dataclasses.asdict(problem) for problem in error.problems])


def test_one_mistake_is_not_reported_as_many() -> None:
    noisy = []
    for old, new, message, _, _ in MUTATIONS:
        problems = error_of(GOOD.replace(old, new, 1)).problems
        if len(problems) > 3:
            noisy.append((message, [str(problem) for problem in problems]))
    assert noisy == []


@pytest.mark.parametrize("line", range(GOOD.count("\n")))
def test_a_graph_with_a_line_missing_loads_or_says_what_is_wrong(line: int) -> None:
    lines = GOOD.splitlines(keepends=True)
    text = "".join(lines[:line] + lines[line + 1 :])
    try:
        error = error_of(text)
    except AssertionError:
        return  # the line was not needed
    assert all(problem.message and problem.remedy and problem.line for problem in error.problems), str(error)
