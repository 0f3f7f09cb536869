"""The end of an answer while it is being written: plain lines that look like the Markdown they will become.

A Markdown widget arranges and paints the whole screen anew with every append; these lines repaint themselves alone.
"""

from __future__ import annotations

import re

from rich.cells import set_cell_size

from tinyllm_tui.widgets.lines import LineView
from tinyllm_tui.words import UNICODE, Glyphs, Line, Span, plain, wrapped

_FENCE = re.compile(r" *(`{3,}|~{3,})(.*)")
_HEADING = re.compile(r" {0,3}#{1,6} +")
_ITEM = re.compile(r"( *)(?:([-*+])|(\d{1,9}[.)])) +")
_OWN_ROW = re.compile(r" *[|>]")
"""Tables and quotes keep their rows; other lines run on as one paragraph."""
_INLINE = re.compile(r"\*\*(?=\S)(.+?)(?:\*\*|$)|`([^`]+)(?:`|$)|(?<![\w*])\*(?![\s*])([^*]+)(?<!\s)\*(?![\w*])")


class Fences:
    """Whether lines, seen one after the other, stand inside a code fence."""

    def __init__(self) -> None:
        self.mark = ""

    def see(self, line: str) -> str:
        """What `line` is: `open`, `close`, `code` or `text`."""
        found = _FENCE.fullmatch(line)
        if self.mark:
            closes = found is not None and found[1].startswith(self.mark) and not found[2].strip()
            self.mark = "" if closes else self.mark
            return "close" if closes else "code"
        if found is not None and not (found[1][0] == "`" and "`" in found[2]):
            self.mark = found[1]
            return "open"
        return "text"


def finished_until(text: str, start: int = 0) -> int:
    """Where the block that is still being written begins; `start` is an earlier result for the same beginning.

    A block has ended with a blank line, with the end of its fence, or where a fence begins.
    """
    fences = Fences()
    end = position = start
    content = False
    for line in text[start:].split("\n")[:-1]:
        kind = fences.see(line)
        if kind == "open" and content:
            end = position
        position += len(line) + 1
        if kind == "close" or (kind == "text" and content and not line.strip()):
            end, content = position, False
        else:
            content = content or bool(line.strip())
    return end


_GAP: Line = (("", "text"),)
"""The empty row between two blocks."""


class _Rows:
    """Rows of a draft, with an empty one between two blocks, as Markdown has it; items of a list follow each other."""

    def __init__(self, width: int, bullet: str) -> None:
        self._width, self._bullet = width, bullet
        self.rows: list[Line] = []
        self._paragraph: list[str] = []
        self._apart = False
        """Whether what comes next is a block of its own."""
        self._in_list = False

    def text(self, line: str) -> None:
        """A line that is no code."""
        item = _ITEM.match(line)
        heading = _HEADING.match(line)
        if item or heading or _OWN_ROW.match(line) or not line.strip():
            self.end()
        if not line.strip():
            self._apart = True
            return
        if not self._paragraph:
            self._begin(apart=heading is not None or (item is not None) != self._in_list, item=item is not None)
        self._paragraph.append(line)
        if heading:
            self.end()
            self._apart = True

    def code(self, line: str, kind: str) -> None:
        """A line of a fence, or one that begins or ends it."""
        self.end()
        if kind == "open":
            self._begin(apart=True)
        # a fence is drawn with an empty row above and below its code, and two columns on its left and right
        code = wrapped(((line if kind == "code" else "", "code"),), max(self._width - 4, 8))
        self.rows += [((set_cell_size(f"  {plain(row)}", self._width), "code"),) for row in code]
        self._apart = kind == "close"

    def end(self) -> None:
        """What was being written is a paragraph of its own."""
        if self._paragraph:
            self.rows.extend(_paragraph(self._paragraph, self._width, self._bullet))
            self._paragraph.clear()

    def _begin(self, *, apart: bool, item: bool = False) -> None:
        if self.rows and (apart or self._apart) and not (item and self._in_list):
            self.rows.append(_GAP)
        self._apart, self._in_list = False, item


def draft_lines(text: str, width: int, bullet: str = UNICODE.bullet) -> list[Line]:
    """A block that is being written, on rows of `width` columns; `bullet` stands before what is listed."""
    rows = _Rows(width, bullet)
    fences = Fences()
    for line in text.strip("\n").split("\n"):
        kind = fences.see(line)
        if kind == "text":
            rows.text(line)
        else:
            rows.code(line, kind)
    rows.end()
    if fences.mark:
        rows.code("", "end")
    return rows.rows


def _paragraph(lines: list[str], width: int, sign: str) -> list[Line]:
    text = " ".join(line.strip() for line in lines)
    heading = _HEADING.match(lines[0])
    if heading:
        return wrapped(((text[len(heading[0].strip()) :].strip(), "strong"),), width)
    item = _ITEM.match(lines[0])
    if item is None:
        return wrapped(tuple(_inline(text)), width)
    indent, bullet, number = item.groups()
    sign = f"{indent}{sign} " if bullet else f"{indent} {number} "
    rest = text[len(bullet or number) :].strip()
    return wrapped(((sign, "text"), *_inline(rest)), width, indent=len(sign))


def _inline(text: str) -> list[Span]:
    spans: list[Span] = []
    end = 0
    for found in _INLINE.finditer(text):
        spans.append((text[end : found.start()], "text"))
        words: Span = (found[1], "strong") if found[1] else (found[2], "inline") if found[2] else (found[3], "text")
        spans.append(words)
        end = found.end()
    spans.append((text[end:], "text"))
    return [span for span in spans if span[0]]


class Draft(LineView, can_focus=False):
    """The block that is being written."""

    DEFAULT_CSS = """
    Draft { height: 1fr; overflow: hidden; }
    Draft > .tone--code { color: $foreground; background: $field-background; }
    Draft > .tone--inline { color: $code-inline; background: $field-background; }
    """

    def __init__(self, signs: Glyphs) -> None:
        super().__init__()
        self._signs = signs

    def show(self, text: str) -> None:
        self.make_lines(lambda width: draft_lines(text, width or 80, self._signs.bullet) if text.strip() else [])
