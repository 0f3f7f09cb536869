"""Rules that find, in a question, a tool that it certainly asks for, and the arguments of the call.

The smallest models choose tools badly and write their arguments worse, so none of them is asked. A rule is sure or says
nothing; each takes the question and returns the arguments of the calls that it finds (mostly one, often none).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engine.nodes.asked_calculation import calculations_asked
from engine.nodes.json_values import plain_json

MAX_QUESTION = 50_000
"""Characters that are looked at."""

Arguments = dict[str, Any]
Rule = Callable[[str], Sequence[Arguments]]

_FENCE = re.compile(r"^[ \t]{0,3}(```|~~~)[ \t]*(\w*)[^\n]*\n(.*?)^[ \t]{0,3}\1", re.MULTILINE | re.DOTALL)
_QUOTED = re.compile(r"\"([^\"\n]{1,5000})\"|“([^“”]{1,5000})”|`([^`\n]{1,5000})`|(?<!\w)'([^'\n]{1,5000})'(?!\w)")
_RUN = re.compile(
    r"\b(?:run|execute|evaluate|output|outputs?|prints?|printed|returns?|result|what does (?:this|it|the following)"
    r"(?: \w+){0,3} do)\b",
    re.IGNORECASE,
)


def python_blocks(text: str) -> list[str]:
    """The Python in a text's code fences; fences of other languages are left out."""
    blocks = [match[3] for match in _FENCE.finditer(text[:MAX_QUESTION]) if match[2].lower() in ("python", "py", "")]
    return [block for block in blocks if block.strip() and len(block) <= 20_000]


def _calculator(question: str) -> list[Arguments]:
    return [{"expression": expression} for expression in calculations_asked(question)]


def _code(question: str) -> list[Arguments]:
    """Code that is to be run: in a fence, with words around it that ask what it does."""
    blocks = python_blocks(question)
    words = _FENCE.sub(" ", question[:MAX_QUESTION])
    return [{"code": blocks[0]}] if len(blocks) == 1 and _RUN.search(words) else []


# -- JSON -------------------------------------------------------------------------------------------------------------


def _json_values(text: str) -> list[Any]:
    """The objects and lists in a text, outermost ones only; at most ten."""
    decoder, found, at, tries = json.JSONDecoder(), list[Any](), 0, 0
    while len(found) < 10 and tries < 50:
        starts = [start for start in (text.find("{", at), text.find("[", at)) if start >= 0]
        if not starts:
            break
        tries += 1
        try:
            value, at = decoder.raw_decode(text, min(starts))
            found.append(plain_json(value))
        except (ValueError, RecursionError):
            at = max(at, min(starts) + 1)
    return found


def _with_json(pattern: str, arguments: Callable[[list[Any], re.Match[str]], Sequence[Arguments]]) -> Rule:
    """A rule that needs JSON in the question, and words that match `pattern`."""
    words = re.compile(pattern, re.IGNORECASE)

    def rule(question: str) -> Sequence[Arguments]:
        asked = words.search(question[:MAX_QUESTION])
        values = _json_values(question[:MAX_QUESTION]) if asked else []
        return arguments(values, asked) if asked and values else []

    return rule


def _formatted(values: list[Any], asked: re.Match[str]) -> Sequence[Arguments]:
    if len(values) != 1:
        return []
    return [{"value": values[0], "indent": 0 if asked[0].lower().startswith(("minif", "compact")) else 2}]


def _queried(values: list[Any], asked: re.Match[str]) -> Sequence[Arguments]:
    return [{"value": values[0], "path": asked["path"]}] if len(values) == 1 else []


def _merged(values: list[Any], _asked: re.Match[str]) -> Sequence[Arguments]:
    return [{"values": values}] if len(values) > 1 and all(isinstance(value, dict) for value in values) else []


_CHECKS_JSON = re.compile(
    r"\b(?:valid|well-formed|parse|correct) json\b|\bjson\b.{0,40}\b(?:valid|correct)\b", re.IGNORECASE
)


def _json_parse(question: str) -> list[Arguments]:
    """Whether something is JSON: the text from its first bracket on, which may well be none."""
    if not _CHECKS_JSON.search(question[:MAX_QUESTION]):
        return []
    starts = [start for start in (question.find("{"), question.find("[")) if start >= 0]
    return [{"text": question[min(starts) :][:MAX_QUESTION].strip("`\n ")}] if starts else []


# -- texts ------------------------------------------------------------------------------------------------------------


def _quoted(question: str) -> list[str]:
    """The quoted texts, in order."""
    found = [next(group for group in match.groups() if group) for match in _QUOTED.finditer(question[:MAX_QUESTION])]
    return [text for text in found if text.strip()]


def _about_a_quotation(pattern: str, arguments: Callable[[str, str], Arguments]) -> Rule:
    """A rule that needs one quoted text, and words outside it that match `pattern`; its first group is handed on."""
    words = re.compile(pattern, re.IGNORECASE)

    def rule(question: str) -> Sequence[Arguments]:
        quoted = _quoted(question)
        asked = words.search(_QUOTED.sub(" ", question[:MAX_QUESTION])) if len(quoted) == 1 else None
        return [arguments(quoted[0], asked[1].lower())] if asked else []

    return rule


_CASES = {
    "upper": "upper", "uppercase": "upper", "capitals": "upper", "lower": "lower", "lowercase": "lower",
    "title": "title", "snake": "snake", "kebab": "kebab", "camel": "camel", "pascal": "pascal",
}  # fmt: skip
_KINDS = {"email": "emails", "url": "urls", "link": "urls", "number": "numbers", "date": "dates"}


_REPLACES = re.compile(r"\breplace\b[^\0]{0,40}\0\s*(?:with|by)\s*\0\s*in\b[^\0]{0,40}\0", re.IGNORECASE)
"""With a NUL for each quotation."""


def _text_replace(question: str) -> list[Arguments]:
    quoted = _quoted(question)
    words = _QUOTED.sub("\0", question[:MAX_QUESTION])
    if len(quoted) != 3 or not _REPLACES.search(words):
        return []
    return [{"find": quoted[0], "replace": quoted[1], "text": quoted[2]}]


# -- files ------------------------------------------------------------------------------------------------------------

_FILE_NAME = r"[`'\"]?(?P<path>(?:[\w.-]+/){0,10}[\w-][\w.-]*\.[A-Za-z]\w{0,7})[`'\"]?"
_READ = re.compile(
    rf"\b(?:read|open|show(?: me)?|print|display|summari[sz]e|what(?:'s| is) (?:in|inside|written in))\s+(?:me\s+)?"
    rf"(?:the\s+)?(?:contents? of\s+)?(?:the\s+)?(?:file\s+)?{_FILE_NAME}(?=[\s?!.,]|$)",
    re.IGNORECASE,
)
_LIST = re.compile(
    r"\b(?:list|show(?: me)?|which|what)\s+(?:all\s+)?(?:the\s+|my\s+)?files\b"
    r"(?:[^?.!]{0,20}?\bin\s+(?:the\s+)?(?:folder|directory)\s+[`'\"]?(?P<path>[\w./-]{1,200}?)[`'\"]?(?=[\s?!.,]|$))?",
    re.IGNORECASE,
)
_SEARCH = re.compile(r"\b(?:search|look|find|grep)\b[^?.!]{0,40}\bfiles?\b|\bwhich files?\b", re.IGNORECASE)


def _file_read(question: str) -> list[Arguments]:
    asked = _READ.search(question[:MAX_QUESTION])
    return [{"path": asked["path"]}] if asked else []


def _file_list(question: str) -> list[Arguments]:
    asked = _LIST.search(question[:MAX_QUESTION])
    return [{"path": asked["path"] or "."}] if asked and not _quoted(question) else []


def _file_search(question: str) -> list[Arguments]:
    quoted = _quoted(question)
    asked = len(quoted) == 1 and _SEARCH.search(_QUOTED.sub(" ", question[:MAX_QUESTION]))
    return [{"text": quoted[0]}] if asked else []


RULES: Mapping[str, Rule] = {
    "calculator": _calculator,
    "code": _code,
    "json_format": _with_json(r"\b(?:pretty[- ]?print|format|indent|prettify|beautify|minify|compact)\b", _formatted),
    "json_query": _with_json(
        r"\b(?:value|field|path|get|extract|query)\b[^{\[`\"']{0,30}[`\"'](?P<path>[\w.*\[\]-]{1,200})[`\"']", _queried
    ),
    "json_merge": _with_json(r"\b(?:merge|combine)\b", _merged),
    "json_parse": _json_parse,
    "text_stats": _about_a_quotation(
        r"\b(?:how many|count(?: the)?|number of)\s+(?:\w+\s+)?(words|characters|letters|lines|sentences)\b",
        lambda text, _what: {"text": text},
    ),
    "text_case": _about_a_quotation(
        r"\b(?:to|in|into|as)\s+(?:all\s+)?(upper|uppercase|capitals|lower|lowercase|title|snake|kebab|camel|pascal)"
        r"(?:[- _]?case)?\b",
        lambda text, case: {"text": text, "case": _CASES[case]},
    ),
    "text_split": _about_a_quotation(
        r"\bsplit\b.{0,40}\b(?:in|into|by)\s+(lines|paragraphs|sentences|words)\b",
        lambda text, by: {"text": text, "by": by},
    ),
    "text_extract": _about_a_quotation(
        r"\b(?:extract|find|list|get)\b.{0,20}\b(email|url|link|number|date)(?:s|es| address(?:es)?)?\b",
        lambda text, kind: {"text": text, "kind": _KINDS[kind]},
    ),
    "text_replace": _text_replace,
    "file_read": _file_read,
    "file_list": _file_list,
    "file_search": _file_search,
}
"""Tool id -> its rule; a tool without one is never chosen by rule."""


def calls_by_rule(tool: str, question: str) -> Sequence[Arguments]:
    """The arguments of the calls of that tool that a question certainly asks for."""
    rule = RULES.get(tool)
    return rule(question) if rule is not None else []
