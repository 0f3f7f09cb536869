"""The functions and constants of the calculator."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from engine.tools import numbers
from engine.tools.numbers import CalculationError, Number, combine

_ZERO = Number(Fraction(0))
_TWO = Number(Fraction(2))
_TEN = Number(Fraction(10))


def modulo(left: Number, right: Number) -> Number:
    if right.value == 0:
        raise CalculationError("division by zero")
    return combine(left.value % right.value, left, right)


def _integer(number: Number, what: str) -> int:
    if number.value.denominator != 1:
        raise CalculationError(f"{what} needs whole numbers")
    return number.value.numerator


def _small(number: Number, what: str, most: int = 10_000) -> int:
    value = _integer(number, what)
    if not 0 <= value <= most:
        raise CalculationError(f"{what} needs numbers from 0 to {most}")
    return value


def factorial(number: Number) -> Number:
    return Number(Fraction(math.factorial(_small(number, "a factorial", 1400))))


def _combinations(number: Number, chosen: Number) -> Number:
    return Number(Fraction(math.comb(_small(number, "comb"), _small(chosen, "comb"))))


def _permutations(number: Number, chosen: Number) -> Number:
    return Number(Fraction(math.perm(_small(number, "perm", 1400), _small(chosen, "perm", 1400))))


def _round(number: Number, digits: Number = _ZERO) -> Number:
    places = _integer(digits, "round")
    if abs(places) > 100:
        raise CalculationError("round takes at most 100 places")
    return Number(numbers.round_half_up(number.value, places), number.exact)


def _whole(function: Callable[[Fraction], int]) -> Callable[[Number], Number]:
    return lambda number: Number(Fraction(function(number.value)), number.exact)


def _mean(*parts: Number) -> Number:
    return combine(sum((part.value for part in parts), Fraction(0)) / len(parts), *parts)


def _median(*parts: Number) -> Number:
    ordered, half = sorted(part.value for part in parts), len(parts) // 2
    middle = ordered[half] if len(parts) % 2 else (ordered[half - 1] + ordered[half]) / 2
    return combine(middle, *parts)


def _log(number: Number, base: Number = _TEN) -> Number:
    return numbers.logarithm(number, base)


@dataclass(frozen=True, slots=True)
class Function:
    """A function that expressions may call."""

    call: Callable[..., Number]
    least: int = 1
    most: int = 1
    cost: int = 0
    """Work on top of that of its digits."""

    @property
    def arity(self) -> str:
        if self.least == self.most:
            return str(self.least)
        return f"{self.least} to {self.most}"


_MANY = 200
_SLOW = 1000

FUNCTIONS: Mapping[str, Function] = {
    "abs": Function(lambda number: Number(abs(number.value), number.exact)),
    "sign": Function(lambda number: Number(Fraction((number.value > 0) - (number.value < 0)), number.exact)),
    "round": Function(_round, 1, 2),
    "floor": Function(_whole(math.floor)),
    "ceil": Function(_whole(math.ceil)),
    "trunc": Function(_whole(math.trunc)),
    "min": Function(lambda *parts: min(parts, key=lambda part: part.value), 1, _MANY),
    "max": Function(lambda *parts: max(parts, key=lambda part: part.value), 1, _MANY),
    "sum": Function(lambda *parts: combine(sum((part.value for part in parts), Fraction(0)), *parts), 1, _MANY),
    "mean": Function(_mean, 1, _MANY),
    "avg": Function(_mean, 1, _MANY),
    "median": Function(_median, 1, _MANY),
    "sqrt": Function(lambda number: numbers.root(number, _TWO), cost=_SLOW),
    "cbrt": Function(lambda number: numbers.root(number, Number(Fraction(3))), cost=_SLOW),
    "root": Function(numbers.root, 2, 2, _SLOW),
    "pow": Function(numbers.power, 2, 2, _SLOW),
    "mod": Function(modulo, 2, 2),
    "exp": Function(numbers.exponential, cost=_SLOW),
    "ln": Function(numbers.logarithm, cost=_SLOW),
    "log": Function(_log, 1, 2, _SLOW),
    "log10": Function(_log, cost=_SLOW),
    "log2": Function(lambda number: _log(number, _TWO), cost=_SLOW),
    "sin": Function(numbers.sine, cost=_SLOW),
    "cos": Function(numbers.cosine, cost=_SLOW),
    "tan": Function(numbers.tangent, cost=_SLOW),
    "asin": Function(numbers.arcsine, cost=_SLOW),
    "acos": Function(numbers.arccosine, cost=_SLOW),
    "atan": Function(numbers.arctangent, cost=_SLOW),
    "radians": Function(lambda number: combine(number.value * numbers.PI.value / 180, number, numbers.PI)),
    "degrees": Function(lambda number: combine(number.value * 180 / numbers.PI.value, number, numbers.PI)),
    "factorial": Function(factorial, cost=_SLOW),
    "comb": Function(_combinations, 2, 2, _SLOW),
    "perm": Function(_permutations, 2, 2, _SLOW),
    "gcd": Function(lambda *parts: Number(Fraction(math.gcd(*(_integer(p, "gcd") for p in parts)))), 1, _MANY),
    "lcm": Function(lambda *parts: _least_multiple([_integer(part, "lcm") for part in parts]), 1, _MANY),
}

CONSTANTS: Mapping[str, Number] = {
    "pi": numbers.PI,
    "π": numbers.PI,
    "e": numbers.E,
    "tau": combine(2 * numbers.PI.value, numbers.PI),
}


def _least_multiple(values: list[int]) -> Number:
    result = Number(Fraction(abs(values[0])))
    for value in values[1:]:
        result = Number(Fraction(math.lcm(result.value.numerator, value)))
    return result
