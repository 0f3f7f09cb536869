"""JSON as small models write it: single quotes, Python's True and None, a comma too many. Parsed by hand, and never
evaluated."""

from __future__ import annotations

import json
import re
from typing import Any

MAX_DEPTH = 20
MAX_VALUES = 2000
"""Values in one object."""

_SPACE = re.compile(r"\s*")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"' + r"|'(?:[^'\\]|\\.)*'", re.DOTALL)
_NUMBER = re.compile(r"-?\d{1,300}(?:\.\d{1,300})?(?:[eE][+-]?\d{1,3})?")
_WORDS = {"true": True, "True": True, "false": False, "False": False, "null": None, "None": None}
_WORD = re.compile(r"[A-Za-z]{1,10}\b")


class NotJson(ValueError):
    """There is no such value at that place."""


def object_at(text: str, start: int) -> tuple[dict[str, Any], int]:
    """The object that begins at `text[start]`, and where it ends.

    Raises:
        NotJson: there is none, or it is nested too deeply, or too large.
    """
    if text[start : start + 1] != "{":
        raise NotJson("no object")
    return value_at(text, start)


def value_at(text: str, start: int) -> tuple[Any, int]:
    """The value that begins at `text[start]`, and where it ends.

    Raises:
        NotJson: there is none, or it is nested too deeply, or too large.
    """
    reader = _Reader(text)
    return reader.value(start, 0), reader.end


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._left = MAX_VALUES
        self.end = 0
        """Where the latest value ends."""

    def value(self, start: int, depth: int) -> Any:
        self._left -= 1
        if depth > MAX_DEPTH or self._left < 0:
            raise NotJson("too deep or too large")
        at = self._after_space(start)
        first = self._text[at : at + 1]
        if first == "{":
            return self._object(at + 1, depth)
        if first == "[":
            return self._list(at + 1, depth)
        if first in ("'", '"') and first:
            return self._string(at)
        return self._plain(at)

    def _object(self, start: int, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        at = self._after_space(start)
        while not self._closes("}", at):
            name = self._string(at)
            at = self._after_space(self.end)
            if self._text[at : at + 1] != ":":
                raise NotJson("no colon")
            found[name] = self.value(at + 1, depth + 1)
            at = self._after_comma("}")
        return found

    def _list(self, start: int, depth: int) -> list[Any]:
        found: list[Any] = []
        at = self._after_space(start)
        while not self._closes("]", at):
            found.append(self.value(at, depth + 1))
            at = self._after_comma("]")
        return found

    def _closes(self, bracket: str, at: int) -> bool:
        if self._text[at : at + 1] != bracket:
            return False
        self.end = at + 1
        return True

    def _after_comma(self, bracket: str) -> int:
        """Where the next element, or the closing bracket, stands."""
        at = self._after_space(self.end)
        here = self._text[at : at + 1]
        if here == ",":
            return self._after_space(at + 1)
        if here != bracket:
            raise NotJson("no comma")
        return at

    def _string(self, start: int) -> str:
        match = _STRING.match(self._text, start)
        if match is None:
            raise NotJson("no text")
        self.end = match.end()
        body = match[0][1:-1]
        if match[0][0] == "'":  # the same text, written with the quotes of JSON
            body = re.sub(
                r'\\.|"', lambda found: {"\\'": "'", '"': '\\"'}.get(found[0], found[0]), body, flags=re.DOTALL
            )
        try:
            return str(json.loads(f'"{body}"', strict=False))
        except ValueError:
            return body  # an escape that JSON has not, as in regular expressions

    def _plain(self, at: int) -> Any:
        word = _WORD.match(self._text, at)
        if word is not None and word[0] in _WORDS:
            self.end = word.end()
            return _WORDS[word[0]]
        number = _NUMBER.match(self._text, at)
        if number is None:
            raise NotJson("no value")
        self.end = number.end()
        try:
            return json.loads(number[0])
        except ValueError:
            return number[0]  # a zero in front

    def _after_space(self, at: int) -> int:
        match = _SPACE.match(self._text, at)
        return at if match is None else match.end()
