"""Tools that find and replace in texts, by plain text, by kind, or by a regular expression of a stranger."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import ClassVar, Literal, Self

import regex
from pydantic import BaseModel, Field, model_validator

from engine.errors import EngineError, ErrorClass
from engine.graph.problems import shorten
from engine.tools.patterns import compile_literal, compile_pattern, matches, replace_all
from engine.tools.protocol import Arguments, Result, ToolContext
from engine.tools.text import MAX_TEXT, TextField, TextTool
from engine.tools.threads import Stop, in_thread


class TextReplaceArguments(Arguments):
    text: str = TextField
    find: str = Field(min_length=1, max_length=500)
    replace: str = Field(default="", max_length=10_000, description="with regex=true, \\1 and \\g<name> are groups")
    regex: bool = Field(default=False, description="true: `find` is a regular expression")
    ignore_case: bool = False
    count: int = Field(default=0, ge=0, description="replace at most so many; 0: all")


class TextReplaceResult(Result):
    text: str
    replacements: int

    def as_text(self) -> str:
        return self.text


class TextReplaceTool(TextTool):
    id = "text_replace"
    description = "Replaces a text, or what a regular expression finds, within a text."
    Input: ClassVar[type[BaseModel]] = TextReplaceArguments
    Output: ClassVar[type[BaseModel]] = TextReplaceResult

    async def run(self, arguments: TextReplaceArguments, context: ToolContext) -> TextReplaceResult:  # noqa: ARG002
        """The text with its replacements.

        Raises:
            EngineError: INVALID_REQUEST, code `bad_pattern`; RESOURCE, codes `pattern_timeout` and `text_too_long`.
        """
        compiled = compile_pattern if arguments.regex else compile_literal
        pattern = compiled(arguments.find, ignore_case=arguments.ignore_case)
        return await in_thread(lambda stop: _replaced(arguments, pattern, stop))


def _replaced(arguments: TextReplaceArguments, pattern: regex.Pattern[str], stop: Stop) -> TextReplaceResult:
    plain = not arguments.regex or "\\" not in arguments.replace
    if plain and (len(arguments.text) + 1) * (len(arguments.replace) + 1) <= 4 * MAX_TEXT:  # however many there are
        text, count = replace_all(pattern, arguments.text, arguments.replace, arguments.count)
        if len(text) > MAX_TEXT:
            raise _too_long()
        return TextReplaceResult(text=text, replacements=count)
    pieces: list[str] = []
    end = count = length = 0
    for match in matches(pattern, arguments.text, stop):
        kept = arguments.text[end : match.start()]
        # every group reference may be as long as the match, so this is known before anything is built
        worst = len(arguments.replace) + (arguments.replace.count("\\") * len(match[0]) if arguments.regex else 0)
        if length + len(kept) + worst > 4 * MAX_TEXT:
            raise _too_long()
        new = _expanded(match, arguments.replace) if arguments.regex else arguments.replace
        length += len(kept) + len(new)
        pieces += (kept, new)
        end, count = match.end(), count + 1
        if length > MAX_TEXT:
            raise _too_long()
        if count == arguments.count:
            break
    pieces.append(arguments.text[end:])
    text = "".join(pieces)
    if len(text) > MAX_TEXT:
        raise _too_long()
    return TextReplaceResult(text=text, replacements=count)


def _expanded(match: regex.Match[str], template: str) -> str:
    try:
        return match.expand(template)
    except (regex.error, IndexError, KeyError, ValueError, OverflowError) as exc:
        message = f"The replacement `{shorten(template)}` cannot be used: {shorten(exc, 100)}."
        remedy = "Refer to groups that the pattern has, and write \\\\ for a backslash."
        raise EngineError(ErrorClass.INVALID_REQUEST, "bad_replacement", message, remedy=remedy) from None


def _too_long() -> EngineError:
    message = f"The text would have more than {MAX_TEXT:,} characters."
    return EngineError(ErrorClass.RESOURCE, "text_too_long", message, remedy="Replace fewer, or with less.")


Kind = Literal["numbers", "emails", "urls", "dates", "quoted", "code_blocks", "regex"]

_KINDS: dict[Kind, regex.Pattern[str]] = {
    "numbers": regex.compile(r"(?<![\w.])[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][-+]?\d+)?(?!\w)"),
    "emails": regex.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+"),
    "urls": regex.compile(r"https?://[^\s<>\"'`]+(?<![.,;:!?)\]}])"),
    "dates": regex.compile(r"(?<!\d)\d{4}-\d{2}-\d{2}(?!\d)|(?<!\d)\d{1,2}[./]\d{1,2}[./](?:\d{4}|\d{2})(?!\d)"),
    "quoted": regex.compile(r"(?<=\")[^\"\n]{1,1000}(?=\")|(?<=“)[^“”\n]{1,1000}(?=”)"),
}
_FENCE = re.compile(r"^[ \t]{0,3}(```+|~~~+)[^\n]*\n", re.MULTILINE)


class TextExtractArguments(Arguments):
    text: str = TextField
    kind: Kind
    pattern: str = Field(default="", max_length=500, description="for kind=regex; its first group is taken, if any")
    limit: int = Field(default=100, ge=1, le=1000)

    @model_validator(mode="after")
    def _has_a_pattern(self) -> Self:
        if self.kind == "regex" and not self.pattern:
            raise ValueError("kind=regex needs a pattern")
        return self


class TextExtractResult(Result):
    items: list[str]
    more: bool = Field(description="whether there are more than the limit")

    def as_text(self) -> str:
        return "\n".join(self.items) or "[nothing found]"


class TextExtractTool(TextTool):
    id = "text_extract"
    description = "Finds numbers, e-mail addresses, URLs, dates, quotations, code blocks or a pattern in a text."
    Input: ClassVar[type[BaseModel]] = TextExtractArguments
    Output: ClassVar[type[BaseModel]] = TextExtractResult

    async def run(self, arguments: TextExtractArguments, context: ToolContext) -> TextExtractResult:  # noqa: ARG002
        """What was found, in order.

        Raises:
            EngineError: INVALID_REQUEST, code `bad_pattern`; RESOURCE, code `pattern_timeout`.
        """
        find = _finder(arguments)

        def work(stop: Stop) -> TextExtractResult:
            items: list[str] = []
            for item in find(stop):
                if len(items) == arguments.limit:
                    return TextExtractResult(items=items, more=True)
                items.append(item)
            return TextExtractResult(items=items, more=False)

        return await in_thread(work)


def _finder(arguments: TextExtractArguments) -> Callable[[Stop], Iterator[str]]:
    if arguments.kind == "code_blocks":
        return lambda _stop: _code_blocks(arguments.text)
    pattern = compile_pattern(arguments.pattern) if arguments.kind == "regex" else _KINDS[arguments.kind]
    group = 1 if pattern.groups else 0
    return lambda stop: (match[group] or "" for match in matches(pattern, arguments.text, stop))


def _code_blocks(text: str) -> Iterator[str]:
    """The contents of fenced blocks (CommonMark fences); a block without an end goes to the end of the text."""
    position = 0
    while opening := _FENCE.search(text, position):
        fence = opening[1]
        closing = re.compile(rf"^[ \t]{{0,3}}{re.escape(fence[0])}{{{len(fence)},}}[ \t]*$", re.MULTILINE)
        end = closing.search(text, opening.end())
        yield text[opening.end() : end.start() if end else len(text)].rstrip("\n")
        if end is None:
            return
        position = end.end()
