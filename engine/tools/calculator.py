"""Calculator: exact arithmetic on hostile expressions.

    + - * / // % ** ^ ( )   5!   15% of 80   200 + 10%   1,234.5   1e-3   sqrt(2)   max(1, 2)   pi   e

A hand-written parser (operator precedence climbing), so that decimals stay what was typed: `0.1 + 0.2` is 0.3. A
percent sign is `modulo` when an operand follows and percent otherwise; `a + b%` adds so many percent of a, as pocket
calculators do. Rounding takes halves away from zero. Every size is bounded before the work is done.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import DecimalException
from fractions import Fraction
from typing import ClassVar

from pydantic import Field

from engine.errors import EngineError, ErrorClass
from engine.graph.problems import choose_from, shorten
from engine.tools import numbers
from engine.tools.effect import Effect, Permission
from engine.tools.functions import CONSTANTS, FUNCTIONS, factorial, modulo
from engine.tools.numbers import MAX_DIGITS, CalculationError, Number, combine
from engine.tools.protocol import Arguments, Result, ToolContext

MAX_LENGTH = 1000
"""Characters of an expression."""
MAX_DEPTH = 40
"""Levels of nesting."""
MAX_WORK = 60_000
"""Digits that all operations of one expression may handle together."""

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d[\d_]*(?:\.[\d_]*)?|\.\d[\d_]*)(?:[eE][+-]?\d{1,9})?)"
    r"|(?P<name>[A-Za-z_]\w*|[π√])|(?P<op>\*\*|//|[-+*/%^()!,×·÷−=?]))",
    re.ASCII,
)
_SAME = {"^": "**", "×": "*", "·": "*", "÷": "/", "−": "-", "x": "*", "of": "*", "mod": "%", "times": "*"}
_BINARY = {"+": 10, "-": 10, "*": 20, "/": 20, "//": 20, "%": 20}
_UNARY = 30
_POWER = 40


class CalculatorArguments(Arguments):
    expression: str = Field(
        min_length=1, max_length=MAX_LENGTH, description="arithmetic, such as `12*7`, `15% of 80` or `sqrt(2)/3`"
    )


class CalculatorResult(Result):
    result: str = Field(description="the number as text")
    exact: bool = Field(description="whether the text is exactly the result; false: rounded to 16 digits")
    fraction: str = Field(default="", description="such as 1/3, where the exact result is a fraction without an end")

    def as_text(self) -> str:
        return self.result


class CalculatorTool:
    id = "calculator"
    description = "Calculates exactly: + - * / ** %, factorials, sqrt, sin, log, min, max, round and the like."
    Input = CalculatorArguments
    Output = CalculatorResult
    effect: ClassVar[Effect] = "pure"
    permission: ClassVar[Permission] = "auto"
    timeout_s = 5.0

    async def run(self, arguments: CalculatorArguments, context: ToolContext) -> CalculatorResult:  # noqa: ARG002
        return calculate(arguments.expression)


def calculate(expression: str) -> CalculatorResult:
    """The result of an expression; bounded work (a few milliseconds at worst).

    Raises:
        EngineError: class INVALID_REQUEST, code `not_calculable`.
    """
    try:
        number = _Parser(expression).parse()
        text, exact = numbers.written(number)
    except (CalculationError, DecimalException, OverflowError) as exc:
        mine = exc if isinstance(exc, CalculationError) else CalculationError("a number is too large")
        raise EngineError(
            ErrorClass.INVALID_REQUEST,
            "not_calculable",
            f"`{shorten(expression, 80)}` cannot be calculated: {mine}.",
            remedy=mine.remedy or "Give one arithmetic expression, such as `12*7` or `sqrt(2)/3`.",
        ) from None
    fraction = f"{number.value.numerator}/{number.value.denominator}" if number.exact and not exact else ""
    return CalculatorResult(result=text, exact=exact, fraction=fraction if len(fraction) <= 200 else "")


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    """number, name, op or end."""
    text: str


def _tokens(expression: str) -> list[_Token]:
    if len(expression) > MAX_LENGTH:
        raise CalculationError(f"it is longer than {MAX_LENGTH} characters")
    found: list[_Token] = []
    text, position = expression.rstrip(), 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise CalculationError(f"`{shorten(text[position:].strip(), 20)}` is not understood")
        kind = match.lastgroup or ""
        found.append(_Token(kind, match[kind]))
        position = match.end()
    while found and found[-1].text in ("=", "?"):  # as people write it: 12 * 7 = ?
        found.pop()
    return [*found, _Token("end", "")]


class _Parser:
    """Parses and calculates in one pass."""

    def __init__(self, expression: str) -> None:
        self._tokens = _tokens(expression)
        self._at = 0
        self._work = 0
        self._in_call = False

    def parse(self) -> Number:
        if self._next.kind == "end":
            raise CalculationError("it is empty")
        result = self._expression(0, 0)[0]
        if self._next.kind != "end":
            raise CalculationError(f"`{shorten(self._next.text, 20)}` is not expected there; write * between factors")
        return result

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self) -> _Token:
        token = self._tokens[self._at]
        self._at += token.kind != "end"
        return token

    def _expect(self, text: str) -> None:
        if self._take().text != text:
            raise CalculationError(f"a `{text}` is missing")

    def _spend(self, *parts: Number) -> None:
        """Count the digits that an operation handles."""
        bits = sum(each.value.numerator.bit_length() + each.value.denominator.bit_length() for each in parts)
        self._work += 20 + bits * 3 // 10
        if self._work > MAX_WORK:
            raise CalculationError("it takes too much work")

    def _expression(self, binding: int, depth: int) -> tuple[Number, bool]:
        """The value of what follows, up to an operator that binds less, and whether it is a bare percentage."""
        if depth > MAX_DEPTH:
            raise CalculationError(f"it is nested more than {MAX_DEPTH} levels deep")
        left, percent = self._operand(depth)
        while True:
            operator = self._operator()
            if operator is None or _BINARY[operator] <= binding:
                return left, percent
            self._take()
            right, right_percent = self._expression(_BINARY[operator], depth + 1)
            if right_percent and not percent and operator in "+-":
                self._spend(left, right)
                right = combine(left.value * right.value, left, right)
            self._spend(left, right)
            left, percent = _OPERATIONS[operator](left, right), False

    def _operator(self) -> str | None:
        token = self._next
        text = _SAME.get(token.text.lower(), token.text)
        return text if text in _BINARY else None

    def _operand(self, depth: int) -> tuple[Number, bool]:
        """A signed operand with its power, factorial and percent signs."""
        signs = 0
        while self._next.text in ("+", "-", "−"):
            signs += self._take().text != "+"
        value, percent = self._postfix(self._primary(depth))
        if _SAME.get(self._next.text, self._next.text) == "**":
            self._take()
            if depth >= MAX_DEPTH:
                raise CalculationError(f"it is nested more than {MAX_DEPTH} levels deep")
            exponent, _ = self._operand(depth + 1)  # right-associative, and may have a sign
            self._spend(value, exponent)
            value, percent = numbers.power(value, exponent), False
            self._spend(value)
        return (Number(-value.value, value.exact) if signs % 2 else value), percent

    def _postfix(self, value: Number) -> tuple[Number, bool]:
        percent = False
        while True:
            if self._next.text == "!":
                self._take()
                self._spend(value)
                value = factorial(value)
                self._spend(value)
            elif self._next.text == "%" and not self._operand_follows():
                self._take()
                self._spend(value)
                value, percent = combine(value.value / 100, value), True
            else:
                return value, percent

    def _operand_follows(self) -> bool:
        """Whether the token after the next one begins an operand, so that a percent sign means modulo."""
        after = self._tokens[min(self._at + 1, len(self._tokens) - 1)]
        return after.kind == "number" or after.text == "(" or (after.kind == "name" and after.text.lower() not in _SAME)

    def _primary(self, depth: int) -> Number:
        token = self._take()
        if token.kind == "number":
            return self._number(token.text)
        if token.text == "(":
            outside, self._in_call = self._in_call, False
            value, _ = self._expression(0, depth + 1)
            self._in_call = outside
            self._expect(")")
            return value
        if token.text == "√":
            if depth >= MAX_DEPTH:
                raise CalculationError(f"it is nested more than {MAX_DEPTH} levels deep")
            value = self._primary(depth + 1)
            self._spend(value)
            return numbers.root(value, Number(Fraction(2)))
        if token.kind == "name":
            return self._named(token.text, depth)
        where = f"`{token.text}`" if token.text else "the end"
        raise CalculationError(f"a number is missing before {where}")

    def _number(self, text: str) -> Number:
        if not self._in_call:  # 1,234,567: a comma between groups of three digits, where it cannot divide arguments
            while self._next.text == "," and re.fullmatch(r"\d{3}(\.\d*)?", self._tokens[self._at + 1].text):
                self._take()
                text += self._take().text
        plain = text.replace("_", "")
        mantissa, _, exponent = plain.lower().partition("e")
        if len(mantissa) > MAX_DIGITS or abs(int(exponent or 0)) > MAX_DIGITS:
            raise CalculationError(f"a number has more than {MAX_DIGITS} digits")
        number = Number(Fraction(plain))
        self._spend(number)
        return number

    def _named(self, name: str, depth: int) -> Number:
        lower = name.lower()
        if lower in CONSTANTS:
            return CONSTANTS[lower]
        if lower not in FUNCTIONS:
            remedy = choose_from(lower, [*FUNCTIONS, *CONSTANTS])
            raise CalculationError(f"`{shorten(name, 30)}` is not known", remedy)
        self._expect("(")
        outside, self._in_call = self._in_call, True
        arguments: list[Number] = []
        while self._next.text != ")":
            if arguments:
                self._expect(",")
            arguments.append(self._expression(0, depth + 1)[0])
        self._in_call = outside
        self._expect(")")
        function = FUNCTIONS[lower]
        if not function.least <= len(arguments) <= function.most:
            raise CalculationError(f"`{lower}` was given {len(arguments)} arguments and takes {function.arity}")
        self._spend(*arguments, *arguments)
        self._work += function.cost
        result = function.call(*arguments)
        self._spend(result)
        return result


def _add(left: Number, right: Number, sign: int = 1) -> Number:
    result = combine(left.value + sign * right.value, left, right)
    if not result.exact and abs(result.value) * 10 ** (numbers.PRECISION - 5) < max(abs(left.value), abs(right.value)):
        return Number(Fraction(0), exact=False)  # only rounding errors are left
    return result


def _divide(left: Number, right: Number) -> Number:
    if right.value == 0:
        raise CalculationError("division by zero")
    return combine(left.value / right.value, left, right)


def _floor_divide(left: Number, right: Number) -> Number:
    if right.value == 0:
        raise CalculationError("division by zero")
    return combine(Fraction(left.value // right.value), left, right)


_OPERATIONS: Mapping[str, Callable[[Number, Number], Number]] = {
    "+": _add,
    "-": lambda left, right: _add(left, right, -1),
    "*": lambda left, right: combine(left.value * right.value, left, right),
    "/": _divide,
    "//": _floor_divide,
    "%": modulo,
}
