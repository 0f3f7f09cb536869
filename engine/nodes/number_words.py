"""Numbers in English words: `twenty-five`, `three hundred and four`, `two million`."""

from __future__ import annotations

from collections.abc import Sequence

_ONES = {
    word: value
    for value, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
        ]
    )
}
_TENS = {
    word: value * 10
    for value, word in enumerate(
        ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], start=2
    )
}
_SCALES = {"thousand": 1000, "million": 10**6, "billion": 10**9}


def number_at(words: Sequence[str], start: int) -> tuple[int, int] | None:
    """The number that begins at `words[start]`, and how many words it takes; None where none begins, or where what
    follows it would be a second number (`twenty thirty`).

    Args:
        words: in small letters; `twenty-five` is one word.
    """
    total = group = 0
    at, last, scale = start, "", 10**12
    while at < len(words):
        kind, value = _kind(words[at])
        if kind == "and" and last in ("hundred", "scale") and at + 1 < len(words):
            if _kind(words[at + 1])[0] not in ("ones", "tens", "both"):
                break
            at += 1
            continue
        if kind in ("ones", "tens", "both"):
            if last in ("ones", "both") or (last == "tens" and not (kind == "ones" and 0 < value < 10)):
                return None
            group += value
        elif kind == "hundred" and last == "ones" and 0 < group < 20:
            group *= 100
        elif kind == "scale" and last and last != "scale" and value < scale:
            total, group, scale = total + group * value, 0, value
        else:
            break
        last = kind
        at += 1
    return (total + group, at - start) if last else None


def _kind(word: str) -> tuple[str, int]:
    if word in _ONES:
        return "ones", _ONES[word]
    if word in _TENS:
        return "tens", _TENS[word]
    if word in ("hundred", "and"):
        return word, 100
    if word in _SCALES:
        return "scale", _SCALES[word]
    tens, _, ones = word.partition("-")
    if tens in _TENS and 0 < _ONES.get(ones, 0) < 10:
        return "both", _TENS[tens] + _ONES[ones]
    return "", 0
