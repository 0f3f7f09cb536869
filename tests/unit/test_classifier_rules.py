"""Explicit routing rules: commands, code fences and plain arithmetic."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.graph.spec import RouteSpec
from engine.nodes.route_rules import RuleMatch, is_arithmetic, match_rule

ROUTES = [
    RouteSpec(name="talk", target="t", domains=["chat"]),
    RouteSpec(name="program", target="p", domains=["Script", "fence"]),
    RouteSpec(name="numbers", target="n", domains=["sums", "arithmetic", "talk"]),
]


@pytest.mark.parametrize(
    ("question", "route", "rest"),
    [
        ("/program reverse a string", "program", "reverse a string"),
        ("  /PROGRAM\n reverse", "program", "reverse"),
        ("/script reverse", "program", "reverse"),
        ("/sums 2 apples", "numbers", "2 apples"),
        ("/talk hello", "talk", "hello"),
        ("/chat ```x```", "talk", "```x```"),
    ],
)
def test_a_command_picks_the_route_and_is_taken_away(question: str, route: str, rest: str) -> None:
    match = match_rule(ROUTES, question)
    assert match is not None
    assert (match.route, match.question, match.rule) == (route, rest, "command")
    assert match.expression == rest.strip(), "a tool can be called with what follows the command"


@pytest.mark.parametrize(
    "question",
    ["/nobody hello", "/program", "/program   ", "/tmp/program is full", "/ program x", "a /program x", "//program x"],
)
def test_what_only_looks_like_a_command_is_a_question(question: str) -> None:
    assert match_rule(ROUTES, question) is None


@pytest.mark.parametrize("question", ["```\nx\n```", "What is this?\n```python\nprint(1)\n```", "mend\n  ~~~\nx"])
def test_a_code_fence_picks_the_route_that_asks_for_it(question: str) -> None:
    assert match_rule(ROUTES, question) == RuleMatch("program", question, "fence")


def test_backticks_inside_a_line_are_no_fence() -> None:
    assert match_rule(ROUTES, "what does ```x``` mean") is None


_CALCULATIONS = """2 + 2|What is 12*7?
what's 2^10|(3+4)*2 =|15% * 80|1,000 * 3.5|-5 - -3|√16|5 % 3|5%3|7 x 8|.5+.5|2 ** 8
Calculate: 3/4 + 1/2|berechne 3 × 4|How much is 10 ÷ 4 ?|2+2=?|((1))+((2))|9/3
sin(3)|What is sqrt(144) * 10?|2 * abs (-3)""".replace("\n", "|").split("|")


@pytest.mark.parametrize("question", _CALCULATIONS)
def test_a_calculation_and_nothing_else_is_arithmetic(question: str) -> None:
    match = match_rule(ROUTES, question)
    assert match is not None
    assert (match.route, match.question, match.rule) == ("numbers", question, "arithmetic")
    assert match.expression in question
    assert is_arithmetic(match.expression), "the calculation alone, without the words around it"


_OTHERS = """42|What is 42?
2024-01-15|1/2/2024|What is love?|sinus(3)|sin 3|sin(3|print(3)
3 +|* 3|((1+2)|(1+2))|()|2 2|What is 2+2 in binary?|1+a|=|?
What happened on 9/11?|3 apples + 2 apples|x|+|%|1 + (2)3|""".replace("\n", "|").split("|")


@pytest.mark.parametrize("question", _OTHERS)
def test_everything_else_is_none(question: str) -> None:
    assert not is_arithmetic(question)
    assert match_rule(ROUTES, question) is None


def test_without_a_route_that_asks_for_them_the_built_in_rules_are_off() -> None:
    plain = [RouteSpec(name="numbers", target="n"), RouteSpec(name="program", target="p")]
    assert match_rule(plain, "2 + 2") is None
    assert match_rule(plain, "```\nx\n```") is None


def test_among_routes_that_fit_the_one_with_the_highest_priority_is_taken() -> None:
    routes = [
        RouteSpec(name="a", target="a", domains=["fence"]),
        RouteSpec(name="b", target="b", domains=["fence"], priority=1),
    ]
    match = match_rule(routes, "```\nx\n```")
    assert match is not None
    assert match.route == "b"


@pytest.mark.parametrize(
    "question",
    ["(" * 500_000, "1+" * 500_000, " " * 1_000_000, "/" + "a" * 1_000_000, "\n" * 1_000_000 + "x", "=" * 199],
)
def test_a_megabyte_of_anything_costs_little(question: str) -> None:
    started = time.process_time()
    assert match_rule(ROUTES, question) is None
    assert time.process_time() - started < 2  # generous: a quadratic pattern would need minutes


@given(st.one_of(st.text(max_size=60), st.text(alphabet="0123456789+-*/^().,% =?xX", max_size=30)))
def test_any_text_is_judged(question: str) -> None:
    match = match_rule(ROUTES, question)
    assert match is None or question.endswith(match.question)


_NUMBERS = st.integers(min_value=0, max_value=10**6).map(str)
_EXPRESSIONS = st.recursive(
    st.builds("{} {} {}".format, _NUMBERS, st.sampled_from("+*÷"), _NUMBERS),
    lambda inner: st.builds("({}) {} ({})".format, inner, st.sampled_from("+-*/^"), inner),
    max_leaves=4,
)


@given(_EXPRESSIONS, st.sampled_from(["", "What is ", "calculate "]), st.sampled_from(["", "?", " =", "."]))
def test_every_well_formed_calculation_is_recognised(expression: str, before: str, after: str) -> None:
    assert is_arithmetic(before + expression + after)
