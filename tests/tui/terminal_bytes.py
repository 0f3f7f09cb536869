"""What a program wrote to its terminal, taken apart: escape sequences by kind, and characters that command."""

from __future__ import annotations

import re
from collections import Counter

_SEQUENCE = re.compile(
    r"\x1b(?:"
    r"\[(?P<parameters>[0-?]*)(?P<between>[ -/]*)(?P<end>[@-~])"
    r"|(?P<opens>[\]P_^X])(?P<content>[^\x07\x1b]*)(?:\x07|\x1b\\)"
    r"|(?P<rest>[ -/]*[0-~])"
    r")"
)
_COMMANDING = re.compile(
    "[\x00-\x09\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029\ufeff]"
)


class Written:
    """Everything that was written, as UTF-8."""

    def __init__(self, data: bytes) -> None:
        text = data.decode("utf-8")  # whatever is no UTF-8 was not written by us
        self.kinds: Counter[str] = Counter()
        """Kinds of sequences: their first and last characters, and of private modes and titles also what they are."""
        self.contents: list[str] = []
        """Parameters and contents of all sequences but colours and cursor positions."""
        for found in _SEQUENCE.finditer(text):
            self.kinds[_kind(found)] += 1
            if found["end"] not in ("m", "H") or "7707" in (found["parameters"] or ""):
                self.contents.append(found[0])
        self.text = _SEQUENCE.sub("", text)
        """What is left when the sequences are taken away."""
        self.commanding = Counter(_COMMANDING.findall(self.text))
        """Characters in it that a terminal obeys, newline and carriage return left out."""


def _kind(found: re.Match[str]) -> str:
    if found["end"]:
        parameters = found["parameters"]
        return f"[{parameters if found['end'] not in 'mHABCDJK' else ''}{found['between']}{found['end']}"
    if found["opens"]:
        return found["opens"] + found["content"].split(";")[0]
    return str(found["rest"])
