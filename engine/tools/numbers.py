"""Number: exact rational arithmetic where possible, 40 significant digits elsewhere; every size is bounded.

Trigonometric series and argument reduction follow the recipes of the standard library's `decimal` documentation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from fractions import Fraction

MAX_DIGITS = 4000
"""Digits of a numerator or denominator: below the 4300 at which Python refuses to write an integer."""
PRECISION = 40
"""Significant digits of results that are not exact."""
SHOWN = 16
"""Significant digits that are shown of them."""

_GUARD = Context(prec=PRECISION + 25, Emax=99_999, Emin=-99_999)
_MAX_BITS = int(MAX_DIGITS * math.log2(10))
_PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459230781640628620899862803482534211706798")
_E = Decimal("2.71828182845904523536028747135266249775724709369995957496696762772407663035354759457138217852516642743")


class CalculationError(ValueError):
    """Something cannot be calculated; the text says why, for the person."""

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(reason)
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Number:
    """A number, and whether it is exactly what was asked for."""

    value: Fraction
    exact: bool = True

    def __post_init__(self) -> None:
        if max(self.value.numerator.bit_length(), self.value.denominator.bit_length()) > _MAX_BITS:
            raise CalculationError(f"a number has more than {MAX_DIGITS} digits")


def rounded(value: Decimal) -> Number:
    """A number that is not exact, from a decimal with guard digits."""
    return Number(Fraction(Context(prec=PRECISION).plus(value)), exact=False)


def _rounded_wave(value: Decimal) -> Number:
    """A value of a trigonometric function: what is as good as zero is zero, so that sin(pi) is 0."""
    return Number(Fraction(0), exact=False) if abs(value) < Decimal(10) ** (2 - PRECISION) else rounded(value)


def combine(value: Fraction, *parts: Number) -> Number:
    """The number that was made of `parts`; digits beyond the precision are dropped when one of them was not exact."""
    if all(part.exact for part in parts):
        return Number(value)
    return Number(Fraction(as_decimal(value, PRECISION)), exact=False)


def as_decimal(value: Fraction, digits: int = _GUARD.prec) -> Decimal:
    """A fraction as a decimal with so many significant digits."""
    context = Context(prec=digits, Emax=99_999, Emin=-99_999)
    return context.divide(Decimal(value.numerator), Decimal(value.denominator))


PI = Number(Fraction(_GUARD.plus(_PI)), exact=False)
E = Number(Fraction(_GUARD.plus(_E)), exact=False)


def power(base: Number, exponent: Number) -> Number:
    """base ** exponent; exact for whole exponents and for roots that come out even."""
    low, high = base.value, exponent.value
    if high.denominator == 1:
        return combine(_whole_power(low, high.numerator), base, exponent)
    if low < 0:
        raise CalculationError("a negative number has no real power with a fractional exponent")
    if low == 0:
        if high < 0:
            raise CalculationError("division by zero")
        return base
    if base.exact and exponent.exact and high.denominator <= 64:
        root = _exact_root(low, high.denominator)
        if root is not None:
            return Number(_whole_power(root, high.numerator))
    magnitude = abs(float(as_decimal(high, 17))) * abs(float(as_decimal(low, 17).logb()) + 1)
    if not magnitude <= MAX_DIGITS:  # nor when it is no number at all
        raise CalculationError(f"the power has more than {MAX_DIGITS} digits")
    with localcontext(_GUARD):
        return rounded(as_decimal(low) ** as_decimal(high))


def _whole_power(base: Fraction, exponent: int) -> Fraction:
    if base == 0 and exponent < 0:
        raise CalculationError("division by zero")
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    if abs(base.numerator) == base.denominator:
        exponent %= 2  # 1 and -1: any exponent is as good
    elif (bits - 1) * abs(exponent) > _MAX_BITS:  # checked before the work is done
        raise CalculationError(f"the power has more than {MAX_DIGITS} digits")
    return base**exponent


def _exact_root(value: Fraction, degree: int) -> Fraction | None:
    top, bottom = _integer_root(value.numerator, degree), _integer_root(value.denominator, degree)
    if top**degree == value.numerator and bottom**degree == value.denominator:
        return Fraction(top, bottom)
    return None


def _integer_root(value: int, degree: int) -> int:
    """The largest integer whose power is not above `value`, by Newton's method from above."""
    if value < 2 or degree == 1:
        return value
    if degree == 2:
        return math.isqrt(value)
    guess = 1 << -(-value.bit_length() // degree)
    while True:
        better = ((degree - 1) * guess + value // guess ** (degree - 1)) // degree
        if better >= guess:
            return guess
        guess = better


def root(value: Number, degree: Number) -> Number:
    """The real root; exact where it comes out even."""
    if degree.value.denominator != 1 or not 1 <= degree.value <= 64:
        raise CalculationError("the degree of a root must be a whole number from 1 to 64")
    if value.value < 0:
        if degree.value % 2 == 0:
            raise CalculationError("a negative number has no real root of an even degree")
        positive = root(Number(-value.value, value.exact), degree)
        return Number(-positive.value, positive.exact)
    return power(value, Number(1 / degree.value, degree.exact))


def exponential(value: Number) -> Number:
    if value.value == 0:
        return Number(Fraction(1), value.exact)
    if abs(value.value) > 9000:
        raise CalculationError("the argument of exp is too large")
    return rounded(_GUARD.exp(as_decimal(value.value)))


def logarithm(value: Number, base: Number | None = None) -> Number:
    """The natural logarithm, or that to a base; exact for whole powers of the base."""
    if value.value <= 0:
        raise CalculationError("only positive numbers have a logarithm")
    if base is None:
        return Number(Fraction(0), value.exact) if value.value == 1 else rounded(_GUARD.ln(as_decimal(value.value)))
    if base.value <= 0 or base.value == 1:
        raise CalculationError("the base of a logarithm must be positive and not 1")
    result = rounded(_GUARD.divide(_GUARD.ln(as_decimal(value.value)), _GUARD.ln(as_decimal(base.value))))
    nearest = round(result.value)
    if (
        value.exact
        and base.exact
        and abs(nearest) <= MAX_DIGITS * 4
        and abs(result.value - nearest) < Fraction(1, 10**20)
    ):
        try:
            if _whole_power(base.value, nearest) == value.value:
                return Number(Fraction(nearest))
        except CalculationError:
            pass
    return result


def sine(value: Number) -> Number:
    with localcontext(_GUARD):
        return _rounded_wave(_sine(_reduced(value)))


def cosine(value: Number) -> Number:
    with localcontext(_GUARD):
        return _rounded_wave(_sine(_reduced(value) + _PI / 2))


def tangent(value: Number) -> Number:
    with localcontext(_GUARD):
        angle = _reduced(value)
        bottom = _sine(angle + _PI / 2)
        if abs(bottom) < Decimal(10) ** -(PRECISION - 2):
            raise CalculationError("the tangent is not defined there")
        return _rounded_wave(_sine(angle) / bottom)


def arctangent(value: Number) -> Number:
    with localcontext(_GUARD):
        return rounded(_arctangent(as_decimal(value.value)))


def arcsine(value: Number) -> Number:
    if abs(value.value) > 1:
        raise CalculationError("only numbers from -1 to 1 have an arcsine or arccosine")
    with localcontext(_GUARD):
        return rounded(_arcsine(as_decimal(value.value)))


def arccosine(value: Number) -> Number:
    angle = arcsine(value)
    with localcontext(_GUARD):
        return rounded(_PI / 2 - as_decimal(angle.value))


def _reduced(value: Number) -> Decimal:
    if abs(value.value) > 10**15:
        raise CalculationError("an angle must be between -10^15 and 10^15")
    with localcontext(_GUARD):
        return as_decimal(value.value) % (2 * _PI)


def _sine(angle: Decimal) -> Decimal:
    """The Taylor series of the sine; the angle is brought near 0 first."""
    angle %= 2 * _PI
    if angle > _PI:
        angle -= 2 * _PI
    elif angle < -_PI:
        angle += 2 * _PI
    term = total = angle
    square, step = -angle * angle, 1
    while True:
        step += 2
        term = term * square / (step * (step - 1))
        if total + term == total or not term:
            return total
        total += term


def _arctangent(value: Decimal) -> Decimal:
    """The series of the arctangent, with the argument halved four times: atan x = 2 atan(x / (1 + sqrt(1 + x²)))."""
    for _ in range(4):
        value /= 1 + (1 + value * value).sqrt()
    power_, total, step, square = value, value, 1, -value * value
    while True:
        step += 2
        power_ *= square
        if total + power_ / step == total:
            return total * 16
        total += power_ / step


def _arcsine(value: Decimal) -> Decimal:
    rest = 1 - value * value
    if rest <= 0:
        return (_PI / 2).copy_sign(value)
    return _arctangent(value / rest.sqrt())


def round_half_up(value: Fraction, digits: int = 0) -> Fraction:
    """Rounded to so many places, halves away from zero, as taught in schools and done by spreadsheets."""
    scale = Fraction(10) ** digits
    scaled = abs(value) * scale
    whole = math.floor(scaled + Fraction(1, 2))
    return Fraction(whole if value >= 0 else -whole) / scale


def written(number: Number) -> tuple[str, bool]:
    """The number as text, and whether that text is exactly what was asked for.

    Integers and decimals that end are written out; others get `SHOWN` significant digits.
    """
    value = number.value
    if number.exact:
        if value.denominator == 1:
            return str(value.numerator), True
        places = _decimal_places(value.denominator)
        if places is not None and places <= 60:
            sign, scaled = "-" if value < 0 else "", abs(value.numerator) * 10**places // value.denominator
            digits = str(scaled).rjust(places + 1, "0")
            return f"{sign}{digits[:-places]}.{digits[-places:]}", True
    return _significant(value), False


def _decimal_places(denominator: int) -> int | None:
    """Places after the point of a fraction in lowest terms; None where they never end."""
    twos = (denominator & -denominator).bit_length() - 1
    rest, fives = denominator >> twos, 0
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    return max(twos, fives) if rest == 1 else None


def _significant(value: Fraction) -> str:
    shown = as_decimal(value, SHOWN)
    if not shown:
        return "0"
    shown = shown.normalize(Context(prec=SHOWN, Emax=99_999, Emin=-99_999))
    if -7 <= shown.adjusted() < 21:
        return f"{shown:f}"
    return str(shown).replace("E", "e")
