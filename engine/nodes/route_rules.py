"""Explicit routing rules: what a question says about its route by itself, without any model.

Which route a rule leads to is written in the graph: a route declares words in `domains`, and two of these words,
`fence` and `arithmetic`, switch on the rules of that name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from engine.graph.spec import RouteSpec
from engine.tools.functions import FUNCTIONS

Rule = Literal["command", "fence", "arithmetic"]

MAX_ARITHMETIC = 200
"""Characters; nothing longer is only arithmetic."""

_COMMAND = re.compile(r"^\s*/([^\s/]{1,200})\s+(?=\S)")
_FENCE = re.compile(r"^[ \t]{0,3}(?:```|~~~)", re.MULTILINE)
_ASKING = re.compile(
    r"^(?:what(?:\s+is|'s|’s|s)|how much is|calculate|compute|evaluate|solve|work out"
    r"|was ist|wie\s*viel ist|berechne|rechne|cu[aá]nto es|calcula|combien font|calcule|quanto fa|quanto [eé])\b[\s:]*",
    re.IGNORECASE,
)
_CLOSING = re.compile(r"\s*(?:=\s*)?[?!.]*\s*$")
_NUMBER = re.compile(r"\s*(?:\d[\d_]*(?:[.,]\d+)*|\.\d+)(?:%(?!\s*\d))?")
_OPERATOR = re.compile(r"\s*(?:\*\*|[-+*/^×÷−·%x])")
_FUNCTION = re.compile(rf"\s*(?:{'|'.join(FUNCTIONS)})(?=\s*\()")
_DATE = re.compile(r"^\s*\d{1,4}([-/])\d{1,2}\1\d{1,4}\s*$")


@dataclass(frozen=True, slots=True)
class RuleMatch:
    """The route that a question names."""

    route: str
    question: str
    """The question without the command that chose the route."""
    rule: Rule
    expression: str = ""
    """The calculation alone, where the question is one; after a command, all that follows it otherwise."""


def match_rule(routes: Sequence[RouteSpec], question: str) -> RuleMatch | None:
    """The route that the question itself names, if any.

    In this order: `/word question`, where the word is the name of a route or one of its domains; a code fence, for the
    route with the domain `fence`; arithmetic and nothing else, such as `What is 12*7?`, for the route with the domain
    `arithmetic`. Among several routes that fit, the one with the highest priority is taken, then the first.
    """
    by_priority = sorted(routes, key=lambda route: -route.priority)
    command = _COMMAND.match(question)
    if command is not None:
        named = _named(by_priority, command[1])
        if named is not None:
            asked = question[command.end() :]
            return RuleMatch(named.name, asked, "command", calculation_in(asked) or asked.strip())
    fence = _with_domain(by_priority, "fence")
    if fence is not None and _FENCE.search(question):
        return RuleMatch(fence.name, question, "fence")
    arithmetic = _with_domain(by_priority, "arithmetic")
    expression = calculation_in(question) if arithmetic is not None else ""
    if arithmetic is not None and expression:
        return RuleMatch(arithmetic.name, question, "arithmetic", expression)
    return None


def _named(routes: Sequence[RouteSpec], word: str) -> RouteSpec | None:
    """A route's own name goes before a domain of another route."""
    wanted = word.casefold()
    by_name = next((route for route in routes if route.name.casefold() == wanted), None)
    return by_name or _with_domain(routes, wanted)


def _with_domain(routes: Sequence[RouteSpec], word: str) -> RouteSpec | None:
    return next((route for route in routes if word in (domain.casefold() for domain in route.domains)), None)


def is_arithmetic(text: str) -> bool:
    """Whether a text is one calculation, as `calculation_in` finds it."""
    return bool(calculation_in(text))


def calculation_in(text: str) -> str:
    """The calculation that a text is, with numbers, operators, brackets and functions of one argument, such as
    `sqrt(2)`; empty where it is none, or more than that.

    `What is` and the like may stand before it. A single number and a date (`2024-05-01`, `1/2/2024`) are none.
    """
    body = text.strip()
    if len(body) > MAX_ARITHMETIC:
        return ""
    body = _CLOSING.sub("", _ASKING.sub("", body, count=1), count=1).strip()
    return body if not _DATE.match(body) and _is_calculation(body) else ""


def _is_calculation(text: str) -> bool:
    """Whether the text is `operand (operator operand)+` with balanced brackets, or has a function; one pass, without
    recursion."""
    position, open_brackets, operators = 0, 0, 0
    operand_next = True
    while position < len(text):
        if text[position].isspace():
            position += 1
        elif operand_next and text[position] == "(":
            open_brackets += 1
            position += 1
        elif not operand_next and text[position] == ")":
            open_brackets -= 1
            position += 1
            if open_brackets < 0:
                return False
        elif operand_next and text[position] in "+-−√":
            operators += text[position] == "√"
            position += 1
        elif operand_next and (function := _FUNCTION.match(text, position)):
            operators += 1
            position = function.end()
        else:
            token = (_NUMBER if operand_next else _OPERATOR).match(text, position)
            if token is None:
                return False
            operators += not operand_next
            operand_next = not operand_next
            position = token.end()
    return not operand_next and open_brackets == 0 and operators > 0
