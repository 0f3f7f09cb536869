"""The calculations that a question asks for, found by rule: in signs (`12*7`) or in English words (`15% of 240`,
`seventeen times six`).

A rule is sure or it says nothing: the whole of a clause must be understood, so `two plus two in binary`, dates, phone
numbers and word problems are no calculations.
"""

from __future__ import annotations

import re

from engine.nodes.number_words import number_at
from engine.nodes.route_rules import calculation_in

MAX_QUESTION = 2000
"""Characters that are looked at."""
MAX_CALCULATIONS = 5

_CLAUSE_END = re.compile(
    r"[?!;\n]+|\.(?=\s|$)|,?\s*\b(?:and|then|also)\s+(?=(?:what|how much|calculate|compute|evaluate|work out)\b)"
    r"|,\s*(?=(?:what|how much|calculate|compute|evaluate|work out)\b)|:\s+(?=\S)",
    re.IGNORECASE,
)
_POLITE = re.compile(
    r"^(?:(?:hi|hello|hey|please|so|ok|okay|now|then|and|well|just|"
    r"(?:can|could|would|will) you(?: please)?|tell me|i (?:want|need|would like) (?:you )?to(?: know)?|do you know)"
    r"\b,?\s*)+",
    re.IGNORECASE,
)
_ASKING = re.compile(
    r"^(?:what(?:'s|’s| is| are| does| do)(?! (?:the )?(?:year|date|time|chance|score))|how much (?:is|are|does)"
    r"|calculate|compute|evaluate|solve|work out|find|give me|use the calculator(?: to (?:calculate|compute|find))?)\b"
    r"\s*(?:for me\s+)?(?:the (?:value|result|answer|outcome) (?:of|to)\s+)?",
    re.IGNORECASE,
)
_CLOSING = re.compile(
    r"\s*(?:,?\s*\b(?:please|thanks|thank you|exactly|for me|equal(?: to)?)|=|[?.!])\s*$", re.IGNORECASE
)
_NO_CALCULATION = re.compile(
    r"^\s*(?:24/7|9/11|50/50|\d{1,4}([-/.])\d{1,2}\1\d{1,4}|(?:\+?\d{1,3}-)?(?:\d{3}-)?\d{3}-\d{4}"
    r"|\d+(?:[-/]\d+){3,})\s*$"
)
_VERSION = re.compile(r"\d+\.\d+\.\d+")
_SPAN = re.compile(r"^\s*([12]\d{3})[-–]([12]\d{3})\s*$")

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+)|(?P<word>[a-z]+(?:-[a-z]+)*)|(?P<sign>\*\*|[-+*/^(),%×÷·−!$€£]))",
    re.IGNORECASE,
)
_OPERATORS = {
    ("plus",): "+",
    ("minus",): "-",
    ("times",): "*",
    ("multiplied", "by"): "*",
    ("divided", "by"): "/",
    ("over",): "/",
    ("mod",): " mod ",
    ("modulo",): " mod ",
    ("to", "the", "power", "of"): "**",
    ("raised", "to", "the", "power", "of"): "**",
    ("percent", "of"): "% of ",
    ("%", "of"): "% of ",
}
_BEFORE = {
    ("square", "root", "of"): "sqrt",
    ("cube", "root", "of"): "cbrt",
    ("factorial", "of"): "factorial",
    ("half", "of"): "0.5*",
    ("twice",): "2*",
    ("double",): "2*",
}
_AFTER = {("squared",): "**2", ("cubed",): "**3", ("factorial",): "!", ("!",): "!"}
_LISTS = {"sum": "+", "product": "*", "difference": "-", "quotient": "/"}
_OFF = (("percent", "off"), ("%", "off"))
_SIGNS = {"×": "*", "÷": "/", "·": "*", "−": "-", "^": "**"}


def calculations_asked(question: str) -> list[str]:
    """The calculations that a question asks for, as the calculator takes them, in order and each once."""
    body = question.strip()[:MAX_QUESTION]
    whole = calculation_in(body)
    if whole:
        return [] if _means_something_else(whole) else [whole]
    said = _without_closing(body)
    clauses = (_asked_in(clause) for clause in _CLAUSE_END.split(body) if clause)
    found = ["" if _means_something_else(said) else _in_words(said), *clauses]
    return list(dict.fromkeys(each for each in found if each))[:MAX_CALCULATIONS]


def _asked_in(clause: str) -> str:
    """The calculation of a clause that asks for one; empty where it asks for none, or for something else too."""
    said = _POLITE.sub("", clause.strip())
    asking = _ASKING.match(said)
    if asking is None:
        return ""
    rest = _without_closing(said[asking.end() :].strip())
    if not rest or _means_something_else(rest):
        return ""
    return calculation_in(rest) or _in_words(rest)


def _without_closing(text: str) -> str:
    while (shorter := _CLOSING.sub("", text)) != text:
        text = shorter
    return text


def _means_something_else(text: str) -> bool:
    """Whether a text is written like a calculation and means a date, years, a phone number, an address or a saying."""
    span = _SPAN.match(text)
    if span is not None and span[1] < span[2]:
        return True
    return bool(_NO_CALCULATION.match(text) or _VERSION.search(text))


def _in_words(text: str) -> str:
    """The expression that all of a text comes to; empty where some of it is not understood."""
    try:
        return _Phrase(_tokens(text)).expression()
    except _NotUnderstood:
        return ""


class _NotUnderstood(Exception):
    pass


def _tokens(text: str) -> list[str]:
    tokens: list[str] = []
    at = 0
    body = text.rstrip()
    while at < len(body):
        match = _TOKEN.match(body, at)
        if match is None or len(tokens) > 100:
            raise _NotUnderstood
        at = match.end()
        tokens.append(match[0].strip().lower())
    return tokens


class _Phrase:
    """A calculation in words: `operand (operator operand)*`, read from left to right."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._at = 0
        self._operations = 0

    def expression(self) -> str:
        if self._tokens[:1] == ["the"]:
            self._at = 1
        text = self._list() or self._chain()
        if self._at < len(self._tokens) or not self._operations:
            raise _NotUnderstood
        return text

    def _list(self) -> str:
        """`sum of a and b`, `difference between a and b`."""
        word = self._peek()
        if word not in _LISTS or self._peek(1) not in ("of", "between"):
            return ""
        self._at += 2
        parts = [self._operand()]
        while self._take(("and",)) or self._take((",",)):
            parts.append(self._operand())
        if len(parts) < 2 or (word in ("difference", "quotient") and len(parts) > 2):
            raise _NotUnderstood
        self._operations += 1
        return _LISTS[word].join(parts)

    def _chain(self) -> str:
        text = self._operand()
        while self._at < len(self._tokens):
            if any(self._take(words) for words in _OFF):
                text = f"{self._operand()}-{text}%"
                self._operations += 1
                return text
            operator = self._operator()
            if not operator:
                break
            text += operator + self._operand()
            self._operations += 1
        return text

    def _operator(self) -> str:
        for words, operator in _OPERATORS.items():
            if self._take(words):
                return operator
        sign = self._peek()
        sign = _SIGNS.get(sign, sign)
        if sign in ("+", "-", "*", "/", "**"):
            self._at += 1
            return sign
        return ""

    def _operand(self) -> str:
        for words, name in _BEFORE.items():
            if self._take(words):
                self._operations += 1
                inner = self._operand()
                return f"{name}{inner}" if name.endswith("*") else f"{name}({inner})"
        if self._take(("(",)):
            inner = self._chain()
            if not self._take((")",)):
                raise _NotUnderstood
            return self._followed(f"({inner})")
        if self._peek() in ("$", "€", "£"):
            self._at += 1
        return self._followed(self._number())

    def _number(self) -> str:
        sign = "-" if self._take(("-",)) or self._take(("−",)) or self._take(("minus",)) else ""
        token = self._peek()
        if token[:1].isdigit() or token[:1] == ".":
            self._at += 1
            return sign + token.replace(",", "")
        found = number_at(self._tokens, self._at)
        if found is None:
            raise _NotUnderstood
        self._at += found[1]
        return f"{sign}{found[0]}"

    def _followed(self, operand: str) -> str:
        """The operand with what is said after it: `squared`."""
        for words, sign in _AFTER.items():
            if self._take(words):
                self._operations += 1
                return f"({operand}){sign}" if operand.startswith("-") else f"{operand}{sign}"
        if self._peek() in ("%", "percent") and self._peek(1) not in ("of", "off"):
            self._at += 1
            return f"{operand}%"
        return operand

    def _take(self, words: tuple[str, ...]) -> bool:
        if tuple(self._tokens[self._at : self._at + len(words)]) != words:
            return False
        self._at += len(words)
        return True

    def _peek(self, ahead: int = 0) -> str:
        position = self._at + ahead
        return self._tokens[position] if position < len(self._tokens) else ""
