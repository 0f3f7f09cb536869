"""Whether the numbers of an answer are those that were calculated, and whether the equations in it hold."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import islice
from typing import Any

from engine.errors import EngineError
from engine.message import Message
from engine.nodes.code_check import without_blocks
from engine.tools.calculator import calculate

MAX_TEXT = 10_000
"""Characters of an answer that are looked at."""
MAX_EQUATIONS = 50
"""Equals signs that are looked at; the equations are calculated again, each in two milliseconds at worst."""
MAX_NUMBERS = 300
"""Numbers that are compared with the calculator's result; where there are more nothing is decided."""
MAX_SIDE = 80
"""Characters of the left side of an equation."""
MAX_PLACES = 40
"""Digits of a number that is compared."""

_NOTHING = Fraction(1, 10**14)
"""Relative difference that is none: results that are not exact have 16 digits."""
_NUMBER = r"\d[\d,]*(?:\.\d+)?"
_FOUND = re.compile(
    rf"(?<![\w.])(?P<number>\d(?:[\d,.]*\d)?|\.\d+)(?:[eE](?P<exponent>[+-]?\d{{1,3}})(?!\w)|\s*\*\s*10\s*\^\s*\{{?(?P<power>-?\d{{1,3}}))?"
    rf"(?:\s*/\s*(?P<under>{_NUMBER}))?(?:\s*(?P<scale>%|percent\b|k\b|thousand\b|million\b|billion\b|trillion\b))?",
    re.IGNORECASE,
)
_ZEROS = {"%": -2, "percent": -2, "k": 3, "thousand": 3, "million": 6, "billion": 9, "trillion": 12}
"""What follows a number -> the power of ten that it stands for."""
_IN_WORDS = re.compile(
    r"\b(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen|twenty|thirty|forty|fifty|sixty"
    r"|seventy|eighty|ninety|half|third|quarter|hundred|thousand|million)\b",
    re.IGNORECASE,
)
_SAME = {
    "−": "-", "×": "*", "·": "*", "⋅": "*", "÷": "/", "\\times": "*", "\\cdot": "*", "\\div": "/", "\\left": "",
    "\\right": "", "{,}": ",", "\\,": "", "\\(": " ", "\\)": " ", "\\[": " ", "\\]": " ", "$": "", "€": "", "£": "",
    "`": "", "**": "", "\u202f": "", "\u2009": "", "\u00a0": " ",
}  # fmt: skip
"""Signs of typesetting and of currencies; two asterisks that are no power are bold print."""
_SAME_SIGNS = re.compile("|".join(re.escape(sign) for sign in sorted(_SAME, key=len, reverse=True)))
_POWER = re.compile(r"(?<=[\d)])[ \t]?\*\*[ \t]?(?=[\d(])")
_SPACED_X = re.compile(r"(?<=\d)\s+[xX]\s+(?=\d)")
_BULLET = re.compile(r"^\s*(?:[-*+•]|\d{1,3}[.)])\s+")
_LEFT = re.compile(r"[\d.,+*/^() -]*$")
_RIGHT = re.compile(rf"\s*(?P<number>-?{_NUMBER})(?:\s*/\s*(?P<under>\d+))?(?P<after>\s*\S?)")
_UNDECIDED = re.compile(
    r"\b(?:base|binary|hex\w*|octal|mod|modulo|remainder|not|no|wrong|incorrect\w*|false|mistake\w*|instead|suppose|assume"
    r"|if|isn't|remains?)\b|[≠≡]",
    re.IGNORECASE,
)
"""Words after which an equation may be meant otherwise, or not be claimed at all."""


def number_problem(message: Message) -> str:
    """What does not agree, as the next prompt says it; empty where all does, or where nothing can be decided."""
    text = message.content[:MAX_TEXT]
    return _wrong_equation(_plain(without_blocks(text))) or _missing_result(_plain(text), message.data)


def _plain(text: str) -> str:
    """The text with one sign for each operator."""
    text = _POWER.sub("^", text)
    return _SPACED_X.sub(" * ", _SAME_SIGNS.sub(lambda match: _SAME[match[0]], text))


# -- the calculator's result -----------------------------------------------------------------------------------------


def _missing_result(text: str, data: Mapping[str, Any]) -> str:
    shown = _last_result(data.get("tools"))
    result = _value(shown)
    if result is None:
        return ""
    found = list(islice(_FOUND.finditer(text), MAX_NUMBERS + 1))
    if len(found) > MAX_NUMBERS or (not found and _IN_WORDS.search(text)):
        return ""
    answers = (answer for match in found for answer in _meanings(match))
    if any(_says(value, places, result) for value, places in answers):
        return ""
    return f"the calculator's result, {shown}, is not in the answer"


def _last_result(tools: Any) -> str:
    """The text of the last calculation that succeeded; empty for none."""
    if not isinstance(tools, Sequence) or isinstance(tools, str):
        return ""
    for call in reversed(tools):
        if isinstance(call, Mapping) and call.get("tool") == "calculator" and call.get("ok"):
            text = call.get("text")
            return text.strip() if isinstance(text, str) and len(text) <= MAX_PLACES else ""
    return ""


def _value(text: str) -> Fraction | None:
    """The number that a text is; None where it is none, or too long to be compared."""
    if not re.fullmatch(r"-?\d+(?:\.\d+)?(?:e[+-]?\d{1,3})?", text, re.ASCII):
        return None
    return Fraction(text)


def _meanings(match: re.Match[str]) -> Iterator[tuple[Fraction, int]]:
    """(number without its sign, places after the point that are given), in every reading of a number in the text."""
    for value, places in _readings(match["number"]):
        yield value, places
        power = int(match["exponent"] or match["power"] or 0)
        zeros = _ZEROS.get((match["scale"] or "").lower(), 0) + power
        if zeros:
            yield value * Fraction(10) ** zeros, places - zeros
        for under, _ in _readings(match["under"] or ""):
            if under:
                yield value / under, MAX_PLACES


def _readings(text: str) -> Iterator[tuple[Fraction, int]]:
    """A number with points and commas, in every way in which it may be meant: 1,234 may be a decimal."""
    if not text or len(text) > MAX_PLACES or not text.isascii():
        return
    for form in {text.replace(",", ""), text.replace(".", "").replace(",", ".")}:
        if re.fullmatch(r"\d*\.?\d+", form):
            yield Fraction(form), len(form.partition(".")[2])


def _says(value: Fraction, places: int, result: Fraction) -> bool:
    """Whether a number of the answer is the result, or the result rounded to the digits that the answer gives."""
    value, result = abs(value), abs(result)  # "5 less" is -5
    if abs(value - result) <= _NOTHING * result:
        return True
    if not value or not result:
        return False
    unit = Fraction(10) ** -max(-MAX_PLACES, min(MAX_PLACES, places))
    if places <= 0 and value.denominator == 1:  # 12,300 for 12,345: what ends in zeros is rounded, from 3 digits on
        digits = str(value.numerator)
        zeros = len(digits) - len(digits.rstrip("0"))
        unit = Fraction(10) ** zeros if len(digits) - zeros >= 3 else unit
    return _rounds(value, unit, result, cut=unit < 1)


def _rounds(value: Fraction, unit: Fraction, result: Fraction, *, cut: bool) -> bool:
    """Whether `value` is `result` in whole units: rounded, or with `cut` the digits after them left out."""
    left_out = result - value
    return abs(left_out) <= unit / 2 or (cut and 0 <= left_out < unit)


# -- equations -------------------------------------------------------------------------------------------------------


def _wrong_equation(text: str) -> str:
    left = MAX_EQUATIONS
    for line in text.splitlines():
        signs = line.count("=")
        if not signs or _UNDECIDED.search(line):
            continue
        left -= signs
        if left < 0:
            return ""
        for expression, claimed in _equations(_BULLET.sub("", line)):
            problem = _recalculated(expression, claimed)
            if problem:
                return problem
    return ""


def _equations(line: str) -> Iterator[tuple[str, str]]:
    """(calculation, number) of the simple equations in a line: numbers and signs left of `=`, one number right of it.

    One in which anything else is near, such as a name or a unit, is none.
    """
    begin = 0
    for at in (index for index, char in enumerate(line) if char == "="):
        expression = _expression_before(line, max(begin, at - MAX_SIDE - 1), at)
        begin = at + 1
        match = _RIGHT.match(line, at + 1)
        if not expression or match is None:
            continue
        after = match["after"]
        if after and (after[-1] in "+-*/^(%" or after[-1].isdigit() or (len(after) == 1 and after.isalpha())):
            continue
        if re.match(r"\s*(?:thousand|million|billion|trillion|percent)", line[match.end("number") :], re.IGNORECASE):
            continue
        yield expression, match["number"].rstrip(",") + (f"/{match['under']}" if match["under"] else "")


def _expression_before(line: str, start: int, end: int) -> str:
    """The calculation that ends at `end`; empty where there is none, or where it may be part of a larger one."""
    match = _LEFT.search(line, start, end)
    if match is None:
        return ""
    before, found = line[start : match.start()], match[0]
    expression = re.split(r"[.,]\s", found)[-1].strip()
    cut = match.start() == start > 0 and line[start - 1] != "="
    alone = expression not in found.strip() or not before or found[:1] == " " or before[-1] in ":=("
    if cut or not alone or expression[:1] in ("", "+", "*", "/", "^", ")"):
        return ""
    if expression.startswith("-") and (before.rstrip()[-1:] not in ("", ":", "=") or "^" in expression):
        return ""  # the sign may be an operator after a name, and -2^2 is 4 for some
    return expression if re.search(r"[\d)]\s*[-+*/^]\s*[\d(]", expression) else ""


def _recalculated(expression: str, claimed: str) -> str:
    """What is wrong with one equation; empty where it holds, or cannot be calculated."""
    try:
        calculated = calculate(expression)
    except EngineError:
        return ""
    result = _value(calculated.result)
    number, _, under = claimed.partition("/")
    readings = [*_readings(number.lstrip("-"))]
    if result is None or not readings or under.strip("0") == "" != under:
        return ""
    sign = -1 if number.startswith("-") else 1
    if any(_holds(sign * value, places, int(under or 1), result) for value, places in readings):
        return ""
    return f"`{expression} = {claimed}` is wrong, it is {calculated.result[:MAX_PLACES]}"


def _holds(value: Fraction, places: int, under: int, result: Fraction) -> bool:
    """Whether a claimed number is the result; where that has more digits, rounded or cut after those that are given."""
    if abs(value / under - result) <= _NOTHING * max(Fraction(1), abs(result)):
        return True
    unit = Fraction(10) ** -places
    if under != 1 or value * result < 0 or (result / unit).denominator == 1:
        return False  # where these digits are all that there are, each of them counts
    return _rounds(abs(value), unit, abs(result), cut=True)
