"""What validation says about transforms: fields that an operation needs or does not use, templates and patterns."""

from __future__ import annotations

from typing import Any

import pytest

from engine.graph.problems import Problem
from engine.graph.templates import template_problems
from engine.graph.validation import validate
from tests.graphs import make_graph, node

EXAMPLES: dict[str, dict[str, Any]] = {
    "upper": {},
    "lower": {},
    "strip": {},
    "truncate": {"length": 3},
    "template": {"template": "{{ content }}"},
    "json_extract": {"path": "a.b", "default": "x"},
    "json_wrap": {"key": "text"},
    "json_parse": {},
    "json_stringify": {"path": "json", "indent": 2},
    "regex_extract": {"pattern": "(a)", "group": 1, "default": "x", "ignore_case": True},
    "regex_replace": {"pattern": "(a)", "replacement": "b", "ignore_case": True},
    "split": {"separator": ",", "length": 10},
    "join": {"separator": ",", "path": "items"},
}
"""Operation -> every field that it takes."""
VALUES: dict[str, Any] = {name: value for config in EXAMPLES.values() for name, value in config.items()}


def problems(**config: Any) -> list[Problem]:
    nodes = [node("start", "entry"), node("t", "transform", **config), node("end", "exit")]
    return validate(make_graph(nodes, [("start", "t"), ("t", "end")], valid=False))


@pytest.mark.parametrize("operation", EXAMPLES)
def test_an_operation_takes_its_fields_and_no_others(operation: str) -> None:
    own = EXAMPLES[operation]
    assert problems(operation=operation, **own) == []
    for field, value in VALUES.items():
        if field not in own:
            (problem,) = problems(operation=operation, **own, **{field: value})
            assert "does not use" in problem.message
            assert problem.location[-1] == field


@pytest.mark.parametrize(
    ("operation", "field"),
    [
        ("truncate", "length"),
        ("template", "template"),
        ("json_extract", "path"),
        ("json_wrap", "key"),
        ("regex_extract", "pattern"),
        ("regex_replace", "pattern"),
    ],
)
def test_a_field_that_is_needed_is_asked_for(operation: str, field: str) -> None:
    (problem,) = problems(operation=operation)
    assert f"needs the field `{field}`" in problem.message


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"operation": "split", "separator": ""}, "separator of node `t` is empty"),
        ({"operation": "json_extract", "path": "a..b"}, "empty part"),
        ({"operation": "regex_extract", "pattern": "("}, "cannot be used"),
        ({"operation": "regex_extract", "pattern": "(?R)"}, "recursion"),
        ({"operation": "regex_extract", "pattern": "((a{999}){999}){999}"}, "too often"),
        ({"operation": "regex_extract", "pattern": "(a)", "group": 2}, "no group 2: it has 1"),
        ({"operation": "regex_extract", "pattern": "(a)", "group": -1}, "no group -1"),
        ({"operation": "regex_extract", "pattern": "(?P<left>a)", "group": "lefd"}, "no group named `lefd`"),
    ],
)
def test_what_cannot_work_is_said_before_it_runs(config: dict[str, Any], message: str) -> None:
    (problem,) = problems(**config)
    assert message in problem.message
    assert problem.remedy


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ contnet }}", "unknown name `contnet`"),
        ("{{ route }}", "unknown name `route`"),
        ("{{ contnet | upper }}", "unknown name `contnet`"),
        ("{{ lipsum() }}", "unknown name `lipsum`"),
        ("{{ data.a | random }}", "unknown filter `random`"),
        ("{{ data.a is evenn }}", "unknown test `evenn`"),
        ("{% macro a() %}{% endmacro %}", "uses `macro`"),
        ("{% extends 'x' %}", "uses `extends`"),
        ("{% if %}", "no Jinja2 template: line 1"),
        ("{{{content}}}", "no Jinja2 template"),
        ("{{", "no Jinja2 template"),
        ("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", "nested too deeply"),
        ("{content}", "single braces"),
        ("{{ data.x | upper }} {vars.y}", "single braces"),
        ("x" * 20_001, "longer than"),
    ],
)
def test_a_wrong_template_is_found_before_it_runs(template: str, message: str) -> None:
    found = list(template_problems(template))
    assert [message in words for words, _ in found] == [True], found
    assert found[0][1]


@pytest.mark.parametrize(
    "template",
    [
        "",
        "{% for x in data.list %}{{ loop.index }}{{ x }}{% endfor %}",
        "{% set ns = namespace(n=0) %}{{ ns.n }}",
        "{{ '{content}' }}",
        "{{ 9 ** (9 ** 9) }}",
        "{{ 'x' | center(9999999999) }}",
        "{% raw %}{{ anything }}{% endraw %}",
    ],
)
def test_a_template_is_checked_without_being_evaluated(template: str) -> None:
    assert list(template_problems(template)) == []
