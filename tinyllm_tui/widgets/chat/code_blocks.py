"""The code blocks of an answer."""

from __future__ import annotations

from dataclasses import dataclass

from tinyllm_tui.sanitize import one_line, sanitize
from tinyllm_tui.widgets.chat.draft import Fences


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """One fenced block."""

    language: str
    code: str

    @property
    def words(self) -> str:
        """How it is named in a list."""
        lines = self.code.count("\n")
        first = next((line for line in self.code.split("\n") if line.strip()), "")
        named = f"{self.language}, " if self.language else ""
        return f"{named}{lines} line{'' if lines == 1 else 's'}: {one_line(first, 80)}"


def code_blocks(text: str) -> list[CodeBlock]:
    """The fenced blocks of a Markdown text, in order, without anything that a terminal would obey.

    One that does not end takes all that follows it.
    """
    blocks: list[CodeBlock] = []
    fences = Fences()
    language, lines = "", list[str]()
    inside = False
    for line in sanitize(text).split("\n"):
        kind = fences.see(line)
        if kind == "open":
            language, lines, inside = one_line(line.strip().lstrip("`~").partition(" ")[0], 20), [], True
        elif kind == "code":
            lines.append(line)
        elif kind == "close":
            blocks.append(CodeBlock(language, "".join(f"{each}\n" for each in lines)))
            inside = False
    if inside and any(lines):
        blocks.append(CodeBlock(language, "".join(f"{each}\n" for each in lines)))
    return blocks
