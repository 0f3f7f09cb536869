"""Texts that try to command a terminal, to break markup, or to push a frame out of its place."""

from __future__ import annotations

import random

# 7707 or PWN are inside every sequence, so that one that gets through is known again
_SEQUENCES = (
    "\x1b[7707;1m", "\x1b[7707A", "\x1b[2J\x1b[7707H", "\x1b[?7707h", "\x1b[7707", "\x1b\x1b[7707;1m",
    "\x1b[\x1b[7707m",
    "\x1b]0;7707PWN\x07", "\x1b]2;7707PWN\x1b\\", "\x1b]8;;http://7707PWN\x1b\\link\x1b]8;;\x1b\\",
    "\x1b]52;c;7707PWN\x07", "\x1b]9;7707PWN\x07", "\x1b]0;7707PWN", "\x1bP7707PWN\x1b\\", "\x1bP7707PWN",
    "\x1b_7707PWN\x1b\\", "\x1b^7707PWN\x1b\\", "\x1bX7707PWN\x1b\\", "\x9b7707m", "\x9d0;7707PWN\x9c",
    "\x907707PWN\x9c", "\x9f7707PWN\x9c", "\x1bc", "\x1b(0", "\x1b#8", "\x1b7", "\x1b", "\x1b\\",
)  # fmt: skip
_CONTROLS = ("\x00", "\x07", "\x08" * 30, "\x0b", "\x0c", "\x0e", "\x7f", "\r", "\r\n", "\n", "\t", "\x85", "\u2028")
_DIRECTION = ("\u202e", "\u2066", "\u200f", "\u061c", "\u202a\u2067")
_ZERO = ("\u200b", "\u200d", "\ufeff", "\u2060", "\ufe0f", "\U000e0041\U000e007f")
_SURROGATES = ("\ud800", "\udfff", "\udc80x\ud83d")
_STACKS = ("a" + "\u0301" * 200, "\u0308" * 40, "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢")
_MARKUP = (
    "[/nope]", "[link=http://7707PWN]x[/link]", "[@click=app.quit]x[/]", "[bold", "[/]", "[red]", "\\[", "[[", "]",
    "**", "```", "<script>", "[x](http://7707PWN)", "![x](y)", "| a | b |", "$error", "{{ x }}", "%s", "{}",
    "[on red]x",
)  # fmt: skip
_WIDE = ("中文字符", "한국어", "🙂🙂", "👩‍👩‍👧‍👦", "🇫🇷🇩🇪", "１２３", "e\u0301", "☺️")
_LONG = ("x" * 3000, "wide 中" * 300)
_FAMILIES = (_SEQUENCES, _CONTROLS, _DIRECTION, _ZERO, _SURROGATES, _STACKS, _MARKUP, _WIDE, _LONG)
_ODDS = (10, 3, 2, 2, 2, 1, 4, 2, 0.2)


class HostileTexts:
    """Makes texts, each with a harmless beginning that says for which place it is: `chat12.`."""

    def __init__(self, seed: int, *, harmless: bool = False) -> None:
        self._random = random.Random(seed)
        self._harmless = harmless
        self.made = 0

    def one(self, place: str) -> str:
        """A text that is shown at `place`."""
        self.made += 1
        if self._harmless:
            return f"{place}{self.made}. of {place}"
        pieces = [
            self._random.choice(self._random.choices(_FAMILIES, _ODDS)[0]) for _ in range(self._random.randint(1, 4))
        ]
        return f"{place}{self.made}. " + self._random.choice(("", " ", "x")).join(pieces)

    def some(self, place: str, count: int) -> list[str]:
        return [self.one(place) for _ in range(count)]
