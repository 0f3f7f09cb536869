"""Tools that count, split and re-case texts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import ClassVar, Literal, Self

from pydantic import BaseModel, Field, model_validator

from engine.message import estimate_tokens
from engine.tools.effect import Effect, Permission
from engine.tools.protocol import Arguments, Result, ToolContext
from engine.tools.threads import in_thread

MAX_TEXT = 1_000_000
"""Characters of a text."""

TextField = Field(max_length=MAX_TEXT)


class TextTool:
    """What the text tools share."""

    effect: ClassVar[Effect] = "pure"
    permission: ClassVar[Permission] = "auto"
    timeout_s = 10.0


class TextStatsArguments(Arguments):
    text: str = TextField


class TextStatsResult(Result):
    characters: int
    bytes: int = Field(description="of the text as UTF-8")
    words: int = Field(description="runs of characters between white space")
    different_words: int = Field(description="not counting case")
    lines: int
    sentences: int = Field(description="ends of sentences, estimated by . ! ? and line ends")
    paragraphs: int = Field(description="parts between empty lines")
    tokens: int = Field(description="estimated at 4 bytes each")


class TextStatsTool(TextTool):
    id = "text_stats"
    description = "Counts characters, words, lines, sentences, paragraphs and tokens of a text."
    Input: ClassVar[type[BaseModel]] = TextStatsArguments
    Output: ClassVar[type[BaseModel]] = TextStatsResult

    async def run(self, arguments: TextStatsArguments, context: ToolContext) -> TextStatsResult:  # noqa: ARG002
        return await in_thread(lambda _stop: _stats(arguments.text))


def _stats(text: str) -> TextStatsResult:
    words = text.split()
    return TextStatsResult(
        characters=len(text),
        bytes=len(text.encode()),
        words=len(words),
        different_words=len({word.casefold() for word in words}),
        lines=len(text.splitlines()),
        sentences=len(_sentences(text)),
        paragraphs=len(_paragraphs(text)),
        tokens=estimate_tokens(text),
    )


_SENTENCE_END = re.compile(r"[.!?…](?=\s)|\n")
_PARAGRAPH_END = re.compile(r"\n[ \t]*\n")


def _sentences(text: str) -> list[str]:
    return _cut_after(text, _SENTENCE_END)


def _paragraphs(text: str) -> list[str]:
    return _cut_after(text.replace("\r\n", "\n"), _PARAGRAPH_END)


def _cut_after(text: str, end: re.Pattern[str]) -> list[str]:
    """The parts of a text, each with its end, stripped; empty ones are left out."""
    parts, start = [], 0
    for match in end.finditer(text):
        parts.append(text[start : match.end()].strip())
        start = match.end()
    parts.append(text[start:].strip())
    return [part for part in parts if part]


SplitBy = Literal["lines", "paragraphs", "sentences", "words", "separator", "size"]


class TextSplitArguments(Arguments):
    text: str = TextField
    by: SplitBy = Field(
        default="paragraphs",
        description="size: pieces of at most `size` characters that end between paragraphs, sentences or words",
    )
    separator: str = Field(default="", max_length=100, description="for by=separator")
    size: int = Field(default=2000, ge=10, le=100_000, description="for by=size: characters of a piece")
    limit: int = Field(default=500, ge=1, le=1000, description="pieces at most; the last one is then the whole rest")

    @model_validator(mode="after")
    def _has_a_separator(self) -> Self:
        if self.by == "separator" and not self.separator:
            raise ValueError("by=separator needs a separator")
        return self


class TextSplitResult(Result):
    pieces: list[str]
    count: int


class TextSplitTool(TextTool):
    id = "text_split"
    description = "Splits a text into lines, paragraphs, sentences, words, or pieces of a size."
    Input: ClassVar[type[BaseModel]] = TextSplitArguments
    Output: ClassVar[type[BaseModel]] = TextSplitResult

    async def run(self, arguments: TextSplitArguments, context: ToolContext) -> TextSplitResult:  # noqa: ARG002
        pieces = await in_thread(lambda _stop: split_text(arguments))
        return TextSplitResult(pieces=pieces, count=len(pieces))


def split_text(arguments: TextSplitArguments) -> list[str]:
    """The pieces, in order; none is empty."""
    text = arguments.text
    match arguments.by:
        case "lines":
            pieces, joint = [line for line in text.splitlines() if line.strip()], "\n"
        case "paragraphs":
            pieces, joint = _paragraphs(text), "\n\n"
        case "sentences":
            pieces, joint = _sentences(text), " "
        case "words":
            pieces, joint = text.split(), " "
        case "separator":
            pieces, joint = [piece for piece in text.split(arguments.separator) if piece], arguments.separator
        case "size":
            pieces, joint = _sized(text, arguments.size), " "
    if len(pieces) > arguments.limit:
        pieces[arguments.limit - 1 :] = [joint.join(pieces[arguments.limit - 1 :])]
    return pieces


_JOINTS = (("\n\n", _paragraphs), ("\n", _sentences), (" ", str.split))


def _sized(text: str, size: int, level: int = 0) -> list[str]:
    """Pieces of at most `size` characters, cut at the largest joint that makes them fit."""
    if len(text) <= size:
        return [text] if text.strip() else []
    if level == len(_JOINTS):
        return [text[start : start + size] for start in range(0, len(text), size)]
    joint, cut = _JOINTS[level]
    joint = " " if level else joint
    return _packed((small for part in cut(text) for small in _sized(part, size, level + 1)), joint, size)


def _packed(parts: Iterable[str], joint: str, size: int) -> list[str]:
    """Neighbours put together while they fit."""
    pieces: list[list[str]] = []
    length = 0
    for part in parts:
        if pieces and length + len(joint) + len(part) <= size:
            pieces[-1].append(part)
            length += len(joint) + len(part)
        else:
            pieces.append([part])
            length = len(part)
    return [joint.join(piece) for piece in pieces]


Case = Literal["upper", "lower", "title", "sentence", "snake", "kebab", "camel", "pascal"]


class TextCaseArguments(Arguments):
    text: str = TextField
    case: Case


class TextResult(Result):
    text: str

    def as_text(self) -> str:
        return self.text


class TextCaseTool(TextTool):
    id = "text_case"
    description = "Changes the case of a text: upper, lower, title, sentence, snake_case, kebab-case, camelCase."
    Input: ClassVar[type[BaseModel]] = TextCaseArguments
    Output: ClassVar[type[BaseModel]] = TextResult

    async def run(self, arguments: TextCaseArguments, context: ToolContext) -> TextResult:  # noqa: ARG002
        return TextResult(text=await in_thread(lambda _stop: _cased(arguments.text, arguments.case)))


_NAME_PARTS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+|[^\W\d_a-zA-Z]+")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


def _cased(text: str, case: Case) -> str:
    match case:
        case "upper":
            return text.upper()
        case "lower":
            return text.lower()
        case "title":
            return _WORD.sub(lambda word: word[0][:1].upper() + word[0][1:].lower(), text)
        case "sentence":
            return re.sub(r"(^\s*|[.!?]\s+)(\w)", lambda match: match[1] + match[2].upper(), text.lower())
    parts = [part.lower() for part in _NAME_PARTS.findall(text)]
    match case:
        case "snake":
            return "_".join(parts)
        case "kebab":
            return "-".join(parts)
        case "camel":
            return "".join(part if index == 0 else part.capitalize() for index, part in enumerate(parts))
        case "pascal":
            return "".join(part.capitalize() for part in parts)
