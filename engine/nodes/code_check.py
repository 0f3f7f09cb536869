"""Whether the code blocks of an answer are whole and parse. Nothing is run, and nothing is imported."""

from __future__ import annotations

import ast
import json
import re
import textwrap
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

MAX_PARSED = 8_000
"""Characters of all blocks that are parsed, a few milliseconds' work; what is beyond them cannot be decided."""
MAX_YAML = 4_000
"""Characters of a YAML block that is parsed: its parser is slower."""
MAX_DEPTH = 30
"""Levels of brackets and of indented dashes that are parsed; more cannot be decided."""

_FENCE = re.compile(r"(?P<fence>`{3,}|~{3,})\s*(?P<language>[\w+#.-]*)[^`]*")
_PROMPT = re.compile(r"^\s*(?:>>>|\$ |[!%]\w)", re.MULTILINE)
"""A session, a shell command or a notebook's magic: no plain Python."""
_ABRIDGED = re.compile(r"^\s*//|\s//\s|\.\.\.|…", re.MULTILINE)
"""JSON with remarks, or with parts left out on purpose."""
_NESTING = re.compile(r"[\[{(?-]+")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced code block."""

    language: str
    text: str
    closed: bool


def code_problem(text: str) -> str:
    """What is wrong with the first block that is cut off or does not parse, as the next prompt says it; else empty.

    Blocks in other languages than Python, JSON and YAML, and those that are too large or too deeply nested, pass.
    """
    left = MAX_PARSED
    for block in blocks(text):
        if not block.closed:
            return "a code block was cut off; close it" if block.text.strip() else ""
        parser = _PARSERS.get(block.language)
        if parser is None or len(block.text) > left:
            continue
        left -= len(block.text)
        problem = parser(textwrap.dedent(block.text))
        if problem:
            return problem
    return ""


def blocks(text: str) -> list[Block]:
    """The fenced blocks of a Markdown text, in order; one that is not closed reaches to the end."""
    return [part for part in _parts(text) if isinstance(part, Block)]


def without_blocks(text: str) -> str:
    """The lines that stand in no fenced block."""
    return "\n".join(part for part in _parts(text) if isinstance(part, str))


def _parts(text: str) -> Iterator[Block | str]:
    """Blocks, and the lines between them."""
    fence = language = ""
    lines: list[str] = []
    for line in text.splitlines():
        mark = line.strip()
        if fence:
            if mark.startswith(fence) and not mark.strip(fence[0]):
                yield Block(language, "\n".join(lines), True)
                fence = ""
            else:
                lines.append(line)
        elif mark.startswith(("```", "~~~")) and (match := _FENCE.fullmatch(mark)):
            fence, language, lines = match["fence"], match["language"].lower(), []
        else:
            yield line
    if fence:
        yield Block(language, "\n".join(lines), False)


def _python(text: str) -> str:
    if _PROMPT.search(text):
        return ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's advice about "\d" is not for anybody here
            ast.parse(text)
    except SyntaxError as exc:
        return f"the Python code does not parse: {_words(exc.msg)} in line {exc.lineno or 1} of its block"
    except (ValueError, RecursionError, MemoryError):
        return ""  # nested too deeply for the parser: nothing is known
    return ""


def _json(text: str) -> str:
    if not text.strip():
        return ""
    try:
        json.loads(text)
    except json.JSONDecodeError as exc:
        if exc.msg == "Extra data" or _ABRIDGED.search(text):  # several values, one after the other
            return ""
        return f"the JSON does not parse: {_words(exc.msg)} in line {exc.lineno} of its block"
    except (ValueError, RecursionError):
        return ""
    return ""


def _yaml(text: str) -> str:
    too_deep = any(match.end() - match.start() > MAX_DEPTH for match in _NESTING.finditer(re.sub(r"\s", "", text)))
    if len(text) > MAX_YAML or too_deep or _depth(text) > MAX_DEPTH or "{{" in text or "{%" in text:
        return ""  # too much to parse at once, or a template for YAML
    import yaml  # heavy, and few answers have any

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        for _ in yaml.parse(text, Loader=loader):
            pass  # events only: no value is built, so no alias is expanded
    except yaml.MarkedYAMLError as exc:
        line = exc.problem_mark.line + 1 if exc.problem_mark is not None else 1
        return f"the YAML does not parse: {_words(exc.problem or 'not understood')} in line {line} of its block"
    except (yaml.YAMLError, ValueError, RecursionError):
        return ""
    return ""


def _depth(text: str) -> int:
    """The deepest level of brackets, whether they match or not."""
    level = deepest = 0
    for char in text:
        if char in "[{":
            level += 1
            deepest = max(deepest, level)
        elif char in "]}":
            level -= 1
    return deepest


def _words(message: str) -> str:
    """A parser's message; it may quote the text, which a model wrote."""
    return " ".join("".join(char if char.isprintable() else " " for char in message[:160]).split())[:80]


_PARSERS: Mapping[str, Callable[[str], str]] = {
    "python": _python,
    "python3": _python,
    "py": _python,
    "json": _json,
    "yaml": _yaml,
    "yml": _yaml,
}
